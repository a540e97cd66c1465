"""Where an object of Kubernetes carries pods, and what is read from objects in more than one rule."""

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from policies.containers import ARGO_KEYS, argo_pods, is_argo_template, is_container, of_the_node, patched_pod
from policies.resource import Resource, at, mappings, rows
from policies.rule import Context
from policies.unknown import Undecidable

__all__ = [
    "KSERVE_CONTAINERS",
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

# A part of an InferenceService may name its container by the framework; the runtime fills in what it leaves out.
KSERVE_CONTAINERS = (
    "alibi",
    "art",
    "huggingface",
    "lightgbm",
    "model",
    "onnx",
    "paddle",
    "pmml",
    "pytorch",
    "sklearn",
    "tensorflow",
    "triton",
    "xgboost",
)

_NONE: Mapping[str, Any] = {}
# Kinds whose pods are there to answer, and are started again when they end.
_SERVING = frozenset({"DaemonSet", "Deployment", "InferenceService", "ReplicaSet", "Rollout", "StatefulSet"})
_KSERVE_PARTS = ("predictor", "transformer", "explainer")
_SCALARS = frozenset({bool, float, int, str})
# Inside a pod's spec there are no further pods, and what is known of an object holds none either.
_NO_PODS = frozenset({"containers", "ephemeralContainers", "initContainers", "metadata", "status", "volumes"})
# Where objects carry pods. Under such a key an unknown value may be one; an unknown address or number elsewhere is not.
_MAY_HOLD_PODS = re.compile(
    r"(spec|template|job|task|worker|explainer|predictor|transformer|container|script|sidecar|step)s?$|podSpecPatch$",
    re.IGNORECASE,
)
# Below them Tekton says what all steps of a pod share.
_SHARED = frozenset({"podTemplate"})


@dataclass(frozen=True)
class Pod:
    """The pods that one object makes.

    Args:
        owner: the object.
        kind: its kind, without the `Patch` of a partial one.
        metadata: of the pods.
        spec: of the pods.
        partial: what is left out is not absent: the object is a patch, or a runtime of KServe, or whatever runs the
            steps of a custom resource, says the rest.
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
        return mappings(self.spec.get("containers"))

    @cached_property
    def containers(self) -> Sequence[Any]:
        """All containers, those that run first and those for debugging too."""
        others = [one for key in ("initContainers", "ephemeralContainers") for one in mappings(self.spec.get(key))]
        return [*self.main, *others]

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
    """Returns the pods that an object makes, whatever its kind; a custom resource counts by its shape.

    Raises:
        Undecidable: when all that are known have been returned and one more may lie in an unknown value.
    """
    kind = kind_of(resource)
    partial = kind.endswith("Patch")
    kind = kind.removesuffix("Patch")
    spec: Any = resource.props.get("spec")
    if kind == "Pod":
        if spec:
            yield Pod(resource, kind, resource.props.get("metadata") or _NONE, spec, partial)
        return
    if ":serving.kserve.io/" in resource.type:
        for part in (at(spec, name) for name in _KSERVE_PARTS):
            if isinstance(part, Mapping):
                found = _of_runtime(cast(Mapping[str, Any], part))
                yield from (Pod(resource, kind, resource.props.get("metadata") or _NONE, one, True) for one in found)
    # Of KServe's kinds the parts are known, and looked up above.
    below = _Below(partial, any_shape=":serving.kserve.io/" not in resource.type)
    # A PodTemplate carries its pods beside the spec, a list of objects in its items.
    for value in (spec, resource.props.get("template"), resource.props.get("items")):
        below.search(value, resource.props)
    for holder, found, filled_in in below.found:
        yield Pod(resource, kind, holder.get("metadata") or _NONE, found, partial or filled_in)
    if below.unknown:
        raise below.unknown[0]


def _of_runtime(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Returns the pod of a part of an InferenceService as far as a runtime fills it in; `_Below` finds its own."""
    # Layered, for a copy would read every value, unknown ones too.
    given = [(name, part[name]) for name in KSERVE_CONTAINERS if name in part]
    containers = [ChainMap({"name": name}, cast(Any, one)) for name, one in given if isinstance(one, Mapping)]
    found: dict[str, Any] = {"containers": containers}
    if part.get("containers") is None:
        yield ChainMap(found, cast(dict[str, Any], part))
    elif containers:
        yield found


@dataclass
class _Below:
    """Every pod's spec below the values it has searched; each rule about pods searches every object of a stack.

    Args:
        partial: the values are of a patch, whose templates need no containers.
        any_shape: whether containers count wherever they are, not only in a pod's list.
        found: what holds a pod's metadata, the pod's spec, and whether somebody else says the rest of it.
        unknown: what is not known and may hold more pods.
        argo: whether pods of a workflow of Argo were found, which have what their templates and the workflow say.
    """

    partial: bool
    any_shape: bool
    found: list[tuple[Mapping[str, Any], Mapping[str, Any], bool]] = field(default_factory=list[Any])
    unknown: list[Undecidable] = field(default_factory=list[Undecidable])
    argo: bool = False

    def search(self, value: Any, holder: Mapping[str, Any], above: str = "", last: str = "") -> None:
        """Searches a value to which the keys `above` and `last` lead; `holder` has the metadata of a pod without."""
        if isinstance(value, Mapping):
            self._search_mapping(cast(Mapping[str, Any], value), holder, above, last)
        elif isinstance(value, Sequence):
            items = cast(Sequence[Any], value)
            for index in range(len(items)):
                child = self._known(items, index, last)
                if child is not None and type(child) not in _SCALARS:
                    self.search(child, holder, last)

    def _search_mapping(self, value: Mapping[str, Any], holder: Mapping[str, Any], above: str, last: str) -> None:
        # A template is one of a workflow's, or lies in a step of one that was found above.
        template = is_argo_template(value) and ((above, last) == ("templates", "") or (self.argo and last == "inline"))
        try:
            if _are_containers(value.get("containers")) or (self.partial and (above, last) == ("template", "spec")):
                self.found.append((holder, value, False))
            elif self.any_shape:
                self._add_other(value, holder, last or above, is_found=template)
        except Undecidable as error:
            self.unknown.append(error)
        # In a mapping of specs, such as pytorchReplicaSpecs, the keys are names.
        named = last.endswith("Specs")
        passed = _NO_PODS | ARGO_KEYS if template else _NO_PODS
        for key in value:
            if key not in passed:
                child = self._known(value, key, last if named else key)
                if child is not None and type(child) not in _SCALARS:
                    self.search(child, value if key == "spec" else holder, last, key)

    def _add_other(self, value: Mapping[str, Any], holder: Mapping[str, Any], name: str, *, is_found: bool) -> None:
        """Adds what a custom resource makes of a mapping that is no pod's spec; one name or a list's leads to it."""
        if "templates" in value:
            for by, found in argo_pods(value):
                self.found.append((by, found, False))
                self.argo = is_found = True
        if "podSpecPatch" in value:
            self.found.append((holder, patched_pod(value["podSpecPatch"]), True))
        if is_found or (self.argo and name == "templateDefaults"):
            return
        if name in _SHARED and "spec" not in value:
            self.found.append((holder, value, True))
            return
        said = {**of_the_node(value), **({"containers": [value]} if is_container(value, name) else {})}
        if said:
            self.found.append((holder, said, True))

    def _known(self, value: Any, key: Any, named: str) -> Any:
        """Returns what lies under a key; None when it is not known, which counts where its name is that of pods."""
        try:
            return value[key]
        except Undecidable as error:
            if _MAY_HOLD_PODS.search(named):
                self.unknown.append(error)
            return None


def _are_containers(value: Any) -> bool:
    """Returns whether a value is a list of containers; a schema's `containers` is a mapping, a filter's holds names."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return False
    return all(isinstance(one, Mapping) for one in cast(Sequence[Any], value))


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
