"""Delivery drives rollouts over a real HTTPRoute: real API server, processes, rights, Prometheus; no real gateway."""

import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from shipway.contract.alerts import AlertName
from shipway.contract.metrics import Slot
from shipway.contract.route import Phase
from shipway.delivery.cluster.api import AUTOSCALERS, HTTP_ROUTES, Conflict
from shipway.delivery.cluster.lease import DEADLINE_SECONDS, DURATION_SECONDS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.rollout import Rollout
from tests.components.conftest import Project, project
from tests.shipway.conftest import store
from tests.shipway.delivery.stack import wait_until
from tests.standins.object_store import ObjectStore

__all__ = ["project", "store"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

_NUMBERS = count(1)


@pytest.fixture
def rollout(tmp_path: Path, plane: ControlPlane, project: Project, store: ObjectStore) -> Iterator[Rollout]:
    """A model with one version declared, its gateway, its traffic and no delivery process yet."""
    folder = tmp_path / "delivery"
    folder.mkdir()
    made = Rollout(f"delivery-{next(_NUMBERS)}", folder, plane, store)
    made.declare(project)
    made.serve()
    try:
        yield made
    finally:
        made.end()


def holder(rollout: Rollout) -> int:
    """Returns which copy holds the Lease, by its last words."""
    tenure = f"holds the Lease, tenure {rollout.lease['leaseTransitions']}\n"
    (found,) = [n for n, _ in enumerate(rollout.copies) if tenure in (rollout.folder / f"delivery-{n}.log").read_text()]
    return found


def stepping(rollout: Rollout, copies: int = 1) -> None:
    """Brings the candidate to its first share."""
    for _ in range(copies):
        rollout.start_copy()
    rollout.first_live()
    rollout.release()
    rollout.wait(lambda state: state.phase is Phase.STEPPING, "the candidate takes its first share")


def test_a_version_is_promoted_by_evidence_and_the_other_copy_goes_on(rollout: Rollout) -> None:
    """From the first share to all traffic; the copy that ends gives the Lease back, the other settles the guard."""
    ports = [rollout.start_copy(), rollout.start_copy()]
    rollout.first_live()
    rollout.release()
    rollout.wait(lambda state: state.live is Slot.GREEN, "green is live")
    acting = holder(rollout)
    rollout.copies[acting].send_signal(signal.SIGTERM)
    assert rollout.copies[acting].wait(20) == 0
    settled = rollout.wait(lambda state: state.phase is Phase.SETTLED, "its guard is over")
    assert settled.live is Slot.GREEN
    assert [weights for weights in rollout.gateway.changes() if weights] == [
        {"digits-blue": 100},
        {"digits-blue": 90, "digits-green": 10},
        {"digits-blue": 50, "digits-green": 50},
        {"digits-green": 100},
    ]
    wait_until(lambda: ("delivery", "settled") in rollout.actions(), "the ledger holds it")
    expected = ["first_live", "candidate", "stepping", "advanced", "promoted", "settled"]
    assert rollout.actions() == [("delivery", action) for action in expected]
    shares = rollout.metric(ports[1 - acting], "shipway_rollout_weight_percent")
    assert 'shipway_rollout_weight_percent{model="digits",slot="green"} 100.0' in shares
    wait_until(lambda: least_of(rollout, "digits-blue") == 1, "the version before may cool")


def least_of(rollout: Rollout, name: str) -> int:
    """Returns the least number of pods of a slot."""
    found = {one["metadata"]["name"]: one for one in rollout.api.models(AUTOSCALERS, rollout.models)}
    return int(found[name]["spec"]["minReplicas"])


def test_a_bad_version_is_rolled_back_and_stays_so(rollout: Rollout) -> None:
    """By what Prometheus really scraped of several pods; the next round gives it nothing."""
    rollout.pods.error_ratio[Slot.GREEN] = 0.5
    rollout.start_copy()
    rollout.first_live()
    rollout.release()
    state = rollout.wait(lambda state: state.phase is Phase.ROLLED_BACK, "it is rolled back")
    assert (state.live, state.weight_percent) == (Slot.BLUE, 0)
    wait_until(lambda: rollout.gateway.weights == {"digits-blue": 100}, "the gateway serves it")
    wait_until(lambda: ("delivery", "rolled_back") in rollout.actions(), "the ledger holds it")


def test_a_holder_that_was_stopped_writes_nothing_more(rollout: Rollout) -> None:
    """The other copy takes over when the Lease is over; what goes on then finds itself deposed."""
    stepping(rollout, copies=2)
    first = holder(rollout)
    rollout.copies[first].send_signal(signal.SIGSTOP)
    wait_until(lambda: rollout.lease["leaseTransitions"] == 2, "the other copy holds the Lease", 3 * DURATION_SECONDS)
    rollout.wait(lambda state: state.live is Slot.GREEN, "the other copy goes on")
    rollout.copies[first].send_signal(signal.SIGCONT)
    rollout.wait(lambda state: state.phase is Phase.SETTLED, "its guard is over")
    tokens = [token for _, token, _ in rollout.gateway.seen]
    assert tokens == sorted(tokens)
    assert tokens[-1] == 2
    assert rollout.copies[first].poll() is None
    assert rollout.lease["leaseTransitions"] == 2
    wait_until(lambda: ("delivery", "settled") in rollout.actions(), "the ledger holds it")
    actions = [action for _, action in rollout.actions()]
    assert len(actions) == len(set(actions))


def test_another_writer_loses_nothing_and_a_persons_rollback_wins(rollout: Rollout) -> None:
    """While somebody else writes the route without end, every step is one that was decided on what was there."""
    stepping(rollout)
    api, written, conflicts = rollout.api, 0, 0
    while (state := rollout.state).weight_percent == 10:
        route = api.read(HTTP_ROUTES, rollout.models, "digits")
        assert route is not None
        version = {"op": "test", "path": "/metadata/resourceVersion", "value": route["metadata"]["resourceVersion"]}
        note = {"op": "add", "path": "/metadata/annotations/example.com~1written", "value": str(written + 1)}
        try:
            api.patch(HTTP_ROUTES, rollout.models, "digits", [version, note])
            written += 1
        except Conflict:
            conflicts += 1
    assert state.phase is Phase.STEPPING, f"{state.phase} after {written} writes: {rollout.said()}"
    done = rollout.act("rollback")
    assert (done["action"], done["confirmed"]) == ("rolled_back", True)
    wait_until(lambda: ("ada", "rolled_back") in rollout.actions(), "the process enters it")
    route = api.read(HTTP_ROUTES, rollout.models, "digits")
    assert route is not None
    assert route["metadata"]["annotations"]["example.com/written"] == str(written)
    assert written > 20
    assert rollout.state.phase is Phase.ROLLED_BACK
    assert rollout.gateway.weights == {"digits-blue": 100}


def test_a_killed_api_server_holds_the_rollout_and_nothing_is_lost(rollout: Rollout) -> None:
    """No weight moves while it is away and a person is told why; afterwards the same rollout goes on."""
    port = rollout.start_copy()
    rollout.first_live()
    rollout.release()
    rollout.wait(lambda state: state.phase is Phase.STEPPING, "the candidate takes its first share")
    rollout.plane.kill("kube-apiserver")
    before = list(rollout.gateway.seen)
    problem = 'shipway_delivery_problem{subject="gateway"} 1.0'
    wait_until(lambda: problem in rollout.metric(port, "shipway_delivery_problem"), "its metrics say so")
    told = rollout.alertmanager.told
    wait_until(lambda: AlertName.EVIDENCE_MISSING in told, "a person is told", 3 * DEADLINE_SECONDS)
    assert rollout.gateway.seen == before
    rollout.plane.start_api()
    rollout.wait(lambda state: state.live is Slot.GREEN, "green is live")
    rollout.wait(lambda state: state.phase is Phase.SETTLED, "its guard is over")
    wait_until(lambda: ("delivery", "settled") in rollout.actions(), "the ledger holds it")
    assert [action for _, action in rollout.actions()].count("stepping") == 1
    assert rollout.lease["leaseTransitions"] == 1
    rollout.plane.alive()
