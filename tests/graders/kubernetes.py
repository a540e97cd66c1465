"""Kubernetes objects as manifests, and the pods that custom resources hold as pods of their own."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.components.recorded import Registration
from tests.standins.shape import document_of

__all__ = ["manifests"]

# A grader looks into the pod templates of these by itself.
_WORKLOADS = frozenset(
    {"CronJob", "DaemonSet", "Deployment", "Job", "Pod", "PodTemplate", "ReplicaSet", "StatefulSet"},
)


def manifests(registrations: Iterable[Registration]) -> list[dict[str, Any]]:
    """Returns every object as it would be applied; a chart's Release is none, for what it holds is not known here."""
    found: list[dict[str, Any]] = []
    for one in registrations:
        if not one.type.startswith("kubernetes:") or one.type.startswith("kubernetes:helm.sh/"):
            continue
        document = document_of(one.type, one.inputs)
        found.append(document)
        if document["kind"] not in _WORKLOADS:
            found += _pods(document)
    return found


def _pods(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns a Pod for each pod that a custom resource describes, named after where it stands in it."""
    metadata = document["metadata"]
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "-".join((document["kind"].lower(), metadata["name"], *where)),
                "namespace": metadata.get("namespace", "default"),
            },
            "spec": spec,
        }
        for where, spec in _pod_specs(document.get("spec"), ())
    ]


def _pod_specs(value: Any, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        containers = value.get("containers")
        if isinstance(containers, list) and all(isinstance(one, Mapping) and "name" in one for one in containers):
            yield where, value
        else:
            for key, one in value.items():
                yield from _pod_specs(one, (*where, key.lower()))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _pod_specs(one, (*where, str(number)))
