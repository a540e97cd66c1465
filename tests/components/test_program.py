"""The whole program under a recording monitor, for every stack file there is."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shipway.contract.stack import load_stack
from shipway.contract.workers import WORKERS
from tests.components.recording import run

REPOSITORY = Path(__file__).resolve().parents[2]
STACKS = sorted(path.stem.removeprefix("Pulumi.") for path in (REPOSITORY / "stacks").glob("Pulumi.*.yaml"))

DIGEST = "sha256:" + "a" * 64
SNAPSHOT = Path(__file__).with_name("urns.json")

PLATFORM = {"alert-receiver", "alertmanager", "delivery", "gateway", "prometheus", "registrar", *WORKERS}


@pytest.fixture
def two_models(project: Any) -> Any:
    project.add_bundle(DIGEST)
    first = project.add_model("first", blue=DIGEST)
    for stack in STACKS:
        project.release(first, load_stack(project.root, stack).environment.name, blue=DIGEST)
    project.add_model("second-one")
    return project


@pytest.mark.parametrize("stack", STACKS)
def test_each_urn_is_registered_once_and_is_the_frozen_one(two_models: Any, stack: str) -> None:
    """A changed URN replaces what is running: the list is frozen, so that a rename must bring an alias."""
    urns = run(two_models.root, stack).urns
    assert [urn for urn, count in Counter(urns).items() if count > 1] == []
    assert sorted(urns) == json.loads(SNAPSHOT.read_text())[stack]


def test_a_filled_slot_is_one_process_and_an_empty_one_is_none(two_models: Any) -> None:
    """Only the blue slot of the first model holds a digest, so only it runs, from that digest's folder."""
    recorded = run(two_models.root, "local")
    processes = {request.name for request in recorded.of_type(":SupervisedProcess")}
    assert processes == {*PLATFORM, "first-blue"}
    command = recorded.inputs("first-blue")["command"]
    assert command[command.index("--bundle") + 1].endswith(f"artifacts/{DIGEST.replace(':', '/')}")
    assert command[command.index("--port") + 1] == "20000"


def test_the_route_file_says_where_both_slots_listen(two_models: Any) -> None:
    """Delivery reads ports, digests and limits from the route file alone."""
    route = json.loads(run(two_models.root, "local").inputs("first-route")["text"])
    assert route["blue"] == {"port": 20000, "digest": DIGEST}
    assert route["green"] == {"port": 20001, "digest": ""}
    assert (route["model"], route["owner"], route["live_hint"]) == ("first", "pricing", None)


def test_only_filled_slots_are_scraped(two_models: Any) -> None:
    """An empty slot is no failing target."""
    recorded = run(two_models.root, "local")
    assert [group["labels"]["slot"] for group in json.loads(recorded.inputs("first-targets")["text"])] == ["blue"]
    assert json.loads(recorded.inputs("second-one-targets")["text"]) == []


def test_the_policies_see_owner_release_and_resources(two_models: Any) -> None:
    """The component's inputs are what the policy pack judges."""
    inputs = run(two_models.root, "local").inputs("first")
    assert inputs["model"]["owner"]["team"] == "pricing"
    assert inputs["release"]["blue"] == DIGEST
    assert (inputs["tier"], inputs["live_changes"]) == ("local", [])


def test_a_new_digest_changes_its_process_its_route_and_its_targets_only(two_models: Any) -> None:
    """A release into the idle slot leaves every other resource's inputs as they were."""
    before = run(two_models.root, "local")
    other = "sha256:" + "b" * 64
    two_models.add_bundle(other)
    two_models.release(two_models.root / "services" / "first", blue=DIGEST, green=other)
    after = run(two_models.root, "local")
    assert {request.name for urn, request in after.requests.items() if urn not in before.requests} == {"first-green"}
    changed = {request.name for urn, request in before.requests.items() if request.object != after.requests[urn].object}
    assert changed == {"first", "first-route", "first-targets"}


def test_a_new_model_changes_nothing_of_the_platform_and_of_the_others(two_models: Any) -> None:
    """A model adds its own few resources; all that was there keeps its inputs."""
    before = run(two_models.root, "local")
    two_models.add_model("third")
    after = run(two_models.root, "local")
    added = {request.name for urn, request in after.requests.items() if urn not in before.requests}
    assert added == {"third", "third-ports", "third-route", "third-targets", "third-rules"}
    assert all(request.object == after.requests[urn].object for urn, request in before.requests.items())
