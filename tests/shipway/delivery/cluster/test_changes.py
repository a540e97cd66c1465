"""What people do while the process is away, and what the process tells of a route that nobody serves as written."""

import copy

import pytest

from shipway.contract.metrics import Slot
from shipway.contract.route import Phase
from shipway.delivery.cluster import route as routes
from shipway.delivery.cluster.api import CONFIG_MAPS, HTTP_ROUTES
from tests.shipway.delivery.cluster.objects import NAMESPACE, B, C, http_route
from tests.shipway.delivery.cluster.world import World
from tests.shipway.delivery.test_rollouts import QUICK


@pytest.fixture
def rollout() -> World:
    """A world in which the candidate takes its first share."""
    world = World()
    world.tick()
    world.declare(blue=world.state.live_digest, green=B)
    world.start(Slot.GREEN, B)
    while world.state.phase is not Phase.STEPPING:
        assert world.seconds < 10
        world.tick(live=100)
    return world


def carried(world: World) -> list[str]:
    """Returns the changes that ride on the route."""
    found = routes.read_route(world.api.get(HTTP_ROUTES, "digits"))
    assert found is not None
    return [change.action for change in found.changes]


def test_a_command_that_first_follows_a_declaration_loses_no_earlier_one(rollout: World) -> None:
    """Two writes of one command follow each other: the second carries what the first one found on the route."""
    rollout.act("promote")
    rollout.declare(blue=C, green=B)
    rollout.start(Slot.BLUE, C)
    rollout.act("rollback")
    assert carried(rollout)[-3:] == ["override", "candidate", "rolled_back"]
    rollout.tick()
    assert rollout.actions()[-3:] == ["override", "candidate", "rolled_back"]


def test_a_rollback_that_no_gateway_confirms_is_told_until_one_does(rollout: World) -> None:
    """The route says that the version has no traffic, and callers may meet it still: a problem for as long as that."""
    rollout.api.confirms = False
    while rollout.state.phase is Phase.STEPPING:
        rollout.tick(live=90, candidate=5, candidate_errors=5)
    assert rollout.weights == {"blue": 100}
    for _ in range(3):
        rollout.tick(live=90)
        assert "the gateway has not confirmed generation" in rollout.controller.problems.get("digits", "")
    rollout.api.conditions("digits", rollout.api.get(HTTP_ROUTES, "digits")["metadata"]["generation"])
    rollout.tick(live=90)
    assert rollout.controller.problems == {}


def test_a_step_that_is_earned_waits_for_its_route_to_be_confirmed(rollout: World) -> None:
    """Somebody edited the route and it was put back: until the gateway says so, no greater share is written onto it."""
    slow = QUICK.model_copy(update={"min_step_seconds": 6})
    rollout.declare(blue=rollout.state.live_digest, green=B, rollout=slow)
    rollout.tick(live=100)
    while rollout.state.phase is not Phase.STEPPING:
        rollout.tick(live=100)
    for _ in range(3):
        rollout.tick(live=500, candidate=500)
    route = copy.deepcopy(rollout.api.get(HTTP_ROUTES, "digits"))
    route["spec"]["rules"][0]["backendRefs"][0]["weight"] = 50
    rollout.api.put(HTTP_ROUTES, route)
    rollout.api.confirms = False
    for _ in range(8):
        rollout.tick(live=500, candidate=500)
        assert rollout.weights == {"blue": 90, "green": 10}
        assert "has not confirmed" in rollout.controller.problems["digits"]
    rollout.api.confirms = True
    rollout.api.conditions("digits", rollout.api.get(HTTP_ROUTES, "digits")["metadata"]["generation"])
    for _ in range(3):
        rollout.tick(live=500, candidate=500)
    assert rollout.weights == {"blue": 50, "green": 50}


@pytest.mark.parametrize("writes", [5, 10_000])
def test_whoever_writes_a_route_without_end_keeps_no_new_holder_from_the_others(rollout: World, writes: int) -> None:
    """Its own route is fenced as soon as there is a gap; one that leaves none is told, and nobody else waits for it."""
    rollout.api.put(HTTP_ROUTES, http_route("flights"))
    left = iter(range(writes))

    def annotate() -> None:
        if next(left, None) is not None:
            rollout.api.put(HTTP_ROUTES, rollout.api.get(HTTP_ROUTES, "digits"))

    rollout.lease.release()
    rollout.lease = rollout.copy("two")
    assert rollout.lease.hold()
    rollout.api.before_write = annotate
    rollout.controller = rollout.started(rollout.lease)
    rollout.tick(live=90, candidate=10)
    assert "gateway" not in rollout.controller.problems
    token = routes.token_of(rollout.api.get(HTTP_ROUTES, "flights"))
    assert token == rollout.lease.token()
    assert ("digits" in rollout.controller.served) == (writes == 5)
    assert ("digits" in rollout.controller.problems) == (writes > 5)


def test_a_rollout_whose_declaration_is_gone_is_judged_on(rollout: World) -> None:
    """Its route serves both versions for as long as Pulumi keeps it: a bad one goes back by what was declared last."""
    rollout.api.remove(CONFIG_MAPS, "digits-route")
    for _ in range(20):
        rollout.tick(live=90, candidate=5, candidate_errors=5)
    assert (rollout.state.phase, rollout.weights) == (Phase.ROLLED_BACK, {"blue": 100})
    told = f"there is no ConfigMap digits-route in {NAMESPACE} any more; its route is served as it was declared last"
    assert rollout.controller.problems == {"digits": told}
    rollout.api.remove(HTTP_ROUTES, "digits")
    rollout.seconds += 1
    rollout.lease.hold()
    rollout.controller.tick()
    assert rollout.controller.problems == {}
