"""The controller on a cluster in memory: rollouts over HTTPRoutes, conflicts, confirmations, fencing, outages."""

import copy

import pytest

from shipway.contract.errors import Retryable
from shipway.contract.metrics import Slot
from shipway.contract.route import ROUTE_STATE_ANNOTATION, Phase
from shipway.delivery.cluster import route as routes
from shipway.delivery.cluster.api import (
    AUTOSCALERS,
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    HTTP_ROUTES,
    PODS,
)
from shipway.delivery.cluster.lease import DURATION_SECONDS
from shipway.delivery.controller import Refused
from shipway.delivery.target import Rejected
from tests.shipway.delivery.cluster.objects import (
    NAMESPACE,
    A,
    B,
    C,
    autoscaler,
    config_map,
    declared,
    endpoint_slice,
    http_route,
    pod,
)
from tests.shipway.delivery.cluster.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rollout(world: World) -> World:
    """A world in which the candidate takes its first share."""
    world.tick()
    world.declare(A, B)
    world.start(Slot.GREEN, B)
    while world.state.phase is not Phase.STEPPING:
        assert world.seconds < 10
        world.tick(live=100)
    return world


def test_the_first_version_goes_live_when_it_is_ready(world: World) -> None:
    """Until then the route has no weight; afterwards it names the one slot that is filled."""
    world.start(Slot.BLUE, A, ready=False)
    world.tick()
    assert (world.weights, world.state.live) == ({}, None)
    world.start(Slot.BLUE, A)
    world.tick()
    assert (world.weights, world.state.live) == ({"blue": 100}, Slot.BLUE)


def test_a_good_version_is_promoted_by_evidence(rollout: World) -> None:
    """Every step in order, each in one patch that the gateway confirmed; then guarded, then settled."""
    seen = [rollout.weights]
    while rollout.state.phase is not Phase.SETTLED:
        assert rollout.seconds < 100
        rollout.tick(live=500, candidate=500)
        if rollout.weights != seen[-1]:
            seen.append(rollout.weights)
    assert seen == [{"blue": 90, "green": 10}, {"blue": 50, "green": 50}, {"green": 100}]
    assert rollout.actions() == ["first_live", "candidate", "stepping", "advanced", "promoted", "settled"]
    assert rollout.controller.problems == {}


def test_a_bad_version_is_rolled_back_and_stays_so(rollout: World) -> None:
    """By the services' counters alone: what this gateway does not count is absent, and no zero."""
    while rollout.state.phase is Phase.STEPPING:
        rollout.tick(live=90, candidate=5, candidate_errors=5)
    assert (rollout.state.phase, rollout.weights) == (Phase.ROLLED_BACK, {"blue": 100})
    for _ in range(3):
        rollout.tick(live=100)
    assert rollout.weights == {"blue": 100}


def test_somebody_elses_write_is_read_anew_and_never_overwritten(rollout: World) -> None:
    """A write between reading and patching refuses the patch; the next round decides on what is there then."""
    rollout.api.before_write = lambda: rollout.api.put(HTTP_ROUTES, rollout.api.get(HTTP_ROUTES, "digits"))
    while "digits" not in rollout.controller.problems:
        rollout.tick(live=90, candidate=5, candidate_errors=5)
    assert (rollout.state.phase, rollout.weights) == (Phase.STEPPING, {"blue": 90, "green": 10})
    assert "was changed by somebody else meanwhile; nothing was written" in rollout.controller.problems["digits"]
    rollout.api.before_write = lambda: None
    rollout.tick(live=90, candidate=5, candidate_errors=5)
    assert rollout.state.phase is Phase.ROLLED_BACK


def test_whoever_annotates_a_route_does_not_hold_up_a_decision(rollout: World) -> None:
    """What was decided on is as it was, so the same step is written onto the route as it is now, and both stay."""
    writes = iter(range(5))

    def annotate() -> None:
        number = next(writes, None)
        if number is not None:
            route = copy.deepcopy(rollout.api.get(HTTP_ROUTES, "digits"))
            route["metadata"]["annotations"]["example.com/written"] = str(number)
            rollout.api.put(HTTP_ROUTES, route)

    rollout.api.before_write = annotate
    done = rollout.act("rollback")
    assert (done["action"], rollout.weights) == ("rolled_back", {"blue": 100})
    assert rollout.api.get(HTTP_ROUTES, "digits")["metadata"]["annotations"]["example.com/written"] == "4"


