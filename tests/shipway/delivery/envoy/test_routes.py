"""What Envoy is told, as a function of what is served."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.metrics import Slot
from shipway.contract.model import RolloutSpec, SloSpec
from shipway.contract.route import Phase, RolloutState, RouteSpec, SlotEndpoint, read_rollout_states
from shipway.delivery.envoy.clusters import clusters, fallback_cluster, slot_cluster
from shipway.delivery.envoy.configuration import compose_clusters, compose_listener, compose_routes
from shipway.delivery.envoy.routes import routes, weights_percent
from shipway.delivery.evidence.gate import Rules
from shipway.delivery.evidence.steps import begin
from shipway.delivery.served import Change, ServedModel, read_served

A, B = ("sha256:" + letter * 64 for letter in "ab")


def spec(model: str = "digits", blue: str = A, green: str = B) -> RouteSpec:
    return RouteSpec(
        model=model,
        owner="vision",
        blue=SlotEndpoint(port=2000, digest=blue),
        green=SlotEndpoint(port=2001, digest=green),
        timeout_seconds=12.5,
        max_body_bytes=1_000,
    )


def state(live: Slot | None = Slot.BLUE, **changes: object) -> RolloutState:
    return RolloutState.model_validate({"live": live, "live_digest": A if live else ""} | changes)


states = st.builds(
    lambda live, weight, previous: state(live, weight_percent=weight, previous_digest=previous),
    st.sampled_from(Slot),
    st.integers(0, 100),
    st.sampled_from(("", A, B)),
)


def route(*models: ServedModel) -> dict[str, Any]:
    """Returns the first route, as Envoy reads it."""
    return routes({model.spec.model: model for model in models})["virtual_hosts"][0]["routes"][0]


def targets(model: ServedModel) -> list[tuple[str, int]]:
    """Returns (cluster, weight) in order."""
    weighted = route(model)["route"]["weighted_clusters"]["clusters"]
    return [(cluster["name"], cluster["weight"]) for cluster in weighted]


def test_a_models_route_in_full() -> None:
    """One prefix a model, rewritten away; sticky by unit; limit, timeout and state on the route itself."""
    found = route(ServedModel(spec(), state()))
    carried = found.pop("metadata")["filter_metadata"]["shipway"]
    assert json.loads(carried["state"]) == state().model_dump(mode="json")
    assert json.loads(carried["spec"]) == spec().model_dump(mode="json")
    assert found == {
        "name": "digits",
        "request_headers_to_remove": ["x-shipway-rollout"],
        "stat_prefix": "digits",
        "match": {"prefix": "/digits/"},
        "typed_per_filter_config": {
            "envoy.filters.http.buffer": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
                "buffer": {"max_request_bytes": 1_000},
            }
        },
        "route": {
            "prefix_rewrite": "/",
            "timeout": "12.500s",
            "hash_policy": [{"header": {"header_name": "x-unit-id"}}],
            "weighted_clusters": {
                "use_hash_policy": True,
                "clusters": [
                    {"name": "digits-blue", "weight": 100, "request_headers_to_remove": ["x-shipway-versions"]},
                    {
                        "name": "digits-green_or_blue",
                        "weight": 0,
                        "request_headers_to_remove": ["x-shipway-versions"],
                    },
                ],
            },
            "retry_policy": {
                "retry_on": "connect-failure,refused-stream,reset-before-request,reset,retriable-headers",
                "retriable_headers": [{"name": "x-shipway-refused", "present_match": True}],
                "num_retries": 2,
                "retry_priority": {
                    "name": "envoy.retry_priorities.previous_priorities",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3"
                        ".PreviousPrioritiesConfig",
                        "update_frequency": 1,
                    },
                },
            },
        },
    }


def test_live_falls_back_only_to_the_version_before_it() -> None:
    """A dead candidate is covered by live; live is covered by its predecessor while in place, else by nobody."""
    candidate = ServedModel(spec(), state(candidate=Slot.GREEN, candidate_digest=B, phase=Phase.PREPARING))
    assert targets(candidate) == [("digits-blue", 100), ("digits-green_or_blue", 0)]
    proved = ServedModel(spec(), state(previous_digest=B))
    assert targets(proved) == [("digits-blue_or_green", 100), ("digits-green_or_blue", 0)]
    overwritten = ServedModel(spec(green="sha256:" + "c" * 64), state(previous_digest=B))
    assert targets(overwritten) == [("digits-blue", 100), ("digits-green_or_blue", 0)]
    emptied = ServedModel(spec(green=""), state(previous_digest=""))
    assert targets(emptied) == [("digits-blue", 100), ("digits-green_or_blue", 0)]


@given(states, st.sampled_from(("", A, B)))
def test_a_share_names_the_versions_that_may_answer_it(served: RolloutState, candidate: str) -> None:
    """A slot that is not live takes its share only as the version that earned it, or live does; live's is open."""
    if candidate:
        served = served.model_copy(
            update={"candidate": served.live and served.live.other, "candidate_digest": candidate}
        )
    entries = route(ServedModel(spec(), served))["route"]["weighted_clusters"]["clusters"]
    for slot, entry in zip(Slot, entries, strict=True):
        named = [added["header"]["value"] for added in entry.get("request_headers_to_add", ())]
        earned = candidate or served.previous_digest
        assert named == ([] if slot is served.live or not earned else [f"{earned[7:19]},{A[7:19]}"])
        assert ("request_headers_to_remove" in entry) is not bool(named), "a caller's own word never passes"


