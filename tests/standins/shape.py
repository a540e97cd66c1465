"""What the stand-in provider knows of Kubernetes objects: their documents, what replaces them, when they work."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

__all__ = ["REPLACING", "document_of", "leave_alone", "settled", "shown"]

# Fields that the API server never changes, by the last part of a resource's type.
REPLACING: Mapping[str, tuple[str, ...]] = {
    "Deployment": ("spec.selector",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"),
    "Job": ("spec.template", "spec.selector"),
    "PersistentVolumeClaim": ("spec.storageClassName", "spec.accessModes"),
    "Service": ("spec.clusterIP",),
}


def document_of(kind: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the object as the API server takes it; a Helm release becomes a record of what would be installed.

    Args:
        kind: the resource's type, such as kubernetes:apps/v1:Deployment.
        inputs: what the program gave.
    """
    _, group, name = kind.split(":")
    if group.startswith("helm.sh/"):
        return _release(inputs)
    version = group.removeprefix("core/") if group.startswith("core/") else group
    return {"apiVersion": version, "kind": name, **inputs}


def _release(inputs: Mapping[str, Any]) -> dict[str, Any]:
    metadata = cast(Mapping[str, str], inputs["metadata"])
    chart, version = str(inputs.get("chart", "")), str(inputs.get("version", ""))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"release-{inputs.get('name') or metadata['name']}",
            "namespace": str(inputs.get("namespace") or "default"),
        },
        "data": {"chart": chart, "version": version},
    }


def shown(document: Mapping[str, Any], path: str) -> Any:
    """Returns what lies at a dotted path, None where nothing does."""
    found: Any = document
    for key in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = cast(Mapping[str, Any], found).get(key)
    return found


def leave_alone(document: dict[str, Any], live: Mapping[str, Any], paths: Iterable[str], manager: str) -> None:
    """Puts what an update is to ignore as the upstream provider does: as it is now, or away where others alone own it.

    Args:
        document: what is to be applied; changed in place.
        live: the object as the server holds it, with its owners.
        paths: dotted, below mappings.
        manager: whose update it is.
    """
    owners = cast(list[Mapping[str, Any]], shown(live, "metadata.managedFields") or [])
    for path in paths:
        *above, last = path.split(".")
        place = cast("dict[str, Any]", shown(document, ".".join(above)))
        owned = ".".join(f"f:{key}" for key in path.split("."))
        who = {one["manager"] for one in owners if shown(one["fieldsV1"], owned) is not None}
        if who and manager not in who:
            place.pop(last, None)
        elif (found := shown(live, path)) is not None:
            place[last] = found


def settled(document: Mapping[str, Any]) -> str:
    """Returns what a workload still waits for, empty when it works or is none."""
    if document.get("kind") != "Deployment":
        return ""
    wanted = int(shown(document, "spec.replicas") or 0)
    generation, observed = shown(document, "metadata.generation"), shown(document, "status.observedGeneration")
    ready = int(shown(document, "status.readyReplicas") or 0)
    if observed != generation:
        return "its controller has not seen it yet"
    return "" if ready >= wanted else f"{ready} of {wanted} replicas are ready"
