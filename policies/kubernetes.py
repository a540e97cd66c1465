"""Where an object of Kubernetes carries pods, and what is read from objects in more than one rule."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from policies.resource import Resource, at, rows
from policies.rule import Context
from policies.unknown import Undecidable

__all__ = [
    "MODEL_LABEL",
    "Pod",
    "annotations",
    "is_gpu",
    "kind_of",
    "labels",
    "model_pods",
    "namespace",
    "object_name",
    "pods",
    "selects",
]

MODEL_LABEL = "shipway/model"

_NONE: Mapping[str, Any] = {}
# Kinds whose pods are there to answer, and are started again when they end.
_SERVING = frozenset({"DaemonSet", "Deployment", "InferenceService", "ReplicaSet", "Rollout", "StatefulSet"})
_KSERVE_PARTS = ("predictor", "transformer", "explainer")


@dataclass(frozen=True)
class Pod:
    """The pods that one object makes.

    Args:
        owner: the object.
        kind: its kind, without the `Patch` of a partial one.
        metadata: of the pods.
        spec: of the pods.
        partial: the object is a patch, in which what is left out is not absent.
    """

    owner: Resource
    kind: str
    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    partial: bool = False

    @property
    def serves(self) -> bool:
        """Whether the pods answer requests until somebody ends them."""
        return self.kind in _SERVING

    @property
    def labels(self) -> Mapping[str, Any]:
        """The pods' labels."""
        return self.metadata.get("labels") or _NONE

    @property
    def annotations(self) -> Mapping[str, Any]:
        """The pods' annotations."""
        return self.metadata.get("annotations") or _NONE

    @cached_property
    def main(self) -> Sequence[Any]:
        """The containers that run as long as the pod does."""
        return rows(self.spec.get("containers"))

    @cached_property
    def containers(self) -> Sequence[Any]:
        """All containers, those that run first and those for debugging too."""
        return [*self.main, *rows(self.spec.get("initContainers")), *rows(self.spec.get("ephemeralContainers"))]

    def seconds(self, annotation: str) -> float:
        """Returns the number of seconds that an annotation of the pods gives.

        Raises:
            Undecidable: when there is none.
        """
        value = self.annotations.get(annotation)
        try:
            return float(value or "")
        except (TypeError, ValueError):
            raise Undecidable(f"annotation {annotation} of the pods is {value!r}, expected seconds") from None


def kind_of(resource: Resource) -> str:
    """Returns the kind of an object, such as Deployment."""
    return resource.type.rpartition(":")[2]


def namespace(resource: Resource) -> str:
    """Returns the namespace an object lies in."""
    return at(resource.props, "metadata", "namespace") or "default"


def object_name(resource: Resource) -> str | None:
    """Returns an object's name, None while Pulumi has not chosen one."""
    return at(resource.props, "metadata", "name")


def labels(resource: Resource) -> Mapping[str, Any]:
    """Returns an object's own labels."""
    return at(resource.props, "metadata", "labels") or _NONE


def annotations(resource: Resource) -> Mapping[str, Any]:
    """Returns an object's own annotations."""
    return at(resource.props, "metadata", "annotations") or _NONE


def pods(resource: Resource) -> Iterator[Pod]:
    """Returns the pods that an object makes, whatever its kind; a custom resource counts by its shape."""
    kind = kind_of(resource)
    partial = kind.endswith("Patch")
    kind = kind.removesuffix("Patch")
    spec: Any = resource.props.get("spec")
    metadata: Mapping[str, Any] = resource.props.get("metadata") or _NONE
    if kind == "Pod" or ":serving.kserve.io/" in resource.type:
        for part in (spec, *(at(spec, name) for name in _KSERVE_PARTS)):
            if at(part, "containers") is not None or (kind == "Pod" and part is spec and part):
                yield Pod(resource, kind, metadata, part, partial)
    for template in (at(spec, "template"), at(spec, "jobTemplate", "spec", "template")):
        found: Any = at(template, "spec")
        # A patch of something else than a workload has no template.
        if at(found, "containers") is not None or (partial and found):
            yield Pod(resource, kind, template.get("metadata") or _NONE, found, partial)


def model_pods(resource: Resource, context: Context) -> Iterator[Pod]:
    """Returns an object's pods unless it is a patch or lies in a namespace of node agents and operators."""
    for pod in pods(resource):
        if not pod.partial and not context.settings.is_system(namespace(resource)):
            yield pod


def is_gpu(name: str) -> bool:
    """Returns whether an extended resource is a GPU of any vendor; a slice of one (MIG) counts."""
    group, slash, device = name.partition("/")
    return bool(slash) and ("gpu" in device or device.startswith("mig-")) and "." in group


def selects(selector: Any, found: Mapping[str, Any]) -> bool:
    """Returns whether a label selector selects an object with the labels `found`; an empty one selects all."""
    wanted: Mapping[str, Any] = at(selector, "matchLabels") or _NONE
    if any(found.get(key) != value for key, value in wanted.items()):
        return False
    return all(_matches(one, found) for one in rows(at(selector, "matchExpressions")))


def _matches(expression: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    key, values = expression.get("key"), list(rows(expression.get("values")))
    has = key in found
    return {
        "In": has and found.get(str(key)) in values,
        "NotIn": not has or found.get(str(key)) not in values,
        "Exists": has,
        "DoesNotExist": not has,
    }.get(str(expression.get("operator")), False)
