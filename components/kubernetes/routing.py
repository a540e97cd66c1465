"""Routing: one Gateway with TLS, and Envoy Gateway behind it unless the cluster has a class of its own."""

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.kubernetes import edges
from components.kubernetes.beneath import Beneath
from components.kubernetes.charts import ENVOY_GATEWAY, install
from components.kubernetes.labels import labels
from components.kubernetes.names import HTTPS_PORT, SLOT_PORT, ClusterNames
from components.kubernetes.namespaces import PodSecurity, namespace
from components.kubernetes.places import api_server_edges, monitoring_namespace
from components.kubernetes.scraping import MOST_SAMPLES
from components.kubernetes.told import routing_outputs
from components.parts import RoutingOutputs
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import GATEWAY_JOB
from shipway.observability.rendering import seconds

__all__ = ["GATEWAY_API", "Routing"]

GATEWAY_API = "gateway.networking.k8s.io/v1"

_ENVOY_GATEWAY = "gateway.envoyproxy.io"
# Every request goes through a proxy: one of them alone would take all models with it when its node is drained.
_REPLICAS = 2
# Envoy may not listen below 1024: Envoy Gateway adds this to the port of a listener.
_SHIFT = 10_000
# Envoy Gateway's: where proxies get their configuration and extensions, its webhook, and everybody's metrics.
_CONTROLLER_PORTS, _WEBHOOK_PORT, _METRICS_PORT = (18_000, 18_001, 18_002), 9443, 19_001


class Routing(pulumi.ComponentResource):
    """The gateway that all requests go through; delivery writes what it routes where.

    Weights are not sticky: a caller may meet both versions while they share the traffic. A consistent-hash policy on
    the route would make them so, and would override the weights.
    """

    outputs: RoutingOutputs
    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        cluster: KubernetesSpec,
        beneath: Beneath,
        monitors: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:kubernetes:Routing", name, {}, opts)
        names, given = ClusterNames(environment.name), labels(environment, name)
        space: pulumi.Resource = namespace(
            names.gateway_namespace,
            PodSecurity.RESTRICTED,
            cluster.pod_security_version,
            given,
            self,
            # The Service of the proxies goes with it, and is gone when these have taken away what they made for it.
            waits=beneath.balancers,
        )
        installed = cluster.gateway.installed
        if installed is None or installed.namespace != names.gateway_namespace:
            closed = pulumi.ResourceOptions(parent=self, depends_on=[space])
            space = edges.deny_all(f"{name}-deny-all", names.gateway_namespace, given, closed)
        if installed is None:
            self._edges(name, names, cluster, given, space)
            waits = [self._envoy_gateway(name, names, given, space)]
            self._monitor(name, environment, given, [space, *monitors])
        else:
            waits = [space]
        self.ready = CustomResource(
            f"{name}-gateway",
            api_version=GATEWAY_API,
            kind="Gateway",
            metadata=ObjectMetaArgs(name=names.gateway, namespace=names.gateway_namespace, labels=given),
            spec=_gateway(cluster, names.gateway if installed is None else installed.class_name, names, beneath),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*waits, *beneath.balancers]),
        )
        self.outputs = routing_outputs(cluster)
        self.register_outputs({})

    def _envoy_gateway(
        self, name: str, names: ClusterNames, given: dict[str, str], space: pulumi.Resource
    ) -> CustomResource:
        # By default every Envoy Gateway of a cluster would take the classes of all others for its own.
        controller = f"{_ENVOY_GATEWAY}/{names.gateway}"
        chart = install(
            f"{name}-chart",
            ENVOY_GATEWAY,
            release="envoy-gateway",
            namespace=names.gateway_namespace,
            values={
                "config": {"envoyGateway": {"gateway": {"controllerName": controller}}},
                "deployment": {"replicas": _REPLICAS},
            },
            parent=self,
            waits=[space],
        )
        proxies = CustomResource(
            f"{name}-proxies",
            api_version=f"{_ENVOY_GATEWAY}/v1alpha1",
            kind="EnvoyProxy",
            metadata=ObjectMetaArgs(name=names.gateway, namespace=names.gateway_namespace, labels=given),
            spec=_proxies(names),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[chart]),
        )
        return CustomResource(
            f"{name}-class",
            api_version=GATEWAY_API,
            kind="GatewayClass",
            metadata=ObjectMetaArgs(name=names.gateway, labels=given),
            spec={
                "controllerName": controller,
                "parametersRef": {
                    "group": _ENVOY_GATEWAY,
                    "kind": "EnvoyProxy",
                    "name": names.gateway,
                    "namespace": names.gateway_namespace,
                },
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[proxies]),
        )

    def _edges(
        self,
        name: str,
        names: ClusterNames,
        cluster: KubernetesSpec,
        given: dict[str, str],
        space: pulumi.Resource,
    ) -> None:
        own, api_server = edges.pods(names.gateway_namespace), edges.addresses(cluster.api_server_range)
        callers = [edges.addresses(one) for one in cluster.gateway.client_ranges]
        edges.allow(
            f"{name}-edges",
            ObjectMetaArgs(name="gateway", namespace=names.gateway_namespace, labels=given),
            {},
            ingress=[
                *(edges.from_peer(caller, HTTPS_PORT + _SHIFT) for caller in callers),
                edges.from_peer(own, *_CONTROLLER_PORTS),
                edges.from_peer(api_server, _WEBHOOK_PORT),
                edges.from_peer(edges.pods(monitoring_namespace(names, cluster)), _METRICS_PORT),
            ],
            egress=[
                edges.name_service(),
                edges.to_peer(edges.pods(names.models), SLOT_PORT),
                edges.to_peer(own, *_CONTROLLER_PORTS),
                *api_server_edges(cluster),
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[space]),
        )

    def _monitor(
        self, name: str, environment: EnvironmentSpec, given: dict[str, str], monitors: Sequence[pulumi.Resource]
    ) -> None:
        CustomResource(
            f"{name}-monitor",
            api_version="monitoring.coreos.com/v1",
            kind="PodMonitor",
            metadata=ObjectMetaArgs(
                name="gateway", namespace=ClusterNames(environment.name).gateway_namespace, labels=given
            ),
            spec={
                "selector": {
                    "matchLabels": {
                        "app.kubernetes.io/component": "proxy",
                        "app.kubernetes.io/managed-by": "envoy-gateway",
                    }
                },
                "podMetricsEndpoints": [
                    {
                        "port": "metrics",
                        "path": "/stats/prometheus",
                        "interval": seconds(environment.scrape_interval_seconds),
                        "relabelings": [{"targetLabel": "job", "replacement": GATEWAY_JOB}],
                    }
                ],
                "sampleLimit": MOST_SAMPLES,
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(monitors)),
        )


