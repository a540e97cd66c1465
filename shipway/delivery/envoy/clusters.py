"""Envoy's clusters: two slots a model, and the two ways in which one slot may stand in for the other."""

from typing import Any

from shipway.contract.metrics import Slot
from shipway.contract.route import RouteSpec

__all__ = ["clusters", "fallback_cluster", "slot_cluster"]

# The slots' server closes an idle connection after 5 s; letting go first spares the race for its last moment.
UPSTREAM_IDLE_SECONDS = 4
CONNECT_TIMEOUT_SECONDS = 1
HEALTH_CHECK_SECONDS = 1
# A slot that was down is looked at more often, so that a started candidate is seen at once.
UNHEALTHY_CHECK_SECONDS = 0.25
# Envoy's default of 3 retries at a time turns the death of a busy slot into failed requests.
MAX_RETRIES = 256

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def slot_cluster(model: str, slot: Slot) -> str:
    """Returns the name of the cluster of one slot."""
    return f"{model}-{slot}"


def fallback_cluster(model: str, slot: Slot) -> str:
    """Returns the name of the cluster that prefers `slot` and goes to the other when it is down.

    No model name holds an underscore, so the name cannot be another model's.
    """
    return f"{model}-{slot}_or_{slot.other}"


def clusters(spec: RouteSpec) -> list[dict[str, Any]]:
    """Returns the clusters of one model: they live as long as the model, whatever its slots hold."""
    found = [_slot(spec, slot) for slot in Slot]
    return found + [_fallback(spec.model, slot) for slot in Slot]


def _slot(spec: RouteSpec, slot: Slot) -> dict[str, Any]:
    name = slot_cluster(spec.model, slot)
    address = {"socket_address": {"address": "127.0.0.1", "port_value": spec.endpoint(slot).port}}
    check = {
        "timeout": f"{HEALTH_CHECK_SECONDS}s",
        "interval": f"{HEALTH_CHECK_SECONDS}s",
        # An idle slot gets no traffic; Envoy would look at it once a minute only.
        "no_traffic_interval": f"{HEALTH_CHECK_SECONDS}s",
        "no_traffic_healthy_interval": f"{HEALTH_CHECK_SECONDS}s",
        "unhealthy_interval": f"{UNHEALTHY_CHECK_SECONDS}s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "http_health_check": {"path": "/readyz"},
    }
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": f"{CONNECT_TIMEOUT_SECONDS}s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "health_checks": [check],
        # Without this an all-unhealthy slot is used all the same, and nothing would ever fall back.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [{"max_retries": MAX_RETRIES}]},
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                "common_http_protocol_options": {"idle_timeout": f"{UPSTREAM_IDLE_SECONDS}s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _fallback(model: str, slot: Slot) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": fallback_cluster(model, slot),
        "connect_timeout": f"{CONNECT_TIMEOUT_SECONDS}s",
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": {"thresholds": [{"max_retries": MAX_RETRIES}]},
        "cluster_type": {
            "name": "envoy.clusters.aggregate",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig",
                "clusters": [slot_cluster(model, slot), slot_cluster(model, slot.other)],
            },
        },
    }
