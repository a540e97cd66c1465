"""What a model survives: a lost node, a lost zone, a drained node, a rolling update."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.kubernetes import MODEL_LABEL, Pod, model_pods, namespace, object_name, selects
from policies.resource import Resource, Stack, at, number, rows, texts
from policies.rule import CLUSTER_TIERS, KUBERNETES, PROD_ONLY, Context, Scope, Severity, rule
from shipway.contract.workers import WORKERS

__all__ = ["TIMEOUT_ANNOTATION", "drained", "replicated"]

# The longest request a slot may take, on its pods; the grace period must give it that time.
TIMEOUT_ANNOTATION = "shipway/request-timeout-seconds"
# Which part of the platform a pod is; a worker of the contract is called after its job.
_PART_LABEL = "shipway/part"
_ZONE = "topology.kubernetes.io/zone"
_REPLICATED = frozenset({"Deployment", "ReplicaSet", "Rollout", "StatefulSet"})

_TEMPLATE = {
    "metadata": {"labels": {MODEL_LABEL: "pricing"}},
    "spec": {"topologySpreadConstraints": [{"topologyKey": _ZONE, "maxSkew": 1}], "containers": [{"name": "model"}]},
}


def _stack(minimum: int) -> tuple[Resource, ...]:
    deployment = {"metadata": {"namespace": "models"}, "spec": {"replicas": 2, "template": _TEMPLATE}}
    spec = {"minAvailable": minimum, "selector": {"matchLabels": {MODEL_LABEL: "pricing"}}}
    return (
        Resource("kubernetes:apps/v1:Deployment", "example", deployment),
        Resource(
            "kubernetes:policy/v1:PodDisruptionBudget", "budget", {"metadata": {"namespace": "models"}, "spec": spec}
        ),
    )


@rule(
    "ML012",
    "replicated, spread, budgeted",
    severity=Severity.HIGH,
    tiers=PROD_ONLY,
    types=(KUBERNETES,),
    scope=Scope.STACK,
    fix="Run two replicas or more, spread them over zones, and add a PodDisruptionBudget below their number.",
    passing=_stack(minimum=1),
    failing=_stack(minimum=2),
)
def replicated(resource: Resource, context: Context) -> Iterator[str]:
    """Everything that serves has two replicas or more in several zones, and a disruption budget that lets a node be
    drained."""
    for pod in model_pods(resource, context):
        # A worker answers nobody, and two of them would count everything twice.
        if pod.kind not in _REPLICATED or pod.labels.get(_PART_LABEL) in WORKERS:
            continue
        replicas = _least_replicas(pod, context.stack)
        if replicas < 2:
            yield f"the least number of replicas is {replicas:g}, expected 2 or more"
        if not _spread(pod.spec):
            yield f"no topologySpreadConstraint over {_ZONE}, expected one"
        budgets = [
            budget
            for budget in context.stack.of("kubernetes:policy:PodDisruptionBudget")
            if namespace(budget) == namespace(resource) and selects(at(budget.props, "spec", "selector"), pod.labels)
        ]
        if not budgets:
            yield "no PodDisruptionBudget selects the pods, expected one"
        for budget in budgets:
            if problem := _blocks(budget.props.get("spec") or {}, replicas):
                yield f"PodDisruptionBudget {budget.name!r} {problem}"


def _least_replicas(pod: Pod, stack: Stack) -> float:
    """Returns how many replicas the pods' owner keeps at least; an autoscaler's word counts before its own."""
    name, where = object_name(pod.owner), namespace(pod.owner)
    for scaler in stack.of("kubernetes:autoscaling:HorizontalPodAutoscaler", "kubernetes:keda.sh:ScaledObject"):
        spec: Mapping[str, Any] = scaler.props.get("spec") or {}
        if name and namespace(scaler) == where and at(spec, "scaleTargetRef", "name") == name:
            # What is left out is 1 for an autoscaler and 0 for KEDA.
            keda = ":keda.sh/" in scaler.type
            least = number(spec.get("minReplicaCount" if keda else "minReplicas"))
            return float(not keda) if least is None else least
    own = number(at(pod.owner.props, "spec", "replicas"))
    return 1.0 if own is None else own


def _spread(spec: Mapping[str, Any]) -> bool:
    if any(each.get("topologyKey") == _ZONE for each in rows(spec.get("topologySpreadConstraints"))):
        return True
    apart = at(spec, "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    return any(each.get("topologyKey") == _ZONE for each in rows(apart))


def _blocks(spec: Mapping[str, Any], replicas: float) -> str:
    """Returns why a budget lets no pod be evicted, empty when it lets one."""
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and _pods(least, replicas) >= replicas:
        return f"has minAvailable {_shown(least)}, expected less than the {replicas:g} replicas"
    if most is not None and _pods(most, replicas) <= 0:
        return f"has maxUnavailable {_shown(most)}, expected 1 or more"
    return "" if least is not None or most is not None else "has neither minAvailable nor maxUnavailable"


def _pods(value: Any, replicas: float) -> float:
    if isinstance(value, str) and value.endswith("%"):
        # Kubernetes rounds both up.
        return -(-(number(value[:-1]) or 0) * replicas // 100)
    return number(value) or 0


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _draining(grace: int) -> tuple[Resource, ...]:
    spec = {
        "terminationGracePeriodSeconds": grace,
        "containers": [{"name": "model", "lifecycle": {"preStop": {"sleep": {"seconds": 10}}}}],
    }
    metadata = {"labels": {MODEL_LABEL: "pricing"}, "annotations": {TIMEOUT_ANNOTATION: "10"}}
    props = {"spec": {"template": {"metadata": metadata, "spec": spec}}}
    return (Resource("kubernetes:apps/v1:Deployment", "example", props),)


@rule(
    "ML013",
    "drained before it ends",
    severity=Severity.HIGH,
    tiers=CLUSTER_TIERS,
    types=(KUBERNETES,),
    fix=f"Give a preStop sleep, and a terminationGracePeriodSeconds above it plus {TIMEOUT_ANNOTATION}.",
    passing=_draining(grace=45),
    failing=_draining(grace=15),
)
def drained(resource: Resource, context: Context) -> Iterator[str]:
    """A model's pod waits until nobody sends it requests and ends only after its longest one."""
    for pod in model_pods(resource, context):
        if not pod.serves or MODEL_LABEL not in pod.labels:
            continue
        # A sidecar may end at once; somebody has to wait.
        waits = [wait for container in pod.main if (wait := _wait_seconds(container)) is not None]
        if not waits:
            yield "no container has a preStop that sleeps, expected one"
        grace = number(pod.spec.get("terminationGracePeriodSeconds"))
        grace = 30.0 if grace is None else grace
        needed = max(waits, default=0.0) + pod.seconds(TIMEOUT_ANNOTATION)
        if grace <= needed:
            yield f"terminationGracePeriodSeconds is {grace:g}, expected more than {needed:g} s (preStop and request)"


def _wait_seconds(container: Mapping[str, Any]) -> float | None:
    stop = at(container, "lifecycle", "preStop")
    seconds = number(at(stop, "sleep", "seconds"))
    if seconds is None:
        found = re.search(r"\bsleep ([0-9]+)", " ".join(texts(at(stop, "exec", "command"))))
        seconds = float(found[1]) if found else None
    return seconds if seconds and seconds > 0 else None
