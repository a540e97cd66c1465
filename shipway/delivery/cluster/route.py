"""A model's HTTPRoute: what delivery reads on it, what it writes onto it, whether the gateway took it; pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shipway.contract.documents import Spec, parse, parse_json
from shipway.contract.errors import SpecError
from shipway.contract.metrics import ROLLOUT_HEADER, VERSIONS_HEADER
from shipway.contract.route import ROUTE_STATE_ANNOTATION, RolloutState, RouteSpec, parse_state
from shipway.delivery.cluster.api import NOTHING, Document
from shipway.delivery.envoy.routes import weights_percent
from shipway.delivery.served import Change, ServedModel

__all__ = [
    "CARRIED_ANNOTATION",
    "TOKEN_ANNOTATION",
    "agrees",
    "fence",
    "name_of",
    "read_route",
    "refused",
    "repair",
    "same_rollout",
    "service",
    "token_of",
    "unconfirmed",
    "write",
]

# Beside the state: what it was declared as, and the changes that the ledger may not hold yet.
CARRIED_ANNOTATION = "shipway/rollout-route"
# Which holder of the Lease wrote last: an earlier one has nothing more to say.
TOKEN_ANNOTATION = "shipway/delivery-lease"  # noqa: S105
# All annotations of an object may take 256 KiB together.
STATE_BYTES = 160 * 1024

_MODIFIER = "RequestHeaderModifier"
_OURS = frozenset({ROLLOUT_HEADER, VERSIONS_HEADER})
_CONDITIONS = ("Accepted", "ResolvedRefs")

Patch = list[dict[str, Any]]


class _Carried(Spec):
    """What rides on a route beside its state."""

    spec: RouteSpec
    changes: tuple[Change, ...] = ()


def name_of(route: Document) -> str:
    """Returns the model's name, which is the route's."""
    return str(route["metadata"]["name"])


def service(model: str, slot: str) -> str:
    """Returns the name of a slot's Service, Deployment and autoscaler."""
    return f"{model}-{slot}"


def read_route(route: Document) -> ServedModel | None:
    """Returns what a route serves, None before delivery has written it.

    Raises:
        SpecError: when what delivery wrote is edited into nonsense, or a newer version wrote it.
    """
    annotations, where = _annotations(route), f"HTTPRoute {name_of(route)}"
    if ROUTE_STATE_ANNOTATION not in annotations and CARRIED_ANNOTATION not in annotations:
        return None
    for key in (ROUTE_STATE_ANNOTATION, CARRIED_ANNOTATION):
        if key not in annotations:
            raise SpecError(where, key, "nothing", "what delivery wrote beside its other annotation")
    try:
        state = parse_state(annotations[ROUTE_STATE_ANNOTATION], where)
    except (ValueError, AttributeError) as error:
        raise SpecError(where, ROUTE_STATE_ANNOTATION, str(error), "the state that delivery wrote") from None
    carried = parse(_Carried, parse_json(annotations[CARRIED_ANNOTATION], where), where)
    changes = carried.changes
    return ServedModel(carried.spec, state, changes[-1] if changes else None, changes[:-1])


def token_of(route: Document) -> int:
    """Returns the fencing token on a route, 0 before a holder of the Lease wrote it.

    Raises:
        SpecError: when it is no number.
    """
    text = _annotations(route).get(TOKEN_ANNOTATION, "0")
    if not text.isdecimal():
        raise SpecError(f"HTTPRoute {name_of(route)}", TOKEN_ANNOTATION, text, "the number that delivery wrote")
    return int(text)


def same_rollout(before: Document, after: Document) -> bool:
    """Returns whether two readings of a route say the same of what delivery decides on and writes."""
    ours = (ROUTE_STATE_ANNOTATION, CARRIED_ANNOTATION, TOKEN_ANNOTATION)
    kept = [[_annotations(one).get(key) for key in ours] for one in (before, after)]
    return kept[0] == kept[1] and before["spec"] == after["spec"]


def agrees(route: Document, served: ServedModel) -> bool:
    """Returns whether every rule of a route gives each slot the share that the state says, and its declared time."""
    if served.state.live is None:
        return True
    wanted = _backends(served)
    return all(
        [_plain(backend) for backend in rule.get("backendRefs", []) if backend.get("weight", 1)] == wanted
        and _headers(rule.get("filters", [])) == _headers([_modifier(served.state, {})])
        and rule.get("timeouts", NOTHING).get("request") == served.spec.timeout
        for rule in route["spec"]["rules"]
    )


def write(route: Document, served: ServedModel, token: int | None = None) -> Patch:
    """Returns the one patch that puts weights and state on a route, if nobody wrote it since it was read.

    Args:
        route: the route as it was read.
        served: what is to be served.
        token: of the holder of the Lease; None for a person's one step, which leaves the holder's in place.
    """
    carried = _Carried(spec=served.spec, changes=served.changes)
    values = {
        ROUTE_STATE_ANNOTATION: _fitting(served.state).model_dump_json(),
        CARRIED_ANNOTATION: carried.model_dump_json(),
        **({} if token is None else {TOKEN_ANNOTATION: str(token)}),
    }
    return [*_unchanged(route), *_annotate(route, values), *_rules(route, served)]


