"""Objects of one model as Pulumi, the cluster's controllers and the gateway would write them."""

from typing import Any

from shipway.contract.metrics import Slot
from shipway.contract.model import RolloutSpec
from shipway.contract.release import short_digest
from shipway.contract.route import RouteSpec, SlotEndpoint
from shipway.delivery.cluster.api import MODEL_LABEL, RELEASE_LABEL

NAMESPACE = "shipway-test-models"
A, B, C = ("sha256:" + letter * 64 for letter in "abc")
QUICK = RolloutSpec(
    steps_percent=(10, 50, 100),
    harm_budget_ratio=0.1,
    min_step_seconds=0,
    max_step_seconds=60,
    prepare_seconds=30,
    guard_seconds=30,
)


def declared(blue: str = "", green: str = "", model: str = "digits", **changes: Any) -> RouteSpec:
    """Returns a route as Pulumi declares it."""
    values: dict[str, Any] = {
        "model": model,
        "owner": "vision",
        "blue": SlotEndpoint(port=8080, digest=blue),
        "green": SlotEndpoint(port=8080, digest=green),
        "timeout_seconds": 20.0,
        "max_body_bytes": 4_000_000,
        "rollout": QUICK,
    }
    return RouteSpec(**values | changes)


def metadata(name: str, model: str, **labels: str) -> dict[str, Any]:
    """Returns the metadata of an object of `model`."""
    return {"name": name, "namespace": NAMESPACE, "labels": {MODEL_LABEL: model, **labels}}


def config_map(spec: RouteSpec) -> dict[str, Any]:
    """Returns the ConfigMap that declares a route."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(f"{spec.model}-route", spec.model),
        "data": {"route.json": spec.model_dump_json(indent=2)},
    }


def http_route(model: str = "digits") -> dict[str, Any]:
    """Returns a route as Pulumi makes it: with weights of nothing."""
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": f"/{model}"}}],
        "filters": [{"type": "URLRewrite", "urlRewrite": rewrite}],
        "timeouts": {"request": "20s"},
        "backendRefs": [{"name": f"{model}-blue", "port": 8080, "weight": 0}],
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(model, model),
        "spec": {"parentRefs": [{"name": "shipway-test", "namespace": "shipway-test-gateway"}], "rules": [rule]},
    }


def parents(generation: int, **wrong: str) -> list[dict[str, Any]]:
    """Returns what the gateway says of a route at `generation`; `wrong` gives the reason of a condition that fails."""
    conditions = [
        {
            "type": kind,
            "status": "False" if kind in wrong else "True",
            "reason": wrong.get(kind, kind),
            "message": f"{kind} as it is",
            "observedGeneration": generation,
            "lastTransitionTime": "2026-11-27T00:00:00Z",
        }
        for kind in ("Accepted", "ResolvedRefs")
    ]
    gateway = {"name": "shipway-test", "namespace": "shipway-test-gateway"}
    return [{"parentRef": gateway, "controllerName": "example.com/gateway", "conditions": conditions}]


def pod(slot: Slot, digest: str, number: int = 1, model: str = "digits") -> dict[str, Any]:
    """Returns a pod of a slot."""
    named = metadata(f"{model}-{slot}-{short_digest(digest)}-{number}", model, **{RELEASE_LABEL: short_digest(digest)})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": named}


def endpoint_slice(slot: Slot, *pods: dict[str, Any], ready: bool = True, model: str = "digits") -> dict[str, Any]:
    """Returns the EndpointSlice of a slot's Service, with an endpoint for each pod."""
    name = f"{model}-{slot}"
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata(f"{name}-x1", model, **{"kubernetes.io/service-name": name}),
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [f"10.0.0.{number}"],
                "conditions": {"ready": ready},
                "targetRef": {"kind": "Pod", "name": one["metadata"]["name"]},
            }
            for number, one in enumerate(pods, start=1)
        ],
    }


def autoscaler(slot: Slot, least: int, desired: int = 0, most: int = 10, model: str = "digits") -> dict[str, Any]:
    """Returns a slot's autoscaler."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(f"{model}-{slot}", model),
        "spec": {"minReplicas": least, "maxReplicas": most},
        "status": {"desiredReplicas": desired},
    }
