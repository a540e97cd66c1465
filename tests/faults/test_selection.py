"""Some of the faults, with one seed each; `make faults` carries out all of them with many."""

from pathlib import Path

import pytest

from shipway.contract.layout import LocalLayout
from tests.faults.registry import FAULTS
from tests.faults.run import carry_out
from tests.shipway.delivery.stack import ENVIRONMENT

pytestmark = pytest.mark.e2e

# One that judges, one without evidence, one that never starts, one crash of each process, one after the promotion, and
# one of each dependency of a slot.
SELECTED = (*(("F1", 0), ("F3", 0), ("F4", 0), ("F8", 0), ("F11", 1), ("F22", 0)), ("F24", 0), ("F25b", 0))


@pytest.mark.parametrize(("name", "seed"), SELECTED)
def test_what_must_happen_happens(name: str, seed: int, tmp_path: Path) -> None:
    """The fault ends as the design says, no request is lost, and its record fits the model of a rollout."""
    root = tmp_path / name
    problems, notes = carry_out(FAULTS[name], root, seed)
    assert not problems, f"{problems}; {notes}"
    assert not LocalLayout(root, ENVIRONMENT).delivery_socket.exists()
