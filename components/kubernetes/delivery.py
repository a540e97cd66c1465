"""Delivery: two copies of the one process that writes route weights; a Lease says which of them acts."""

import json
from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment, DeploymentSpecArgs
from pulumi_kubernetes.core.v1 import (
    ConfigMap,
    ContainerArgs,
    ContainerPortArgs,
    HTTPGetActionArgs,
    PodTemplateSpecArgs,
    ProbeArgs,
    Service,
    ServiceAccount,
    ServicePortArgs,
    ServiceSpecArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget, PodDisruptionBudgetSpecArgs
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgs, Role, RoleBinding, RoleRefArgs, SubjectArgs

from components.kubernetes import edges
from components.kubernetes.labels import labels, pod_labels
from components.kubernetes.names import DELIVERY_METRICS_PORT, ClusterNames
from components.kubernetes.places import (
    api_server_edges,
    monitoring_namespace,
    object_storage_edges,
    object_storage_environment,
    object_storage_files,
    port_of,
)
from components.kubernetes.pods import config_files, config_marked, pod_template, resources
from components.kubernetes.scraping import MOST_SAMPLES, own_heartbeats, without_own
from components.kubernetes.told import delivery_outputs
from components.parts import AlertingOutputs, DeliveryOutputs, MonitoringOutputs
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import DELIVERY_JOB, LEDGER_JOB
from shipway.observability.rendering import seconds

__all__ = ["Delivery"]

_CPU_MILLICORES, _MEMORY_MIB = 250, 512
_SELECTOR = {"shipway/part": DELIVERY_JOB}
_CONFIGURATION = "/etc/shipway/delivery"


class Delivery(pulumi.ComponentResource):
    """The controller of all rollouts of this environment, with the rights it needs and no others."""

    outputs: DeliveryOutputs

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        cluster: KubernetesSpec,
        *,
        monitoring: MonitoringOutputs,
        alerting: AlertingOutputs,
        platform: pulumi.Resource,
        models: pulumi.Resource,
        monitors: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:kubernetes:Delivery", name, {}, opts)
        self._name, self._names, self._cluster = name, ClusterNames(environment.name), cluster
        self._given = {**labels(environment, DELIVERY_JOB), **_SELECTOR}
        self._metadata = self._meta(self._names.platform)
        self._child = pulumi.ResourceOptions(parent=self, depends_on=[platform])
        account = ServiceAccount(
            f"{name}-account", metadata=self._metadata, automount_service_account_token=False, opts=self._child
        )
        self._role("lease", self._names.platform, _lease_rules(), account)
        self._role("routes", self._names.models, _route_rules(), models)
        self._edges(monitoring, alerting)
        told = _configuration(environment, cluster, monitoring, alerting)
        config = ConfigMap(f"{name}-config", metadata=self._metadata, data={"delivery.json": told}, opts=self._child)
        self._deployment(_pod(pod_labels(environment, self._given), cluster, told), [account, config])
        self._watched(seconds(environment.scrape_interval_seconds), monitors)
        self.outputs = delivery_outputs(self._names)
        self.register_outputs({})

    def _meta(self, namespace: str) -> ObjectMetaArgs:
        return ObjectMetaArgs(name=DELIVERY_JOB, namespace=namespace, labels=self._given)

    def _role(self, what: str, namespace: str, rules: list[PolicyRuleArgs], after: pulumi.Resource) -> None:
        opts = pulumi.ResourceOptions(parent=self, depends_on=[after])
        role = Role(f"{self._name}-{what}-role", metadata=self._meta(namespace), rules=rules, opts=opts)
        RoleBinding(
            f"{self._name}-{what}-binding",
            metadata=self._meta(namespace),
            role_ref=RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=DELIVERY_JOB),
            subjects=[SubjectArgs(kind="ServiceAccount", name=DELIVERY_JOB, namespace=self._names.platform)],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )

    def _edges(self, monitoring: MonitoringOutputs, alerting: AlertingOutputs) -> None:
        cluster = self._cluster
        watchers = edges.pods(monitoring_namespace(self._names, cluster))
        ports = (port_of(monitoring.url), port_of(f"http://{alerting.address}"))
        edges.allow(
            f"{self._name}-edges",
            self._metadata,
            _SELECTOR,
            ingress=[edges.from_peer(watchers, DELIVERY_METRICS_PORT)],
            egress=[
                edges.name_service(),
                *api_server_edges(cluster),
                edges.to_peer(watchers, *ports),
                # The ledger.
                *object_storage_edges(cluster),
            ],
            opts=self._child,
        )

    def _deployment(self, template: PodTemplateSpecArgs, waits: Sequence[pulumi.Resource]) -> None:
        Deployment(
            f"{self._name}-deployment",
            metadata=self._metadata,
            spec=DeploymentSpecArgs(
                replicas=2,
                selector=LabelSelectorArgs(match_labels=_SELECTOR),
                template=template,
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(waits)),
        )
        PodDisruptionBudget(
            f"{self._name}-budget",
            metadata=self._metadata,
            spec=PodDisruptionBudgetSpecArgs(max_unavailable=1, selector=LabelSelectorArgs(match_labels=_SELECTOR)),
            opts=self._child,
        )

    def _watched(self, interval: str, monitors: Sequence[pulumi.Resource]) -> None:
        port = ServicePortArgs(name="metrics", port=DELIVERY_METRICS_PORT, target_port="metrics")
        service = Service(
            f"{self._name}-service",
            metadata=self._metadata,
            spec=ServiceSpecArgs(selector=_SELECTOR, ports=[port]),
            opts=self._child,
        )
        CustomResource(
            f"{self._name}-monitor",
            api_version="monitoring.coreos.com/v1",
            kind="ServiceMonitor",
            metadata=self._metadata,
            spec={
                "selector": {"matchLabels": _SELECTOR},
                "endpoints": [
                    {
                        "port": "metrics",
                        "interval": interval,
                        "relabelings": [{"targetLabel": "job", "replacement": DELIVERY_JOB}],
                        "metricRelabelings": [*own_heartbeats(DELIVERY_JOB, LEDGER_JOB), *without_own("job")],
                    }
                ],
                "sampleLimit": MOST_SAMPLES,
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[service, *monitors]),
        )