def test_a_persons_rollback_in_the_middle_of_a_decision_wins(rollout: World) -> None:
    """The controller's step is refused, and it goes on from the person's: two writers, one history."""

    def person() -> None:
        rollout.api.before_write = lambda: None
        rollout.act("rollback")

    rollout.api.before_write = person
    while rollout.state.phase is Phase.STEPPING:
        rollout.tick(live=500, candidate=500)
    assert (rollout.state.phase, rollout.weights) == (Phase.ROLLED_BACK, {"blue": 100})
    for _ in range(3):
        rollout.tick(live=500)
    assert rollout.state.phase is Phase.ROLLED_BACK
    last = rollout.kept.changes[-1][1]
    assert (last.actor, last.action, last.reason) == ("ada", "rolled_back", "why")


def test_a_command_needs_no_process(rollout: World) -> None:
    """It is the same decision, confirmed by the gateway; what it did is entered by whoever comes next."""
    done = rollout.act("promote")
    assert (done["action"], done["confirmed"], rollout.weights) == ("override", True, {"green": 100})
    assert "override" not in rollout.actions()
    done = rollout.act("rollback")
    assert (done["action"], rollout.weights) == ("rolled_back", {"blue": 100})
    with pytest.raises(Refused, match=r"bbbbbbbbbbbb in green was rolled back; release another digest"):
        rollout.act("promote")
    rollout.tick()
    assert rollout.actions()[-2:] == ["override", "rolled_back"]


def test_a_command_that_keeps_losing_says_so(rollout: World) -> None:
    """After a few tries in a row it gives up, with nothing changed."""
    rollout.api.before_write = lambda: rollout.api.put(HTTP_ROUTES, rollout.api.get(HTTP_ROUTES, "digits"))
    with pytest.raises(Retryable, match="changed by somebody else meanwhile; nothing was written"):
        rollout.act("rollback")
    assert rollout.weights == {"blue": 90, "green": 10}


def test_an_unconfirmed_weight_earns_nothing(rollout: World) -> None:
    """Until the gateway says that it serves the route as written, no step counts, and the problem is told."""
    rollout.api.confirms = False
    while rollout.weights == {"blue": 90, "green": 10}:
        rollout.tick(live=500, candidate=500)
    assert rollout.weights == {"blue": 50, "green": 50}
    for _ in range(5):
        rollout.tick(live=500, candidate=500)
        assert "has not confirmed generation" in rollout.controller.problems["digits"]
    assert rollout.weights == {"blue": 50, "green": 50}
    rollout.api.conditions("digits", rollout.api.get(HTTP_ROUTES, "digits")["metadata"]["generation"])
    rollout.api.confirms = True
    rollout.tick(live=500, candidate=500)
    while rollout.state.candidate is not None:
        assert rollout.seconds < 60
        rollout.tick(live=500, candidate=500)
    assert rollout.weights == {"green": 100}


def test_harm_is_seen_also_while_a_weight_is_unconfirmed(rollout: World) -> None:
    """Guardrails hold for whatever weights are served: a gateway that says nothing delays no rollback."""
    rollout.api.confirms = False
    while rollout.weights == {"blue": 90, "green": 10}:
        rollout.tick(live=500, candidate=500)
    while rollout.state.phase is Phase.STEPPING:
        assert rollout.seconds < 40
        rollout.tick(live=50, candidate=25, candidate_errors=25)
    assert rollout.weights == {"blue": 100}


def test_nobody_begins_on_a_route_that_no_gateway_has_taken_up(world: World) -> None:
    """Neither the first version nor a candidate."""
    route = world.api.get(HTTP_ROUTES, "digits")
    world.api.put(HTTP_ROUTES, {key: value for key, value in route.items() if key != "status"})
    world.tick()
    assert world.state.live is None
    world.api.conditions("digits", 1)
    world.tick()
    assert world.state.live is Slot.BLUE


def test_a_candidate_that_the_gateway_cannot_reach_goes_back(rollout: World) -> None:
    """Its share fails in the gateway, where no slot counts it."""
    generation = rollout.api.get(HTTP_ROUTES, "digits")["metadata"]["generation"]
    rollout.api.conditions("digits", generation, ResolvedRefs="BackendNotFound")
    while rollout.state.phase is Phase.STEPPING:
        assert rollout.seconds < 20
        rollout.tick(live=90, candidate=0)
    assert (rollout.state.phase, rollout.weights) == (Phase.ROLLED_BACK, {"blue": 100})
    assert "ResolvedRefs is False (BackendNotFound" in rollout.kept.changes[-1][1].reason