@given(states)
def test_the_weights_always_sum_to_100_with_blue_first(served: RolloutState) -> None:
    """A constant sum and a constant order are what makes a hashed ramp monotone."""
    assert list(weights_percent(served)) == [Slot.BLUE, Slot.GREEN]
    assert sum(weights_percent(served).values()) == 100


@given(states)
def test_clusters_do_not_depend_on_the_rollout(served: RolloutState) -> None:
    """No weight, promotion or rollback touches a cluster, and every cluster a route names exists."""
    model = ServedModel(spec(), served)
    assert compose_clusters({"digits": model}) == compose_clusters({"digits": ServedModel(spec(), state(None))})
    assert {name for name, _ in targets(model)} <= {cluster["name"] for cluster in clusters(spec())}


def test_no_two_models_share_a_cluster() -> None:
    """Cluster names of different models never collide, however the models are called."""
    names = [
        cluster["name"] for model in ("x", "x-blue", "x-blue-or", "x-green-or") for cluster in clusters(spec(model))
    ]
    assert len(names) == len(set(names))
    assert slot_cluster("x", Slot.BLUE) == "x-blue"
    assert fallback_cluster("x", Slot.GREEN) == "x-green_or_blue"


def test_what_is_served_is_read_back(tmp_path: Path) -> None:
    """The route file alone holds everything a restart needs: specs, states and their last changes."""
    change = Change(time="2026-01-01T00:00:00.000+00:00", actor="ada", action="promoted", reason="why", generation=3)
    models = {
        "digits": ServedModel(spec(), state(previous_digest=B, generation=3), change),
        "flights": ServedModel(spec("flights"), state(None)),
    }
    path = tmp_path / "rds.json"
    path.write_text(compose_routes(models).text)
    assert read_served(path) == models
    assert read_rollout_states(path) == {name: model.state for name, model in models.items()}
    assert read_served(tmp_path / "none.yaml") == {}


def test_the_same_models_give_the_same_bytes() -> None:
    """Documents depend on nothing but what is served, and their version names their content."""
    first, second = ServedModel(spec("a"), state()), ServedModel(spec("b"), state())
    assert compose_routes({"a": first, "b": second}) == compose_routes({"b": second, "a": first})
    assert compose_routes({"a": first}).version != compose_routes({"b": second}).version
    listener = compose_listener(8080, Path("/x"))
    assert json.loads(listener.text)["version_info"] == listener.version


def test_a_model_without_a_version_says_what_it_waits_for() -> None:
    """The answer of a model that is not live yet names the slot that is not ready, or the command to run."""
    waiting = route(ServedModel(spec(green=""), state(None)))
    assert waiting["direct_response"] == {
        "status": 503,
        "body": {"inline_string": "digits has no live version yet: blue (aaaaaaaaaaaa) not ready"},
    }
    unknown = routes({})["virtual_hosts"][0]["routes"][-1]["direct_response"]
    text = "no model answers at this path; no model is deployed yet"
    assert unknown == {"status": 404, "body": {"inline_string": text}}


def test_slots_are_told_of_the_step_and_callers_cannot_lie_about_it() -> None:
    """While both slots serve, the header names rollout and step in place of a caller's own; else it is removed."""
    progress = begin(Rules(RolloutSpec(), SloSpec())).model_copy(update={"step_index": 2})
    both = state(candidate=Slot.GREEN, candidate_digest=B, weight_percent=25, rollout=7)
    found = route(ServedModel(spec(), both.model_copy(update={"progress": progress})))
    added = {"header": {"key": "x-shipway-rollout", "value": "7/2"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    assert found["request_headers_to_add"] == [added]
    assert "request_headers_to_remove" not in found
    alone = route(ServedModel(spec(), both.model_copy(update={"progress": progress, "weight_percent": 0})))
    assert alone["request_headers_to_remove"] == ["x-shipway-rollout"]
    assert "request_headers_to_add" not in alone
