"""Environments: one file each, consistent by construction."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shipway.contract.environment import load_environment
from shipway.contract.errors import SpecError
from shipway.contract.workers import WORKERS

LOCAL: dict[str, Any] = {
    "name": "local",
    "tier": "local",
    "target": "local",
    "ports": {"base": 9000},
    "cpu_pool": {"cpu_millicores": 4000, "memory_mib": 4096},
}


def write(root: Path, environment: dict[str, Any], name: str = "local") -> None:
    """Writes one stack file."""
    (root / "stacks").mkdir(exist_ok=True)
    text = yaml.safe_dump({"config": {"shipway:environment": environment}})
    (root / "stacks" / f"Pulumi.{name}.yaml").write_text(text)


def test_every_port_follows_from_the_base(tmp_path: Path) -> None:
    """Two stacks with bases a span apart share no port."""
    write(tmp_path, LOCAL)
    ports = load_environment(tmp_path, "local").ports
    assert ports is not None
    own = set(ports.platform.values())
    assert len(own) == len(ports.platform) == 6 + len(WORKERS)
    assert not own & set(ports.model_slots)
    assert max(ports.model_slots) < ports.base + ports.span


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ports": None}, "ports and cpu_pool with target local"),
        ({"tier": "prod"}, "tier local with target local, not prod"),
        ({"target": "kubernetes", "tier": "prod"}, "no ports and no cpu_pool with target kubernetes"),
        ({"ports": {"base": 80}}, "ports.base: got 80, expected greater than or equal to 1024"),
        ({"ports": {"base": 65001}}, "ports.base: got 65001, expected less than or equal to 65000"),
        ({"budget": 3}, "budget: got 3, expected no such key"),
        ({"name": "other"}, "name: got 'other', expected the file's own environment, 'local'"),
    ],
)
def test_an_inconsistent_environment_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """Each cross-field rule prints the values it saw."""
    write(tmp_path, {**LOCAL, **change})
    with pytest.raises(SpecError) as caught:
        load_environment(tmp_path, "local")
    assert message in str(caught.value)


def test_an_unknown_environment_lists_the_known(tmp_path: Path) -> None:
    """A typing mistake in --env shows what there is."""
    write(tmp_path, LOCAL)
    with pytest.raises(SpecError, match="one of the environments local"):
        load_environment(tmp_path, "lokal")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://hunter2@example.com/", "address 2 without a user or password: it would lie in Pulumi's state"),
        ("https://example.com/?access_token=hunter2", "address 2 without a token in its query: it would lie in"),
        ("ftp://example.com/hunter2", r"address 2 to be http://HOST/\.\.\. or https://HOST/\.\.\."),
        ("https:///hunter2", r"address 2 to be http://HOST/\.\.\. or https://HOST/\.\.\."),
        ("https://example.com:99999/hunter2", "address 2 to be an address: its host or port cannot be read"),
    ],
)
def test_a_webhook_that_cannot_be_or_carries_a_credential(tmp_path: Path, url: str, said: str) -> None:
    """An address that is none, or that holds a secret, is refused without being repeated."""
    write(tmp_path, LOCAL | {"alerts": {"webhook_urls": ["http://127.0.0.1:9/fine", url]}})
    with pytest.raises(SpecError, match=rf"alerts\.webhook_urls: .*{said}") as caught:
        load_environment(tmp_path, "local")
    assert "hunter2" not in str(caught.value)
