"""The stack on which delivery is tried."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.shipway.delivery.stack import ENVIRONMENT, Stack, bootstrap, free_base


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack with nothing running yet."""
    made = Stack(tmp_path, free_base())
    document = {
        "name": ENVIRONMENT,
        "tier": "local",
        "target": "local",
        "ports": {"base": made.base_port, "span": 40},
        "cpu_pool": {"cpu_millicores": 2000, "memory_mib": 2000},
    }
    (tmp_path / "stacks").mkdir()
    config = {"config": {"shipway:environment": document}}
    (tmp_path / "stacks" / f"Pulumi.{ENVIRONMENT}.yaml").write_text(yaml.safe_dump(config))
    made.layout.envoy.mkdir(parents=True)
    (made.layout.envoy / "bootstrap.yaml").write_text(json.dumps(bootstrap(made)))
    try:
        yield made
    finally:
        made.end()
