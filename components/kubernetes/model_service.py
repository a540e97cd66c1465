"""One model on a cluster: pods for each filled slot, one route, one monitor, its rules and the edges it may use."""

import math
from collections.abc import Mapping, Sequence

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment, DeploymentSpecArgs
from pulumi_kubernetes.core.v1 import (
    ConfigMap,
    ContainerArgs,
    ContainerPortArgs,
    HTTPGetActionArgs,
    LifecycleArgs,
    LifecycleHandlerArgs,
    PodTemplateSpecArgs,
    ProbeArgs,
    Service,
    ServiceAccount,
    ServicePortArgs,
    ServiceSpecArgs,
    SleepActionArgs,
    TolerationArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget, PodDisruptionBudgetSpecArgs

from components.kubernetes import edges
from components.kubernetes.feature_files import REPOSITORY, feature_edges, feature_mounts, with_feature_credentials
from components.kubernetes.gpu_types import GpuTable
from components.kubernetes.labels import model_labels, pod_labels, slot_labels
from components.kubernetes.names import SLOT_PORT, ClusterNames
from components.kubernetes.places import (
    gateway_namespace,
    monitoring_namespace,
    object_storage_edges,
    object_storage_environment,
    object_storage_files,
)
from components.kubernetes.pods import Mount, config_files, pod_template, resources, scratch
from components.kubernetes.retraining import build_retraining
from components.kubernetes.scaling import scaler, strategy
from components.kubernetes.scraping import MOST_SAMPLES, own_heartbeats, without_own
from components.parts import ModelOutputs, PlatformOutputs, SlotOutputs
from components.services import Service as ModelFolder
from components.services import Way
from shipway.contract.documents import load_yaml
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import MODELS_JOB, SERVING_JOB, Slot
from shipway.contract.model import ModelSpec
from shipway.contract.record import load_record
from shipway.contract.route import RouteSpec
from shipway.contract.workers import DESCRIBED
from shipway.observability.rendering import seconds
from shipway.observability.rules import model_rules

__all__ = ["build_model", "refuse_unknown_bundles"]

# How long a pod that is to end still takes requests: until every gateway has heard that it is no longer ready.
_DRAIN_SECONDS = 10
# What a pod may need beyond its longest request to write out its prediction log.
_FLUSH_SECONDS = 10
_PROBE_SECONDS = 5
# What is declared of the model, as files; a slot puts what its logs are judged by beside them.
_DECLARED = "/etc/shipway/declared"
_STATE_MIB, _PREDICTIONS_MIB = 256, 1024
# What Feast needs to register views, which is over before the model is loaded.
_REGISTER_CPU_MILLICORES, _REGISTER_MEMORY_MIB = 250, 512


def refuse_unknown_bundles(services: Sequence[ModelFolder]) -> None:
    """Refuses the first filled slot of whose bundle nothing is known: who made it, from what, and who approved it.

    Raises:
        SpecError: naming the file that is missing or wrong.
    """
    for service in services:
        for slot in Slot:
            if digest := service.release.digest(slot):
                load_record(service.folder, digest)


def build_model(
    parent: pulumi.Resource,
    service: ModelFolder,
    platform: PlatformOutputs,
    cluster: KubernetesSpec,
    gpu_table: GpuTable,
) -> ModelOutputs:
    """Builds the resources of one model below `parent`; none of the platform's own is touched."""
    built = _Model(parent, service, platform, cluster, gpu_table)
    filled = [slot for slot in Slot if service.release.digest(slot)]
    account = built.shared(filled)
    for slot in filled:
        built.slot(slot, account)
    names, model = built.names, service.spec.name
    return ModelOutputs(
        f"{platform.routing.url}/{model}/predict",
        {
            slot: SlotOutputs(
                f"http://{names.service(names.slot(model, slot), names.models)}:{SLOT_PORT}",
                service.release.digest(slot),
            )
            for slot in Slot
        },
    )


class _Model:
    """The resources of one model; what they all need is looked up once."""

    def __init__(
        self,
        parent: pulumi.Resource,
        service: ModelFolder,
        platform: PlatformOutputs,
        cluster: KubernetesSpec,
        gpu_table: GpuTable,
    ) -> None:
        self.service, self.spec, self.release = service, service.spec, service.release
        self.environment, self.cluster, self.gpu_table = platform.environment, cluster, gpu_table
        self.names = ClusterNames(platform.environment.name)
        self._prometheus = platform.monitoring.url
        self._parent, self._provider = parent, platform.serving.provider
        self._ready = [platform.serving.ready]
        if service.spec.features.reads:
            self._ready.append(platform.feature_store.ready)

    def _opts(self, *waits: pulumi.Resource, ignore: list[str] | None = None) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self._parent,
            provider=self._provider,
            depends_on=list(waits) or self._ready,
            ignore_changes=ignore,
        )

    def _meta(self, name: str, labels: Mapping[str, str], **annotations: str) -> ObjectMetaArgs:
        return ObjectMetaArgs(
            name=name, namespace=self.names.models, labels=dict(labels), annotations=annotations or None
        )

    def shared(self, filled: list[Slot]) -> ServiceAccount:
        """Builds what both slots share; returns their account."""
        model = self.spec.name
        metadata = self._meta(model, model_labels(self.environment, self.service))
        account = ServiceAccount(
            f"{model}-account", metadata=metadata, automount_service_account_token=False, opts=self._opts()
        )
        self._edges(metadata)
        declared = RouteSpec.declared(self.spec, self.release, dict.fromkeys(Slot, SLOT_PORT))
        declared = declared.model_copy(update={"candidate_replicas": self._candidate_replicas})
        ConfigMap(
            f"{model}-declared",
            metadata=self._meta(f"{model}-route", model_labels(self.environment, self.service)),
            data={
                "route.json": declared.model_dump_json(indent=2) + "\n",
                DESCRIBED: self.service.described().model_dump_json(indent=2) + "\n",
            },
            opts=self._opts(),
        )
        CustomResource(
            f"{model}-route",
            api_version="gateway.networking.k8s.io/v1",
            kind="HTTPRoute",
            metadata=metadata,
            spec=_http_route(declared, self.names, filled),
            # One atomic list for server-side apply: from its creation on it is delivery's, weights, time and all.
            opts=self._opts(ignore=["spec.rules"]),
        )
        self._monitoring(metadata, released=bool(filled))
        build_retraining(self.service, self.environment, self.cluster, self._opts())
        return account

    @property
    def _candidate_replicas(self) -> int | None:
        """As many as fit beside the version that serves; None where there is room for all."""
        room = self.service.room
        # One that has to wait for the place of the version before is there and waits.
        return None if room is None or room.way is Way.CANARY else max(room.candidate_replicas, 1)

    def slot(self, slot: Slot, account: ServiceAccount) -> None:
        """Builds what runs the digest in `slot`."""
        spec, resource = self.spec, self.spec.resources
        name, labels = self.names.slot(spec.name, slot), slot_labels(self.environment, self.service, slot)
        selector = {"shipway/model": spec.name, "shipway/slot": str(slot)}
        metadata, least = self._meta(name, labels), self._candidate_replicas or resource.min_replicas
        # A version that begins with fewer replicas grows when there is room.
        scales = resource.max_replicas > least
        # A version that does not get ready is delivery's to judge, at the same time as `up` gives up on it.
        waiting = {"pulumi.com/timeoutSeconds": str(math.ceil(spec.rollout.prepare_seconds))}
        Deployment(
            name,
            # What somebody edited by hand is put right; without it the next deployment would end in a conflict.
            metadata=self._meta(name, labels, **waiting, **{"pulumi.com/patchForce": "true"}),
            spec=DeploymentSpecArgs(
                replicas=least if scales else resource.min_replicas,
                selector=LabelSelectorArgs(match_labels=selector),
                strategy=strategy(resource, self.service.room),
                progress_deadline_seconds=math.ceil(spec.rollout.prepare_seconds),
                template=_pod(self.service, slot, self.environment, self.cluster, labels, selector, self.gpu_table),
            ),
            # The autoscaler's, when there is one: two owners of one number undo each other. Not to name it at all would
            # leave a slot that gets an autoscaler later with one pod, whatever it had.
            opts=self._opts(account, *self._ready, ignore=["spec.replicas"] if scales else None),
        )
        port = ServicePortArgs(name="http", port=SLOT_PORT, target_port="http")
        Service(
            f"{name}-service",
            metadata=self._meta(name, labels, **waiting),
            spec=ServiceSpecArgs(selector=selector, ports=[port]),
            opts=self._opts(),
        )
        PodDisruptionBudget(
            f"{name}-budget",
            metadata=metadata,
            # One at a time, whatever their number: a least number would keep a node of a single replica for ever.
            spec=PodDisruptionBudgetSpecArgs(
                max_unavailable=1,
                unhealthy_pod_eviction_policy="AlwaysAllow",
                selector=LabelSelectorArgs(match_labels=selector),
            ),
            opts=self._opts(),
        )
        if scales:
            scaler(spec, slot, name, metadata, least, self._prometheus, self._opts())

    def _edges(self, metadata: ObjectMetaArgs) -> None:
        names, cluster = self.names, self.cluster
        reads = feature_edges(names, cluster) if self.spec.features.reads else []
        edges.allow(
            f"{self.spec.name}-edges",
            metadata,
            {"shipway/model": self.spec.name},
            ingress=[
                edges.from_peer(edges.pods(gateway_namespace(names, cluster)), SLOT_PORT),
                edges.from_peer(edges.pods(monitoring_namespace(names, cluster)), SLOT_PORT),
            ],
            # The prediction log.
            egress=[edges.name_service(), *reads, *object_storage_edges(cluster)],
            opts=self._opts(),
        )

    def _monitoring(self, metadata: ObjectMetaArgs, *, released: bool) -> None:
        model, environment = self.spec.name, self.environment
        fixed = {"job": MODELS_JOB, "env": environment.name, "model": model}
        slot = {"sourceLabels": ["__meta_kubernetes_service_label_shipway_slot"], "targetLabel": "slot"}
        CustomResource(
            f"{model}-monitor",
            api_version="monitoring.coreos.com/v1",
            kind="ServiceMonitor",
            metadata=metadata,
            spec={
                "selector": {"matchLabels": {"shipway/model": model}},
                "endpoints": [
                    {
                        "port": "http",
                        "path": "/metrics",
                        "interval": seconds(environment.scrape_interval_seconds),
                        "scrapeTimeout": seconds(environment.scrape_interval_seconds),
                        "relabelings": [
                            slot,
                            *({"targetLabel": name, "replacement": value} for name, value in fixed.items()),
                        ],
                        # A service names its model and slot too; whose series these are is not for it to say.
                        "metricRelabelings": [*own_heartbeats(SERVING_JOB), *without_own("model", "slot")],
                    }
                ],
                "sampleLimit": MOST_SAMPLES,
            },
            opts=self._opts(),
        )
        CustomResource(
            f"{model}-rules",
            api_version="monitoring.coreos.com/v1",
            kind="PrometheusRule",
            metadata=metadata,
            spec=load_yaml(model_rules(self.spec, environment, released=released)),
            opts=self._opts(),
        )


