"""A model's own repository on a platform that is up: its stack is what the platform's own stack of models would be."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.standins.world import World
from tests.tools.conftest import FIRST, SECOND, release
from tools.foreseen import Change, Step, read_events
from tools.offline import Offline, prepare
from tools.preview import stacks_of

pytestmark = [pytest.mark.standins, pytest.mark.timeout(400)]

PLATFORM, MODELS = "dev", "dev-models"


class Account:
    """Stacks of several repositories under the real engine, in one account and one cluster that stand-ins remember."""

    def __init__(self, place: Offline) -> None:
        self._place = place

    def objects(self) -> dict[str, Any]:
        """Returns all that was made."""
        return World(self._place.folder / "world.json").read()

    def run(self, source: Path, stack: str, *words: str) -> tuple[Step, ...]:
        """Runs a command of the engine on a stack of the repository `source`; returns what it did to what."""
        there = self._place.stack(stack, source, rehearsed=True)
        there.ensure()
        events = self._place.folder / "events.jsonl"
        events.unlink(missing_ok=True)
        code = there.recorded(words[0], events, *words[1:])
        assert code == 0, events.with_suffix(".txt").read_text(encoding="utf-8")
        return read_events(events).steps

    def up(self, source: Path, stack: str) -> tuple[Step, ...]:
        return self.run(source, stack, "up", "--yes", "--skip-preview")

    def unchanged(self, source: Path, stack: str) -> tuple[Step, ...]:
        """Returns what a stack declares, of which another `up` would change nothing, having looked at every object."""
        steps = self.run(source, stack, "preview", "--refresh")
        assert changed(steps) == {}
        return steps


@pytest.fixture
def account(root: Path) -> Iterator[Account]:
    place = prepare(root, "attached", stacks_of(root, PLATFORM))
    yield Account(place)
    shutil.rmtree(place.folder)


@pytest.fixture
def monorepo(tmp_path: Path, root: Path, repository_of_one: Path) -> Path:
    """The platform's repository, as it would be with the model among its services."""
    folder = tmp_path / "monorepo"
    shutil.copytree(root / "stacks", folder / "stacks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "Pulumi.yaml", folder)
    shutil.copytree(repository_of_one / "services", folder / "services")
    return folder


def changed(steps: tuple[Step, ...]) -> dict[Change, set[str]]:
    """Returns what happened -> the parts to whose resources it did."""
    found: dict[Change, set[str]] = {}
    for step in steps:
        if step.change is not Change.SAME:
            found.setdefault(step.change, set()).add(step.part)
    return found


def declared(steps: tuple[Step, ...]) -> dict[tuple[str, str], Any]:
    """Returns (type, name) -> inputs of every resource of a model, without what the engine ends a role's name with."""
    found = {(step.type, step.name): json.dumps(step.inputs) for step in steps if step.part == "model churn"}
    return {
        which: json.loads(re.sub(r"\bchurn-role-[0-9a-f]{7}\b", "churn-role", text)) for which, text in found.items()
    }


def test_a_models_stack_of_another_repository_comes_up_changes_and_goes(
    account: Account, root: Path, repository_of_one: Path, monorepo: Path
) -> None:
    """Two versions and the end of one, by the stack reference alone; the platform's stack never has anything to do.

    Its objects are those that the platform's own repository would make of the same service.
    """
    account.up(root, PLATFORM)
    platform = account.objects()
    service = repository_of_one / "services" / "churn"

    assert changed(account.up(repository_of_one, MODELS)) == {Change.CREATE: {"model churn", "stack"}}
    assert platform.items() <= account.objects().items()

    release(service, PLATFORM, blue=FIRST, green=SECOND)
    second = changed(account.up(repository_of_one, MODELS))
    assert second.pop(Change.CREATE) == {"model churn"}
    assert set(second) <= {Change.UPDATE}
    assert platform.items() <= account.objects().items()
    own = declared(account.unchanged(repository_of_one, MODELS))
    account.unchanged(root, PLATFORM)

    gone = changed(account.run(repository_of_one, MODELS, "destroy", "--yes", "--skip-preview"))
    assert set(gone) == {Change.DELETE}
    assert account.objects() == platform
    account.unchanged(root, PLATFORM)

    # In the same two steps: the rules of a route are delivery's once it is there.
    account.up(monorepo, MODELS)
    release(monorepo / "services" / "churn", PLATFORM, blue=FIRST, green=SECOND)
    account.up(monorepo, MODELS)
    theirs = declared(account.unchanged(monorepo, MODELS))
    assert {key: (one, theirs.get(key)) for key, one in own.items() if one != theirs.get(key)} == {}
    assert theirs.keys() == own.keys()