def _lease_rules() -> list[PolicyRuleArgs]:
    # `create` knows no names: the object is not there yet.
    group = ["coordination.k8s.io"]
    return [
        PolicyRuleArgs(api_groups=group, resources=["leases"], verbs=["create"]),
        PolicyRuleArgs(api_groups=group, resources=["leases"], resource_names=[DELIVERY_JOB], verbs=["get", "update"]),
    ]


def _route_rules() -> list[PolicyRuleArgs]:
    read, write = ["list"], ["list", "patch"]
    return [
        # Weights and rollout state, in one patch of the route; one that somebody else wrote meanwhile is read anew.
        PolicyRuleArgs(api_groups=["gateway.networking.k8s.io"], resources=["httproutes"], verbs=["get", *write]),
        # The idle slot stays warm: its least number of replicas is delivery's.
        PolicyRuleArgs(api_groups=["autoscaling"], resources=["horizontalpodautoscalers"], verbs=write),
        # What Pulumi declares of each route, which slots are ready, and which digest their pods run.
        PolicyRuleArgs(api_groups=[""], resources=["configmaps", "pods"], verbs=read),
        PolicyRuleArgs(api_groups=["discovery.k8s.io"], resources=["endpointslices"], verbs=read),
    ]


def _configuration(
    environment: EnvironmentSpec, cluster: KubernetesSpec, monitoring: MonitoringOutputs, alerting: AlertingOutputs
) -> str:
    names = ClusterNames(environment.name)
    told = {
        "environment": environment.name,
        "models_namespace": names.models,
        "lease": {"namespace": names.platform, "name": DELIVERY_JOB},
        "prometheus_url": monitoring.url,
        "alertmanager": alerting.address,
        "records": cluster.object_storage.records,
        "runbook_url": environment.alerts.runbook_url,
        "scrape_interval_seconds": environment.scrape_interval_seconds,
    }
    return json.dumps(told, indent=2) + "\n"


def _pod(given: dict[str, str], cluster: KubernetesSpec, told: str) -> PodTemplateSpecArgs:
    return pod_template(
        labels=given,
        annotations=config_marked(told),
        selector=_SELECTOR,
        service_account=DELIVERY_JOB,
        asks_cluster=True,
        container=ContainerArgs(
            name=DELIVERY_JOB,
            image=cluster.images.delivery,
            command=["python", "-m", "shipway.delivery", "cluster"],
            args=["--config", f"{_CONFIGURATION}/delivery.json", "--metrics-port", str(DELIVERY_METRICS_PORT)],
            ports=[ContainerPortArgs(name="metrics", container_port=DELIVERY_METRICS_PORT)],
            resources=resources(_CPU_MILLICORES, _MEMORY_MIB),
            startup_probe=_probe(failure_threshold=30),
            readiness_probe=_probe(failure_threshold=3),
            liveness_probe=_probe(failure_threshold=6),
        ),
        variables=object_storage_environment(cluster),
        mounts=[
            config_files(f"{DELIVERY_JOB}", _CONFIGURATION),
            *object_storage_files(cluster),
        ],
    )


def _probe(failure_threshold: int) -> ProbeArgs:
    return ProbeArgs(
        http_get=HTTPGetActionArgs(path="/metrics", port="metrics"),
        period_seconds=5,
        timeout_seconds=5,
        failure_threshold=failure_threshold,
    )