def repair(route: Document, served: ServedModel) -> Patch:
    """Returns the patch that gives a route the weights of the state it carries."""
    return [*_unchanged(route), *_rules(route, served)]


def fence(route: Document, token: int) -> Patch:
    """Returns the patch after which a write of an earlier holder of the Lease is refused: the route is another one."""
    return [*_unchanged(route), *_annotate(route, {TOKEN_ANNOTATION: str(token)})]


def unconfirmed(route: Document) -> str:
    """Returns why the gateway does not serve a route as it was written, empty when it has said that it does."""
    parents: Sequence[Mapping[str, Any]] = route.get("status", NOTHING).get("parents", [])
    if not parents:
        return f"no gateway has taken up the HTTPRoute {name_of(route)} yet"
    generation = route["metadata"]["generation"]
    for parent in parents:
        found: dict[str, Document] = {one["type"]: one for one in parent.get("conditions", [])}
        for kind in _CONDITIONS:
            condition = found.get(kind)
            if condition is None or condition.get("observedGeneration", 0) < generation:
                return f"the gateway has not confirmed generation {generation} of the HTTPRoute {name_of(route)} yet"
            if condition["status"] != "True":
                said = f"{condition.get('reason', '')}: {condition.get('message', '')}"
                return f"the gateway refuses the HTTPRoute {name_of(route)}: {kind} is {condition['status']} ({said})"
    return ""


def refused(route: Document) -> str:
    """Returns why the gateway cannot serve a route as it is now, empty while it can or has not said so."""
    why = unconfirmed(route)
    return why if " refuses " in why else ""


def _annotations(route: Document) -> dict[str, str]:
    return route["metadata"].get("annotations") or {}


def _unchanged(route: Document) -> Patch:
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": route["metadata"]["resourceVersion"]}]


def _annotate(route: Document, values: Mapping[str, str]) -> Patch:
    made: Patch = [] if _annotations(route) else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    return made + [
        {"op": "add", "path": f"/metadata/annotations/{key.replace('/', '~1')}", "value": value}
        for key, value in values.items()
    ]


def _rules(route: Document, served: ServedModel) -> Patch:
    """Returns what gives every rule its weights and its time; its matches and other filters stay as they are.

    The rules are one list with one owner: what Pulumi declares of the time, it can only tell through `served`.
    """
    if agrees(route, served):
        return []
    rules = [
        {
            **rule,
            "timeouts": {**rule.get("timeouts", NOTHING), "request": served.spec.timeout},
            "filters": _filters(rule.get("filters", []), served.state),
            "backendRefs": _backends(served),
        }
        for rule in route["spec"]["rules"]
    ]
    return [{"op": "replace", "path": "/spec/rules", "value": rules}]


def _backends(served: ServedModel) -> list[dict[str, Any]]:
    # A slot without a share is not named: one whose Service is gone would make the whole route unresolved.
    spec = served.spec
    return [
        {"name": service(spec.model, slot), "port": spec.endpoint(slot).port, "weight": weight}
        for slot, weight in weights_percent(served.state).items()
        if weight
    ]


def _plain(backend: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": backend["name"], "port": backend.get("port"), "weight": backend.get("weight", 1)}


def _filters(filters: Sequence[Mapping[str, Any]], state: RolloutState) -> list[Mapping[str, Any]]:
    """Returns the filters with what tells a slot that both slots serve; a kind of filter may be there only once."""
    others = [one for one in filters if one["type"] != _MODIFIER]
    there = next((one["requestHeaderModifier"] for one in filters if one["type"] == _MODIFIER), NOTHING)
    return [*others, _modifier(state, there)]


def _modifier(state: RolloutState, there: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the filter that sets our headers: a caller's own word on them never passes."""
    shared = state.weight_percent > 0 and state.progress is not None
    step = f"{state.rollout}/{state.progress.step_index}" if shared and state.progress else ""
    sets: list[Document] = [one for one in there.get("set", []) if one["name"].lower() not in _OURS]
    removes: list[str] = [one for one in there.get("remove", []) if one.lower() not in _OURS]
    changed: Document = {
        **({"add": there["add"]} if there.get("add") else {}),
        "set": [*sets, {"name": ROLLOUT_HEADER, "value": step}] if step else sets,
        "remove": [*removes, VERSIONS_HEADER] if step else [*removes, ROLLOUT_HEADER, VERSIONS_HEADER],
    }
    return {"type": _MODIFIER, "requestHeaderModifier": {key: value for key, value in changed.items() if value}}


def _headers(filters: Sequence[Mapping[str, Any]]) -> tuple[str, frozenset[str]]:
    """Returns what a rule sets the rollout's header to, and which of ours it removes."""
    there = next((one["requestHeaderModifier"] for one in filters if one["type"] == _MODIFIER), NOTHING)
    values = [one["value"] for one in there.get("set", []) if one["name"].lower() == ROLLOUT_HEADER]
    return "".join(values), frozenset(one.lower() for one in there.get("remove", [])) & _OURS


def _fitting(state: RolloutState) -> RolloutState:
    """Returns the state with its last reading of the counters, unless of very many pods that does not fit.

    Without it, the next holder of the Lease begins with a reading of its own and what happened in between is lost.
    """
    if state.progress is None or len(json.dumps(state.progress.counters)) <= STATE_BYTES:
        return state
    return state.model_copy(update={"progress": state.progress.changed(counters={})})