def test_a_slot_that_is_being_replaced_takes_no_share(rollout: World) -> None:
    """A pod of another version behind the candidate's Service is not what earned the share."""
    rollout.start(Slot.GREEN, C)
    while rollout.state.phase is Phase.STEPPING:
        assert rollout.seconds < 20
        rollout.tick(live=90, candidate=10)
    assert rollout.weights == {"blue": 100}
    assert "1 of its 1 ready pods run cccccccccccc, expected bbbbbbbbbbbb" in rollout.kept.changes[-1][1].reason


@pytest.mark.parametrize("key", [ROUTE_STATE_ANNOTATION, routes.CARRIED_ANNOTATION])
def test_a_damaged_route_is_told_and_left_alone(rollout: World, key: str) -> None:
    """Nothing is written over what a person may still mend, and other models go on."""
    damaged = copy.deepcopy(rollout.api.get(HTTP_ROUTES, "digits"))
    damaged["metadata"]["annotations"][key] = "{"
    damaged = rollout.api.put(HTTP_ROUTES, damaged)
    rollout.api.put(HTTP_ROUTES, http_route("flights"))
    rollout.api.conditions("flights", 1)
    rollout.api.put(CONFIG_MAPS, config_map(declared(A, model="flights")))
    one = rollout.api.put(PODS, pod(Slot.BLUE, A, model="flights"))
    rollout.api.put(ENDPOINT_SLICES, endpoint_slice(Slot.BLUE, one, model="flights"))
    for _ in range(3):
        rollout.seconds += 1
        rollout.lease.hold()
        rollout.controller.tick()
    assert rollout.api.get(HTTP_ROUTES, "digits") == damaged
    assert "the route is left as it is" in rollout.controller.problems["digits"]
    assert rollout.controller.served["flights"].state.live is Slot.BLUE
    with pytest.raises(Refused, match="the route is left as it is"):
        rollout.act("rollback")


