"""The HTTPRoute: what rides on it, what is changed of it and what never is."""

import copy
from typing import Any

import pytest

from shipway.contract.errors import SpecError
from shipway.contract.metrics import ROLLOUT_HEADER, Slot
from shipway.contract.route import ROUTE_STATE_ANNOTATION, Phase, RolloutState
from shipway.delivery.cluster import route as routes
from shipway.delivery.cluster.api import HTTP_ROUTES, Document
from shipway.delivery.evidence.gate import Rules
from shipway.delivery.evidence.steps import begin
from shipway.delivery.served import Change, ServedModel
from tests.shipway.delivery.cluster.fake import FakeApi
from tests.shipway.delivery.cluster.objects import NAMESPACE, A, B, declared, http_route, parents

SPEC = declared(A, B)
CHANGE = Change(time="2026-11-27T00:00:00.000+00:00", actor="ada", action="advanced", reason="why", generation=7)


def stepping(percent: int = 10, live: Slot = Slot.BLUE) -> ServedModel:
    """Returns a rollout at `percent` of the traffic."""
    digests = {Slot.BLUE: A, Slot.GREEN: B}
    state = RolloutState(
        live=live,
        live_digest=digests[live],
        candidate=live.other,
        candidate_digest=digests[live.other],
        phase=Phase.STEPPING,
        weight_percent=percent,
        generation=7,
        rollout=3,
        progress=begin(Rules.of_route(SPEC.rollout, SPEC.slo)),
    )
    return ServedModel(SPEC, state, CHANGE)


def patched(served: ServedModel, route: Document | None = None, token: int | None = 4) -> Document:
    """Returns a route after delivery's patch."""
    api = FakeApi()
    held = api.put(HTTP_ROUTES, route or http_route())
    return api.patch(HTTP_ROUTES, NAMESPACE, "digits", routes.write(held, served, token))


def backends(route: Document) -> list[tuple[str, int]]:
    return [(one["name"], one["weight"]) for one in route["spec"]["rules"][0]["backendRefs"]]


def test_what_is_written_is_read_back() -> None:
    """State, declaration and changes ride on the route, whole."""
    served = stepping()
    found = routes.read_route(patched(served))
    assert found == served
    assert routes.read_route(http_route()) is None


def test_weights_and_state_are_one_patch_of_the_version_that_was_read() -> None:
    """One list of operations begins with the test of the version and holds annotations and rules."""
    api = FakeApi()
    held = api.put(HTTP_ROUTES, http_route())
    operations = routes.write(held, stepping(), 4)
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": held["metadata"]["resourceVersion"]}
    assert operations[0] == version
    assert {one["path"] for one in operations[1:]} == {
        "/metadata/annotations",
        "/metadata/annotations/shipway~1rollout-state",
        "/metadata/annotations/shipway~1rollout-route",
        "/metadata/annotations/shipway~1delivery-lease",
        "/spec/rules",
    }


@pytest.mark.parametrize(
    ("percent", "live", "expected"),
    [
        (10, Slot.BLUE, [("digits-blue", 90), ("digits-green", 10)]),
        (10, Slot.GREEN, [("digits-blue", 10), ("digits-green", 90)]),
        (0, Slot.BLUE, [("digits-blue", 100)]),
        (0, Slot.GREEN, [("digits-green", 100)]),
    ],
)
def test_a_slot_without_a_share_is_not_named(percent: int, live: Slot, expected: list[tuple[str, int]]) -> None:
    """The Service of an empty slot may be gone at any time, and would make the whole route unresolved."""
    assert backends(patched(stepping(percent, live))) == expected


def test_before_anything_is_live_the_rules_stay() -> None:
    """A state without a live slot gives nobody traffic."""
    route = patched(ServedModel(SPEC, RolloutState(generation=1)))
    assert route["spec"] == http_route()["spec"]


def test_everything_else_of_a_rule_stays_as_it_was_declared() -> None:
    """Matches, other times, other filters and other headers are kept, in every rule."""
    declared_route = http_route()
    first = declared_route["spec"]["rules"][0]
    others = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-team", "value": "v"}]}}
    first["filters"].append(others)
    declared_route["spec"]["rules"].append(copy.deepcopy(first) | {"timeouts": {"backendRequest": "5s"}})
    written = patched(stepping(), declared_route)
    assert [rule["timeouts"] for rule in written["spec"]["rules"]] == [
        {"request": "20s"},
        {"request": "20s", "backendRequest": "5s"},
    ]
    for before, after in zip(declared_route["spec"]["rules"], written["spec"]["rules"], strict=True):
        assert after["matches"] == before["matches"]
        assert after["filters"][0] == before["filters"][0]
        modifier = after["filters"][1]["requestHeaderModifier"]
        assert modifier["set"] == [{"name": "x-team", "value": "v"}, {"name": ROLLOUT_HEADER, "value": "3/0"}]
    ended = patched(stepping(0), written)
    modifier = ended["spec"]["rules"][0]["filters"][1]["requestHeaderModifier"]
    assert modifier == {
        "set": [{"name": "x-team", "value": "v"}],
        "remove": [ROLLOUT_HEADER, "x-shipway-versions"],
    }


