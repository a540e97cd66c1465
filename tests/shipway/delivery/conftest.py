"""The stack on which delivery is tried."""

import pytest

from tests.shipway.delivery.stack import stack

__all__ = ["counters_of_one_process", "stack"]


@pytest.fixture(autouse=True)
def counters_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what BentoML leaves in the environment of a process in which a service was made before."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