def test_a_route_that_may_not_be_written_stands_in_nobodys_way(rollout: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new holder that is refused its token on one route tells of it, and goes on with the others."""

    def forbidden(*_: object) -> None:
        raise Rejected("the API server refused digits: a webhook says no")

    other = rollout.copy("two")
    rollout.lease.release()
    assert other.hold()
    monkeypatch.setattr(rollout.api, "patch", forbidden)
    rollout.controller = rollout.started(other)
    rollout.controller.tick()
    assert rollout.controller.problems["digits"].startswith("the API server refused digits: a webhook says no")


def test_a_broken_declaration_keeps_its_route(rollout: World) -> None:
    """What is served goes on, and can be rolled back: the route carries what it was declared as."""
    broken = copy.deepcopy(rollout.api.get(CONFIG_MAPS, "digits-route"))
    broken["data"]["route.json"] = "{"
    rollout.api.put(CONFIG_MAPS, broken)
    rollout.tick(live=90, candidate=10)
    assert rollout.controller.problems["digits"].startswith("ConfigMap digits-route: got ")
    assert rollout.act("rollback")["action"] == "rolled_back"


def test_edited_weights_are_put_back(rollout: World) -> None:
    """The state says what was earned; whoever writes other weights beside it is undone."""
    edited = copy.deepcopy(rollout.api.get(HTTP_ROUTES, "digits"))
    for backend in edited["spec"]["rules"][0]["backendRefs"]:
        backend["weight"] = 50
    rollout.api.put(HTTP_ROUTES, edited)
    rollout.tick(live=10, candidate=1)
    assert rollout.weights == {"blue": 90, "green": 10}


def test_a_lost_api_server_holds_everything_and_tells(rollout: World) -> None:
    """No weight moves, the silence grows so that a person hears of it, and the rollout goes on afterwards."""
    before = rollout.state
    rollout.api.up = False
    for _ in range(12):
        rollout.seconds += 1
        rollout.counters.serve(live=90, candidate=10)
        rollout.controller.tick()
    assert rollout.controller.problems == {"gateway": "the API server does not answer (refused)"}
    progress = rollout.controller.newest["digits"].state.progress
    assert progress is not None
    assert progress.silent_seconds > 10
    rollout.api.up = True
    assert rollout.state == before
    while rollout.state.candidate is not None:
        assert rollout.seconds < 60
        rollout.tick(live=500, candidate=500)
    assert rollout.weights == {"green": 100}
    assert rollout.actions().count("stepping") == 1


def test_a_deposed_holder_writes_nothing(rollout: World) -> None:
    """It was stopped after its decision; when it goes on, the next holder has made every route another one."""
    other, late = rollout.copy("two"), rollout.controller
    other.hold()
    rollout.seconds += DURATION_SECONDS
    assert other.hold()

    def taken_over() -> None:
        rollout.api.before_write = lambda: None
        rollout.controller = rollout.started(other)
        # As if no time had passed for the one that was stopped between its last look at the clock and its write.
        rollout.lease.clock = lambda: rollout.seconds - DURATION_SECONDS

    operations = routes.write(rollout.api.get(HTTP_ROUTES, "digits"), late.served["digits"], 1)
    taken_over()
    before = rollout.api.get(HTTP_ROUTES, "digits")
    with pytest.raises(Retryable, match="changed by somebody else"):
        rollout.api.patch(HTTP_ROUTES, NAMESPACE, "digits", operations)
    late.tick()
    assert rollout.api.get(HTTP_ROUTES, "digits") == before
    assert late.problems["gateway"] == "a later holder of the Lease (tenure 2) wrote digits; this is tenure 1"
    assert routes.token_of(before) == 2


def test_without_the_lease_nothing_is_written(rollout: World) -> None:
    """A holder whose time may be over holds still, whatever it has seen."""
    before = rollout.api.get(HTTP_ROUTES, "digits")
    rollout.seconds += DURATION_SECONDS
    rollout.counters.serve(live=90, candidate=0, candidate_errors=50)
    rollout.controller.tick()
    assert rollout.api.get(HTTP_ROUTES, "digits") == before
    assert "one does not hold the Lease" in rollout.controller.problems["gateway"]


def test_a_crash_loses_no_evidence_and_no_step(rollout: World) -> None:
    """The next holder goes on from the route: what happened meanwhile is one increment."""
    for _ in range(12):
        rollout.tick(live=9, candidate=1)
    rollout.controller = rollout.started(rollout.lease)
    rollout.tick(live=90, candidate=2, candidate_errors=8)
    assert rollout.state.phase is Phase.ROLLED_BACK


def test_changes_ride_on_the_route_until_the_ledger_holds_them(rollout: World) -> None:
    """An outage of the ledger holds up no rollback, and loses none of several changes."""
    rollout.kept.down = True
    rollout.act("promote")
    rollout.act("rollback")
    rollout.tick()
    assert rollout.weights == {"blue": 100}
    rollout.kept.down = False
    rollout.controller = rollout.started(rollout.lease)
    assert rollout.actions()[-2:] == ["override", "rolled_back"]
    rollout.declare(A, C)
    rollout.start(Slot.GREEN, C)
    rollout.tick()
    found = routes.read_route(rollout.api.get(HTTP_ROUTES, "digits"))
    assert found is not None
    assert found.earlier == ()


def test_a_new_route_waits_for_what_the_ledger_remembers(world: World) -> None:
    """A digest that was rolled back once must not be taken for a new one because its route was made anew."""
    world.kept.down = True
    world.tick()
    assert world.state.live is None
    assert "what the ledger remembers of digits is not known yet" in world.controller.problems["digits"]
    world.kept.down = False
    world.tick()
    assert world.state.live is Slot.BLUE


def test_the_idle_slot_is_kept_warm(rollout: World) -> None:
    """As many pods as live has now, told to its autoscaler a few seconds later."""
    rollout.api.put(AUTOSCALERS, autoscaler(Slot.BLUE, 1, desired=6))
    rollout.api.put(AUTOSCALERS, autoscaler(Slot.GREEN, 1))
    for _ in range(6):
        rollout.tick(live=9, candidate=1)
    assert rollout.api.get(AUTOSCALERS, "digits-green")["spec"]["minReplicas"] == 6
    while rollout.state.phase is Phase.STEPPING:
        rollout.tick(live=90, candidate_errors=10)
    for _ in range(6):
        rollout.tick(live=9)
    assert rollout.api.get(AUTOSCALERS, "digits-green")["spec"]["minReplicas"] == 1


def test_a_declaration_without_a_route_is_told(world: World) -> None:
    """Pulumi may be about to make it."""
    world.api.remove(HTTP_ROUTES, "digits")
    world.seconds += 1
    world.lease.hold()
    world.controller.tick()
    assert world.controller.problems == {"digits": f"there is no HTTPRoute digits in {NAMESPACE} yet"}