def test_a_changed_deadline_reaches_the_gateway() -> None:
    """Pulumi leaves a route's rules alone, so what model.yaml says of the time comes with delivery's patch."""
    served = stepping()
    route = patched(served)
    slower = ServedModel(SPEC.model_copy(update={"timeout_seconds": 120.5}), served.state, CHANGE)
    assert routes.agrees(route, served)
    assert not routes.agrees(route, slower)
    written = patched(slower, route)
    assert [rule["timeouts"]["request"] for rule in written["spec"]["rules"]] == ["120s500ms"]
    assert routes.agrees(written, slower)
    assert backends(written) == backends(route)


def test_what_the_state_says_is_in_force() -> None:
    """Weights that somebody edited are seen and repaired; defaults that the server adds are no difference."""
    served = stepping()
    route = patched(served)
    for backend in route["spec"]["rules"][0]["backendRefs"]:
        backend |= {"group": "", "kind": "Service"}
    assert routes.agrees(route, served)
    route["spec"]["rules"][0]["backendRefs"][1]["weight"] = 60
    assert not routes.agrees(route, served)
    api = FakeApi()
    held = api.put(HTTP_ROUTES, route)
    mended = api.patch(HTTP_ROUTES, NAMESPACE, "digits", routes.repair(held, served))
    assert routes.agrees(mended, served)
    assert routes.read_route(mended) == served


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        (ROUTE_STATE_ANNOTATION, "{", "Expecting property name"),
        (ROUTE_STATE_ANNOTATION, "[]", "expected the state that delivery wrote"),
        (ROUTE_STATE_ANNOTATION, '{"format": 99}', "a newer version of Shipway wrote this state"),
        (ROUTE_STATE_ANNOTATION, '{"phase": "flying"}', "phase: got 'flying'"),
        (routes.CARRIED_ANNOTATION, "{", "expected valid JSON"),
        (routes.CARRIED_ANNOTATION, "{}", "spec: got 'nothing'"),
        (routes.CARRIED_ANNOTATION, None, "got 'nothing', expected what delivery wrote beside its other annotation"),
        (ROUTE_STATE_ANNOTATION, None, "got 'nothing', expected what delivery wrote beside its other annotation"),
    ],
)
def test_a_damaged_annotation_is_named(key: str, text: str | None, expected: str) -> None:
    """Whatever became of it, the route and the key are in the sentence."""
    route = patched(stepping())
    if text is None:
        del route["metadata"]["annotations"][key]
    else:
        route["metadata"]["annotations"][key] = text
    with pytest.raises(SpecError, match="HTTPRoute digits") as caught:
        routes.read_route(route)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, "no gateway has taken up the HTTPRoute digits yet"),
        ([], "no gateway has taken up the HTTPRoute digits yet"),
        (parents(1), "the gateway has not confirmed generation 2 of the HTTPRoute digits yet"),
        (parents(2), ""),
        (parents(3), ""),
        ([*parents(2), *parents(1)], "the gateway has not confirmed generation 2 of the HTTPRoute digits yet"),
        (
            parents(2, ResolvedRefs="BackendNotFound"),
            "the gateway refuses the HTTPRoute digits: ResolvedRefs is False (BackendNotFound: ResolvedRefs as it is)",
        ),
        (
            parents(2, Accepted="NotAllowedByListeners"),
            "the gateway refuses the HTTPRoute digits: Accepted is False (NotAllowedByListeners: Accepted as it is)",
        ),
    ],
)
def test_a_route_is_confirmed_by_its_gateway(status: list[Any] | None, expected: str) -> None:
    """Both conditions must be true, and of the generation that was written."""
    route = http_route()
    route["metadata"]["generation"] = 2
    if status is not None:
        route["status"] = {"parents": status}
    assert routes.unconfirmed(route) == expected
    assert routes.refused(route) == (expected if "refuses" in expected else "")


def test_a_person_leaves_the_holders_token_in_place() -> None:
    """A step without a Lease rests on the version alone."""
    route = patched(stepping(), token=9)
    assert routes.token_of(patched(stepping(0), route, token=None)) == 9
    route["metadata"]["annotations"][routes.TOKEN_ANNOTATION] = "nine"
    with pytest.raises(SpecError, match="got 'nine', expected the number that delivery wrote"):
        routes.token_of(route)


def test_counters_of_very_many_pods_are_left_out() -> None:
    """An annotation has an end; a state that would not fit is written without the base of its next reading."""
    served = stepping()
    progress = served.state.progress
    assert progress is not None
    rows = tuple(("green", f"10.0.{n // 256}.{n % 256}:8080", "ok", 10**9, 1.7e9) for n in range(4_000))
    many = served.state.model_copy(update={"progress": progress.changed(counters={"shipway_requests_total": rows})})
    route = patched(ServedModel(SPEC, many, CHANGE))
    assert sum(len(text) for text in route["metadata"]["annotations"].values()) < 256 * 1024
    found = routes.read_route(route)
    assert found is not None
    assert found.state.progress == progress