def _pod(
    service: ModelFolder,
    slot: Slot,
    environment: EnvironmentSpec,
    cluster: KubernetesSpec,
    labels: Mapping[str, str],
    selector: Mapping[str, str],
    gpu_table: GpuTable,
) -> PodTemplateSpecArgs:
    spec, bundle = service.spec, f"/bundles/{service.release.digest(slot).replace(':', '/')}"
    image = f"{cluster.image_registry}/{spec.name}@{service.release.image(slot)}"
    gpu = gpu_table.rows[spec.resources.gpu_type] if spec.resources.gpu_type else None
    probe_count = math.ceil(spec.rollout.prepare_seconds / _PROBE_SECONDS)
    return pod_template(
        labels=pod_labels(environment, labels),
        annotations={
            # The longest that either may take; the policies hold probes and grace period against them.
            "shipway/load-seconds": f"{spec.rollout.prepare_seconds:g}",
            "shipway/request-timeout-seconds": f"{spec.serving.answer_seconds(spec.features):g}",
        },
        selector=selector,
        service_account=spec.name,
        container=ContainerArgs(
            name="model",
            image=image,
            command=_command(spec, slot, bundle, environment, cluster),
            ports=[ContainerPortArgs(name="http", container_port=SLOT_PORT)],
            resources=resources(
                spec.resources.cpu_millicores,
                spec.resources.memory_mib,
                {gpu.resource_name: spec.resources.gpus} if gpu else None,
            ),
            lifecycle=LifecycleArgs(pre_stop=LifecycleHandlerArgs(sleep=SleepActionArgs(seconds=_DRAIN_SECONDS))),
            # It listens only after the model is loaded. A store that is down makes it unready, and never restarts it.
            startup_probe=_probe("/livez", probe_count),
            readiness_probe=_probe("/readyz", 2),
            liveness_probe=_probe("/livez", 6),
        ),
        # A slot whose views are not known has no features to read, so it is not even loaded before they are.
        first=_registration(image, bundle, cluster) if spec.features.reads else None,
        variables=object_storage_environment(cluster),
        mounts=_mounts(spec, cluster),
        grace_seconds=_DRAIN_SECONDS + math.ceil(spec.serving.answer_seconds(spec.features)) + _FLUSH_SECONDS,
        node_selector=gpu_table.labels(gpu.name) if gpu else None,
        tolerations=[TolerationArgs(key=gpu.taint_key, operator="Exists", effect="NoSchedule")] if gpu else [],
    )


