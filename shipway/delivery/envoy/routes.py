"""Envoy's routes: one prefix a model, its weights, and an answer in words where there is nothing to route to."""

from collections.abc import Mapping
from typing import Any

from shipway.contract.metrics import REFUSED_HEADER, ROLLOUT_HEADER, UNIT_HEADER, VERSIONS_HEADER, Slot
from shipway.contract.release import short_digest
from shipway.contract.route import RolloutState, RouteSpec
from shipway.delivery.envoy.clusters import fallback_cluster, slot_cluster
from shipway.delivery.envoy.listener import BUFFER_FILTER, ROUTES_NAME
from shipway.delivery.served import ServedModel, metadata

__all__ = ["routes", "weights_percent"]

# The list of known models in a 404 grows with the fleet; Envoy refuses direct answers over 4 KiB by default.
MAX_DIRECT_BODY_BYTES = 65_536


def weights_percent(state: RolloutState) -> dict[Slot, int]:
    """Returns the share of each slot; empty when no slot is live.

    Blue always comes first: Envoy hashes a unit to a point in 0-99 and walks the slots in order, so with a constant
    sum a growing candidate only ever gains units, whichever colour it is.
    """
    if state.live is None:
        return {}
    shares = {state.live: 100 - state.weight_percent, state.live.other: state.weight_percent}
    return {slot: shares[slot] for slot in Slot}


def routes(models: Mapping[str, ServedModel]) -> dict[str, Any]:
    """Returns the route configuration of all models, in the order of their names."""
    known = sorted(models)
    table = [_route(models[name]) for name in known]
    listed = f"known models: {', '.join(f'/{name}/' for name in known)}" if known else "no model is deployed yet"
    nothing = {"status": 404, "body": {"inline_string": f"no model answers at this path; {listed}"}}
    table.append({"name": "unknown", "match": {"prefix": "/"}, "direct_response": nothing})
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": ROUTES_NAME,
        # Without this a route to a cluster that does not exist is accepted, and every request gets a 503.
        "validate_clusters": True,
        "max_direct_response_body_size_bytes": MAX_DIRECT_BODY_BYTES,
        "virtual_hosts": [{"name": "models", "domains": ["*"], "routes": table}],
    }


def _route(model: ServedModel) -> dict[str, Any]:
    spec, state = model.spec, model.state
    route: dict[str, Any] = {
        "name": spec.model,
        "match": {"prefix": f"/{spec.model}/"},
        "metadata": metadata(model),
    }
    if state.live is None:
        return route | {"direct_response": {"status": 503, "body": {"inline_string": _missing(spec)}}}
    limit = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
        "buffer": {"max_request_bytes": spec.max_body_bytes},
    }
    return route | {
        **_rollout_header(state),
        "stat_prefix": spec.model,
        "typed_per_filter_config": {BUFFER_FILTER: limit},
        "route": _action(spec, state),
    }


def _action(spec: RouteSpec, state: RolloutState) -> dict[str, Any]:
    weighted = [
        {"name": _cluster(spec, state, slot), "weight": weight, **_versions_header(state, slot)}
        for slot, weight in weights_percent(state).items()
    ]
    return {
        "weighted_clusters": {"clusters": weighted, "use_hash_policy": True},
        "hash_policy": [{"header": {"header_name": UNIT_HEADER}}],
        "prefix_rewrite": "/",
        "timeout": f"{spec.timeout_seconds:.3f}s",
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,reset-before-request,reset,retriable-headers",
            "retriable_headers": [{"name": REFUSED_HEADER, "present_match": True}],
            "num_retries": 2,
            # A retry in the slot that just died is lost too: go on to the cluster's next one.
            "retry_priority": {
                "name": "envoy.retry_priorities.previous_priorities",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3"
                    ".PreviousPrioritiesConfig",
                    "update_frequency": 1,
                },
            },
        },
    }


def _rollout_header(state: RolloutState) -> dict[str, Any]:
    """Returns what tells a slot that both slots serve, and in which step; a caller's own word on it never passes."""
    if not state.weight_percent or state.progress is None:
        return {"request_headers_to_remove": [ROLLOUT_HEADER]}
    return _adds(ROLLOUT_HEADER, f"{state.rollout}/{state.progress.step_index}")


def _versions_header(state: RolloutState, slot: Slot) -> dict[str, Any]:
    """Returns what keeps a share from a version that has not earned it: a slot's process may change before its route.

    Live's own share has nowhere better to go, so it is answered by whatever is there.
    """
    earned = state.candidate_digest if state.candidate is slot else state.previous_digest
    if slot is state.live or not earned:
        return {"request_headers_to_remove": [VERSIONS_HEADER]}
    return _adds(VERSIONS_HEADER, f"{short_digest(earned)},{short_digest(state.live_digest)}")


def _adds(name: str, value: str) -> dict[str, Any]:
    added = {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"request_headers_to_add": [added]}


def _cluster(spec: RouteSpec, state: RolloutState, slot: Slot) -> str:
    """Returns where the traffic of `slot` goes: a dead candidate falls back to live, and live to its predecessor.

    Live never falls back to a version that was not proved: a candidate, or one that was rolled back.
    """
    idle_digest = spec.endpoint(slot.other).digest
    proved = slot is state.live and idle_digest != "" and idle_digest == state.previous_digest
    return fallback_cluster(spec.model, slot) if slot is not state.live or proved else slot_cluster(spec.model, slot)


def _missing(spec: RouteSpec) -> str:
    filled = [f"{slot} ({short_digest(spec.endpoint(slot).digest)})" for slot in Slot if spec.endpoint(slot).digest]
    if filled:
        return f"{spec.model} has no live version yet: {' and '.join(filled)} not ready"
    return f"{spec.model} has no live version yet: nothing was released; run `shipway release {spec.model} DIGEST`"
