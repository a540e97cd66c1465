"""Workers: a process for each row of the contract that can run here; it asks the object store, and nobody else."""

import json
from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment, DeploymentSpecArgs, DeploymentStrategyArgs
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

from components.kubernetes import edges
from components.kubernetes.labels import labels, pod_labels
from components.kubernetes.names import WORKER_METRICS_PORT, ClusterNames
from components.kubernetes.places import (
    monitoring_namespace,
    object_storage_edges,
    object_storage_environment,
    object_storage_files,
)
from components.kubernetes.pods import config_files, config_marked, pod_template, resources, scratch
from components.kubernetes.scraping import MOST_SAMPLES, own_heartbeats, without_own
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.worker_settings import worker_settings
from shipway.contract.workers import WORKERS, Worker
from shipway.observability.rendering import seconds

__all__ = ["Workers"]

_CONFIGURATION = "/etc/shipway/worker"
_OUTPUT = "/var/lib/shipway/output"
# The first round of a worker reads all that lies there.
_FIRST_ROUND_PROBES = 120


class Workers(pulumi.ComponentResource):
    """What joins labels and so on, for all models of this environment; which those are, the object store says."""

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        cluster: KubernetesSpec,
        *,
        platform: pulumi.Resource,
        monitors: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:kubernetes:Workers", name, {}, opts)
        self._environment, self._cluster, self._names = environment, cluster, ClusterNames(environment.name)
        self._child = pulumi.ResourceOptions(parent=self, depends_on=[platform])
        self._monitored = pulumi.ResourceOptions(parent=self, depends_on=[platform, *monitors])
        for worker in WORKERS.values():
            self._build(worker)
        self.register_outputs({})

    def _build(self, worker: Worker) -> None:
        job, selector = worker.job, {"shipway/part": worker.job}
        given = {**labels(self._environment, job), **selector}
        metadata = ObjectMetaArgs(name=job, namespace=self._names.platform, labels=given)
        watchers = edges.pods(monitoring_namespace(self._names, self._cluster))
        account = ServiceAccount(
            f"{job}-account", metadata=metadata, automount_service_account_token=False, opts=self._child
        )
        edges.allow(
            f"{job}-edges",
            metadata,
            selector,
            ingress=[edges.from_peer(watchers, WORKER_METRICS_PORT)],
            # The logs, and what is kept of them.
            egress=[edges.name_service(), *object_storage_edges(self._cluster)],
            opts=self._child,
        )
        settings = worker_settings(self._environment, self._cluster.object_storage)
        told = json.dumps(settings.model_dump(mode="json"), indent=2) + "\n"
        config = ConfigMap(f"{job}-config", metadata=metadata, data={"worker.json": told}, opts=self._child)
        Deployment(
            f"{job}-deployment",
            metadata=metadata,
            spec=DeploymentSpecArgs(
                replicas=1,
                # Two of them would count every label twice, for as long as they overlap.
                strategy=DeploymentStrategyArgs(type="Recreate"),
                selector=LabelSelectorArgs(match_labels=selector),
                template=_pod(worker, pod_labels(self._environment, given), selector, self._cluster, told),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account, config]),
        )
        Service(
            f"{job}-service",
            metadata=metadata,
            spec=ServiceSpecArgs(
                selector=selector,
                ports=[ServicePortArgs(name="metrics", port=WORKER_METRICS_PORT, target_port="metrics")],
            ),
            opts=self._child,
        )
        self._watched(job, metadata, selector)

    def _watched(self, job: str, metadata: ObjectMetaArgs, selector: dict[str, str]) -> None:
        # Delivery asks for what labels say of one environment, wherever several share a Prometheus.
        fixed = {"job": job, "env": self._environment.name}
        CustomResource(
            f"{job}-monitor",
            api_version="monitoring.coreos.com/v1",
            kind="ServiceMonitor",
            metadata=metadata,
            spec={
                "selector": {"matchLabels": selector},
                "endpoints": [
                    {
                        "port": "metrics",
                        "interval": seconds(self._environment.scrape_interval_seconds),
                        "relabelings": [{"targetLabel": name, "replacement": value} for name, value in fixed.items()],
                        "metricRelabelings": [*own_heartbeats(job), *without_own("job")],
                    }
                ],
                "sampleLimit": MOST_SAMPLES,
            },
            opts=self._monitored,
        )


def _pod(
    worker: Worker, given: dict[str, str], selector: dict[str, str], cluster: KubernetesSpec, told: str
) -> PodTemplateSpecArgs:
    return pod_template(
        labels=given,
        annotations=config_marked(told),
        selector=selector,
        service_account=worker.job,
        container=ContainerArgs(
            name=worker.job,
            image=cluster.images.delivery,
            command=["python", "-m", f"shipway.{worker.package}", "serve"],
            args=[
                *("--config", f"{_CONFIGURATION}/worker.json", "--metrics-port", str(WORKER_METRICS_PORT)),
                *("--output", _OUTPUT),
            ],
            ports=[ContainerPortArgs(name="metrics", container_port=WORKER_METRICS_PORT)],
            resources=resources(worker.cpu_millicores, worker.memory_mib),
            startup_probe=_probe(_FIRST_ROUND_PROBES),
            readiness_probe=_probe(3),
            liveness_probe=_probe(6),
        ),
        variables=object_storage_environment(cluster),
        mounts=[
            config_files(worker.job, _CONFIGURATION),
            scratch("output", _OUTPUT, worker.scratch_mib),
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
