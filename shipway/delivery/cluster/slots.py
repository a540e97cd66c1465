"""Whether a slot may take traffic: it has ready pods, and all of them run the digest that is declared; pure."""

from collections.abc import Iterable, Mapping

from shipway.contract.metrics import Slot
from shipway.contract.release import short_digest
from shipway.contract.route import RouteSpec
from shipway.delivery.cluster.api import NOTHING, RELEASE_LABEL, Document
from shipway.delivery.cluster.route import service
from shipway.delivery.decide import Readiness

__all__ = ["readiness", "releases", "slices_by_service"]

_SERVICE_LABEL = "kubernetes.io/service-name"


def slices_by_service(slices: Iterable[Document]) -> dict[str, list[Document]]:
    """Returns Service -> its EndpointSlices."""
    found: dict[str, list[Document]] = {}
    for one in slices:
        found.setdefault(one["metadata"].get("labels", NOTHING).get(_SERVICE_LABEL, ""), []).append(one)
    return found


def releases(pods: Iterable[Document]) -> dict[str, str]:
    """Returns pod -> the short digest it runs."""
    return {pod["metadata"]["name"]: pod["metadata"].get("labels", NOTHING).get(RELEASE_LABEL, "") for pod in pods}


def readiness(spec: RouteSpec, slices: Mapping[str, list[Document]], running: Mapping[str, str]) -> Readiness:
    """Returns what keeps each slot of `spec` from taking traffic.

    Args:
        spec: the declared route.
        slices: Service -> its EndpointSlices; one without any is not there.
        running: pod -> the short digest it runs.
    """
    problems = {slot: _problem(spec, slot, slices, running) for slot in Slot}
    return Readiness({slot: problem for slot, problem in problems.items() if problem})


def _problem(spec: RouteSpec, slot: Slot, slices: Mapping[str, list[Document]], running: Mapping[str, str]) -> str:
    expected, name = short_digest(spec.endpoint(slot).digest), service(spec.model, slot)
    if not expected:
        return "nothing was released into it"
    if name not in slices:
        return f"there is no Service {name} yet"
    endpoints: list[Document] = []
    for one in slices[name]:
        endpoints += one.get("endpoints") or []
    # An endpoint that says nothing counts as ready, as the API defines it.
    ready = [end for end in endpoints if (end.get("conditions") or NOTHING).get("ready") is not False]
    if not ready:
        return f"none of its {len(endpoints)} pods is ready" if endpoints else "it has no pods yet"
    versions = [running.get((end.get("targetRef") or NOTHING).get("name", ""), "") for end in ready]
    # While a slot is replaced its Service leads to pods of both versions, and a share must go to one alone.
    others = sorted({version or "an unknown version" for version in versions if version != expected})
    if others:
        count = sum(version != expected for version in versions)
        return f"{count} of its {len(ready)} ready pods run {', '.join(others)}, expected {expected}"
    return ""
