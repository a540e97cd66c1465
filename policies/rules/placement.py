"""Which pods run on which nodes."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.kubernetes import Pod, is_gpu, model_pods
from policies.resource import Resource, at, rows
from policies.rule import KUBERNETES, Context, Severity, rule
from policies.settings import Settings

__all__ = ["gpu_pools"]

_TAINT = "nvidia.com/gpu"
_NONE: Mapping[str, Any] = {}
_NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
_EFFECTS = frozenset({"NO_SCHEDULE", "NO_EXECUTE", "NoSchedule", "NoExecute"})


def _pod(gpus: str) -> tuple[Resource, ...]:
    spec = {
        "nodeSelector": {"shipway/gpu-type": "l4"},
        "tolerations": [{"key": _TAINT, "operator": "Exists"}],
        "containers": [{"name": "model", "resources": {"limits": {_TAINT: gpus}}}],
    }
    return (Resource("kubernetes:apps/v1:Deployment", "example", {"spec": {"template": {"spec": spec}}}),)


def _pool(taints: list[Mapping[str, str]]) -> tuple[Resource, ...]:
    return (Resource(_NODE_GROUP, "gpu", {"amiType": "AL2023_x86_64_NVIDIA", "taints": taints}),)


@rule(
    "ML014",
    "GPU pods on GPU pools only",
    severity=Severity.MEDIUM,
    types=(KUBERNETES, _NODE_GROUP),
    fix=f"Select the GPU pool and tolerate {_TAINT} in GPU pods, in no other; taint every GPU pool.",
    passing=(*_pod("1"), *_pool([{"key": _TAINT, "effect": "NO_SCHEDULE"}])),
    failing=_pool([]),
)
def gpu_pools(resource: Resource, context: Context) -> Iterator[str]:
    """A pod with a GPU runs on a GPU pool, and a pod without keeps away from it: an idle GPU is the dearest thing
    here."""
    if resource.type == _NODE_GROUP:
        labels: Mapping[str, Any] = resource.props.get("labels") or _NONE
        ami = str(resource.props.get("amiType") or "")
        yield from _untainted("NVIDIA" in ami or _selects(labels, context.settings), resource.props.get("taints"))
    elif resource.type.startswith("kubernetes:karpenter.sh/") and resource.type.endswith(":NodePool"):
        template = at(resource.props, "spec", "template")
        labels = at(template, "metadata", "labels") or _NONE
        needs = {str(one.get("key")): True for one in rows(at(template, "spec", "requirements"))}
        yield from _untainted(_selects({**labels, **needs}, context.settings), at(template, "spec", "taints"))
    for pod in model_pods(resource, context):
        yield from _of_pod(pod, context.settings)


def _untainted(gpu: bool, taints: Any) -> Iterator[str]:
    if gpu and not any(one.get("key") == _TAINT and one.get("effect") in _EFFECTS for one in rows(taints)):
        yield f"the GPU pool has no taint {_TAINT} with NoSchedule, expected it"


def _of_pod(pod: Pod, settings: Settings) -> Iterator[str]:
    wants = any(
        is_gpu(name)
        for container in pod.containers
        for side in ("limits", "requests")
        for name in at(container, "resources", side) or _NONE
    )
    tolerates = any(
        one.get("key") == _TAINT or (not one.get("key") and one.get("operator") == "Exists")
        for one in rows(pod.spec.get("tolerations"))
    )
    selects = _selects({**(pod.spec.get("nodeSelector") or _NONE), **_affinity(pod.spec)}, settings)
    if wants and not selects:
        yield f"the pod takes a GPU and selects no GPU pool, expected one of {', '.join(settings.gpu_labels)}"
    if wants and not tolerates:
        yield f"the pod takes a GPU and does not tolerate {_TAINT}"
    if not wants and selects:
        yield "the pod takes no GPU and selects a GPU pool"
    if not wants and tolerates:
        yield f"the pod takes no GPU and tolerates {_TAINT}"


def _affinity(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    wanted = at(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    return {
        str(one.get("key")): True
        for term in rows(wanted)
        for one in rows(term.get("matchExpressions"))
        if one.get("operator") in ("In", "Exists")
    }


def _selects(labels: Mapping[str, Any], settings: Settings) -> bool:
    return any(label in labels for label in settings.gpu_labels)