def _proxies(names: ClusterNames) -> dict[str, object]:
    own = {"matchLabels": {f"{_ENVOY_GATEWAY}/owning-gateway-name": names.gateway}}
    spread = [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": own}
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
    kubernetes = {
        "envoyDeployment": {"replicas": _REPLICAS, "pod": {"topologySpreadConstraints": spread}},
        "envoyPDB": {"maxUnavailable": 1},
    }
    return {"provider": {"type": "Kubernetes", "kubernetes": kubernetes}}


def _gateway(cluster: KubernetesSpec, class_name: str, names: ClusterNames, beneath: Beneath) -> dict[str, object]:
    # Only routes of the models' namespace, and none in clear text: there is no listener for it.
    routes = {
        "namespaces": {
            "from": "Selector",
            "selector": {"matchLabels": {"kubernetes.io/metadata.name": names.models}},
        },
        "kinds": [{"kind": "HTTPRoute"}],
    }
    outside = {"infrastructure": {"annotations": dict(beneath.load_balancer)}} if beneath.load_balancer else {}
    return {
        "gatewayClassName": class_name,
        **outside,
        "listeners": [
            {
                "name": "https",
                "port": HTTPS_PORT,
                "hostname": cluster.gateway.hostname,
                **_tls(cluster.gateway.tls_secret),
                "allowedRoutes": routes,
            }
        ],
    }


def _tls(secret: str | None) -> dict[str, object]:
    if secret is None:
        # The load balancer before it has ended TLS.
        return {"protocol": "HTTP"}
    return {"protocol": "HTTPS", "tls": {"mode": "Terminate", "certificateRefs": [{"name": secret}]}}
