"""What a model may use of the machines, and how they see that it is alive."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.kubernetes import MODEL_LABEL, is_gpu, model_pods
from policies.resource import Resource, at, number, quantity
from policies.rule import KUBERNETES, MODEL_SERVICE, Context, Severity, rule

__all__ = ["LOAD_ANNOTATION", "probes", "resources_declared"]

# How long a model takes to load, on the pods of a slot; the startup probe must give it that time.
LOAD_ANNOTATION = "shipway/load-seconds"
_NONE: Mapping[str, Any] = {}


@rule(
    "ML004",
    "resources declared",
    severity=Severity.HIGH,
    types=(MODEL_SERVICE, KUBERNETES),
    fix="Give cpu_millicores and memory_mib, and gpu_type with gpus, under `resources` in model.yaml; give a container "
    "requests of CPU and memory and a memory limit.",
    passing={"model": {"resources": {"cpu_millicores": 500, "memory_mib": 512, "gpu_type": None, "gpus": 0}}},
    failing={"model": {"resources": {"cpu_millicores": 500, "memory_mib": 0, "gpu_type": None, "gpus": 0}}},
)
def resources_declared(resource: Resource, context: Context) -> Iterator[str]:
    """Every model and every container declares its CPU, memory and GPUs, so that a pool can refuse what does not fit;
    what a GPU is limited to is what is requested."""
    if resource.type == MODEL_SERVICE:
        yield from _of_model(resource.props["model"]["resources"])
    for pod in model_pods(resource, context):
        for container in pod.containers:
            for problem in _of_container(container):
                yield f"container {container.get('name')!r}: {problem}"


def _of_model(resources: Mapping[str, Any]) -> Iterator[str]:
    for field in ("cpu_millicores", "memory_mib"):
        if not (resources.get(field) or 0) > 0:
            yield f"resources.{field} is {resources.get(field)!r}"
    if bool(resources.get("gpu_type")) != bool(resources.get("gpus")):
        yield f"resources.gpu_type is {resources.get('gpu_type')!r} with {resources.get('gpus')} gpus"


def _of_container(container: Mapping[str, Any]) -> Iterator[str]:
    requests, limits = at(container, "resources", "requests") or _NONE, at(container, "resources", "limits") or _NONE
    for side, name, given in (
        ("requests", "cpu", requests),
        ("requests", "memory", requests),
        ("limits", "memory", limits),
    ):
        if not (quantity(given.get(name)) or 0) > 0:
            yield f"resources.{side}.{name} is {given.get(name)!r}, expected a quantity"
    memory, limit = quantity(requests.get("memory")), quantity(limits.get("memory"))
    if memory and limit and memory > limit:
        yield f"resources.requests.memory is {requests['memory']}, above the limit {limits['memory']}"
    for name in sorted({*requests, *limits}):
        # Without a request Kubernetes takes the limit for it; without a limit it refuses the pod.
        if is_gpu(name) and quantity(limits.get(name)) != quantity(requests.get(name, limits.get(name))):
            yield f"{name} is limited to {limits.get(name)!r} and requested as {requests.get(name)!r}, expected equal"


def _slot(startup: Mapping[str, Any]) -> tuple[Resource, ...]:
    probe = {"httpGet": {"path": "/readyz", "port": 3000}}
    container = {"name": "model", "startupProbe": {**probe, **startup}, "readinessProbe": probe, "livenessProbe": probe}
    metadata = {"labels": {MODEL_LABEL: "pricing"}, "annotations": {LOAD_ANNOTATION: "60"}}
    props = {"spec": {"template": {"metadata": metadata, "spec": {"containers": [container]}}}}
    return (Resource("kubernetes:apps/v1:Deployment", "example", props),)


@rule(
    "ML005",
    "three probes",
    severity=Severity.HIGH,
    types=(KUBERNETES,),
    fix=f"Give startup, readiness and liveness probes, and the startup probe at least {LOAD_ANNOTATION}.",
    passing=_slot({"periodSeconds": 5, "failureThreshold": 24}),
    failing=_slot({}),
)
def probes(resource: Resource, context: Context) -> Iterator[str]:
    """Every container that serves has a startup, a readiness and a liveness probe, and a model has the time to load."""
    for pod in model_pods(resource, context):
        if not pod.serves:
            continue
        for container in pod.main:
            name = container.get("name")
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if container.get(probe) is None:
                    yield f"container {name!r}: no {probe}, expected one"
            startup = container.get("startupProbe")
            if startup is not None and MODEL_LABEL in pod.labels:
                budget, load = _budget_seconds(startup), pod.seconds(LOAD_ANNOTATION)
                if budget < load:
                    yield f"container {name!r}: startupProbe allows {budget:g} s, the model takes {load:g} s to load"


def _budget_seconds(probe: Mapping[str, Any]) -> float:
    """Returns how long a probe waits; the defaults are Kubernetes' own."""
    delay, period, failures = (
        default if (given := number(probe.get(name))) is None else given
        for name, default in (("initialDelaySeconds", 0.0), ("periodSeconds", 10.0), ("failureThreshold", 3.0))
    )
    return delay + period * failures
