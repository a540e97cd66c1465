"""Routing: one Gateway with TLS, and Envoy Gateway behind it unless the cluster has a class of its own."""

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.kubernetes.beneath import Beneath
from components.kubernetes.charts import ENVOY_GATEWAY, install
from components.kubernetes.labels import labels
from components.kubernetes.names import HTTPS_PORT, ClusterNames
from components.kubernetes.namespaces import PodSecurity, namespace
from components.kubernetes.told import routing_outputs
from components.parts import RoutingOutputs
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import GATEWAY_JOB
from shipway.observability.rendering import seconds

__all__ = ["GATEWAY_API", "Routing"]

GATEWAY_API = "gateway.networking.k8s.io/v1"


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
            names.gateway_namespace, PodSecurity.RESTRICTED, cluster.pod_security_version, given, self
        )
        installed = cluster.gateway.installed
        if installed is None:
            waits = [self._envoy_gateway(name, names, given, space)]
            self._monitor(name, environment, given, monitors)
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
        controller = f"gateway.envoyproxy.io/{names.gateway}"
        chart = install(
            f"{name}-chart",
            ENVOY_GATEWAY,
            release="envoy-gateway",
            namespace=names.gateway_namespace,
            values={"config": {"envoyGateway": {"gateway": {"controllerName": controller}}}},
            parent=self,
            waits=[space],
        )
        return CustomResource(
            f"{name}-class",
            api_version=GATEWAY_API,
            kind="GatewayClass",
            metadata=ObjectMetaArgs(name=names.gateway, labels=given),
            spec={"controllerName": controller},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[chart]),
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
                        "honorLabels": True,
                        "relabelings": [{"targetLabel": "job", "replacement": GATEWAY_JOB}],
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(monitors)),
        )


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