def _command(
    spec: ModelSpec, slot: Slot, bundle: str, environment: EnvironmentSpec, cluster: KubernetesSpec
) -> list[str]:
    serve = [
        *("python", "-m", "shipway.serving", "--host", "0.0.0.0", "--port", str(SLOT_PORT)),  # noqa: S104 - a pod's own
        *("--bundle", bundle, "--slot", str(slot), "--tier", str(environment.tier)),
        *("--state", "/var/lib/shipway/state", "--predictions", "/var/lib/shipway/predictions"),
        *("--store", f"{cluster.object_storage.predictions}/{spec.name}", "--described", f"{_DECLARED}/{DESCRIBED}"),
        *("--features", REPOSITORY),
    ]
    return with_feature_credentials(cluster, serve) if spec.features.reads else serve


def _registration(image: str, bundle: str, cluster: KubernetesSpec) -> ContainerArgs:
    register = ["python", "-m", "shipway.features", "register", "--bundle", bundle, "--features", REPOSITORY]
    return ContainerArgs(
        name="feature-views",
        image=image,
        command=with_feature_credentials(cluster, register),
        resources=resources(_REGISTER_CPU_MILLICORES, _REGISTER_MEMORY_MIB),
    )


def _mounts(spec: ModelSpec, cluster: KubernetesSpec) -> list[Mount]:
    return [
        scratch("state", "/var/lib/shipway/state", _STATE_MIB),
        scratch("predictions", "/var/lib/shipway/predictions", _PREDICTIONS_MIB),
        config_files(f"{spec.name}-route", _DECLARED),
        *object_storage_files(cluster),
        *(feature_mounts(cluster) if spec.features.reads else []),
    ]


def _probe(path: str, failure_threshold: int) -> ProbeArgs:
    return ProbeArgs(
        http_get=HTTPGetActionArgs(path=path, port="http"),
        period_seconds=_PROBE_SECONDS,
        timeout_seconds=_PROBE_SECONDS,
        failure_threshold=failure_threshold,
    )


def _http_route(declared: RouteSpec, names: ClusterNames, filled: list[Slot]) -> dict[str, object]:
    # No slot takes traffic before delivery has seen it ready, so every weight begins at nothing.
    backends = [{"name": names.slot(declared.model, slot), "port": SLOT_PORT, "weight": 0} for slot in filled]
    return {
        "parentRefs": [{"name": names.gateway, "namespace": names.gateway_namespace, "sectionName": "https"}],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": f"/{declared.model}"}}],
                "filters": [
                    {
                        "type": "URLRewrite",
                        "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
                    }
                ],
                "timeouts": {"request": declared.timeout},
                "backendRefs": backends,
            }
        ],
    }
