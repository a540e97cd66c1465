"""A local stack as a person's command meets it: what it says of rollouts when nobody answers for them."""

from pathlib import Path

import pytest

from shipway.contract.environment import PortsSpec
from shipway.contract.errors import Retryable
from shipway.contract.layout import LocalLayout
from shipway.contract.rollout import Look
from shipway.delivery import client
from shipway.delivery.reach import LocalReach
from tests.shipway.delivery.test_controller import World, two_versions


@pytest.mark.parametrize("runs", [True, False])
def test_a_process_that_does_not_answer_is_not_said_to_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: bool
) -> None:
    """It may be busy, and judge all the same; only of one that holds no socket it is known that nothing is judged."""
    world = World(tmp_path)
    two_versions(world)

    def looks(layout: LocalLayout) -> dict[str, Look] | None:
        if runs:
            raise Retryable("the delivery process holds its socket but does not answer", 1.0)
        return None

    monkeypatch.setattr(client, "looks", looks)
    found = LocalReach(world.layout, PortsSpec(base=20_000)).looks()["digits"]
    assert ("the delivery process does not answer now" in found.sentence) == runs
    assert ("the delivery process does not run, so nothing is judged" in found.sentence) != runs


def test_declarations_that_cannot_be_listed_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that refuses is said with its reason; one that was never made is nothing wrong."""
    way = LocalReach(LocalLayout(tmp_path, "local"), PortsSpec(base=20_000))
    assert way.problems() == {}
    way.layout.routes.mkdir(parents=True)
    assert way.problems() == {}

    def refuse(_folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert way.problems() == {"routes": f"{way.layout.routes}: cannot be listed (Permission denied)"}
