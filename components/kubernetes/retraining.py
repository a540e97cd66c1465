"""A model's retraining: a CronJob that looks what is due, and then trains, compares, and proposes a release.

It decides by what the workers write into the object store, as the scheduler of a laptop does. Its rights are few: it
may list the models' routes, to learn what is live, and push a branch. What becomes of that is decided where the
repository is, and what becomes of the version by delivery.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.batch.v1 import CronJob, CronJobSpecArgs, JobSpecArgs, JobTemplateSpecArgs
from pulumi_kubernetes.core.v1 import (
    ConfigMap,
    ContainerArgs,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpecArgs,
    PersistentVolumeClaimVolumeSourceArgs,
    PodTemplateSpecArgs,
    ServiceAccount,
    VolumeArgs,
    VolumeMountArgs,
    VolumeResourceRequirementsArgs,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.rbac.v1 import PolicyRuleArgs, Role, RoleBinding, RoleRefArgs, SubjectArgs

from components.kubernetes import edges
from components.kubernetes.labels import labels
from components.kubernetes.names import HTTPS_PORT, ClusterNames
from components.kubernetes.places import (
    api_server_edges,
    object_storage_edges,
    object_storage_environment,
    object_storage_files,
)
from components.kubernetes.pods import Mount, config_files, pod_template, resources, secret_files
from components.services import Service
from shipway.contract.documents import load_yaml
from shipway.contract.environment import EnvironmentSpec, Tier, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.kubernetes import KubernetesSpec, RetrainerSpec
from shipway.contract.metrics import RETRAINER_JOB, RETRAINING_JOB
from shipway.contract.model import ModelSpec
from shipway.contract.periodic import PERIODIC
from shipway.contract.retrainer_settings import RetrainerSettings, is_retrained
from shipway.observability.rules import retrainer_rules

__all__ = ["build_retraining", "cron_schedule", "refuse_unfit_schedules"]

_ROW = PERIODIC[RETRAINER_JOB]
# What a run takes besides its training: clone, traffic, image, load tests.
_AROUND_SECONDS = 3600
# What surrounds the process that trains, whose own limit is `memory_mib`. Measured: a run with all that it imports
# takes 140 MiB; when the training has ended, a load test with its slot and its sender 608 MiB (digits).
_AROUND_MIB = 1024
_CPU_MILLICORES = 1000
_TEMPORARY_MIB = 4096
_VOLUME, _CONFIG, _SECRETS = "/var/lib/shipway", "/etc/shipway/retraining", "/run/secrets/retraining"
_SETTINGS, _DOCKER_CONFIG = "retraining.json", "config.json"
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where a pod's identity lies, no password


def cron_schedule(model: str) -> str:
    """Returns when a model's job looks; the minute follows from the model's name, so that not all look at once.

    >>> cron_schedule("digits"), cron_schedule("flight-delay")
    ('3-59/10 * * * *', '8-59/10 * * * *')
    """
    every = int(_ROW.every_seconds // 60)
    return f"{zlib.crc32(model.encode()) % every}-59/{every} * * * *"


def refuse_unfit_schedules(
    root: Path, environment: EnvironmentSpec, cluster: KubernetesSpec, services: Sequence[Service]
) -> None:
    """Refuses a schedule that nothing here would keep.

    Raises:
        SpecError: naming the file, the key and the value.
    """
    for service in services:
        every = service.spec.retraining.every_seconds
        if every is None:
            continue
        if cluster.retraining is None:
            raise SpecError(
                environment_path(root, environment.name),
                f"{environment.target}.retraining",
                None,
                f"where models are retrained: {service.spec.name} asks for it every {every:g} s; or no schedule, and a "
                "scheduler of your own that starts `shipway retrain`",
            )
        if every < _ROW.every_seconds:
            expected = f"at least {_ROW.every_seconds:g}: so often its job looks what is due"
            raise SpecError(service.folder / "model.yaml", "retraining.every_seconds", every, expected)


def build_retraining(
    service: Service,
    environment: EnvironmentSpec,
    cluster: KubernetesSpec,
    opts: pulumi.ResourceOptions,
) -> None:
    """Builds the CronJob of a model that anything retrains, and what it may touch; nothing where no place is named."""
    spec, place = service.spec, cluster.retraining
    if place is None or not is_retrained(spec):
        return
    names = ClusterNames(environment.name)
    name = names.retrainer(spec.name)
    # Not `shipway/model`: by that label slots are found, and what may ask them.
    selector = {"shipway/retrains": spec.name}
    keeps = environment.tier is Tier.PROD
    given = {**labels(environment, RETRAINER_JOB), **selector, "shipway/owner": spec.owner.team}
    metadata = ObjectMetaArgs(name=name, namespace=names.models, labels=given)
    ServiceAccount(f"{name}-account", metadata=metadata, automount_service_account_token=False, opts=opts)
    _may_list_routes(name, metadata, opts)
    _edges(name, metadata, selector, cluster, place, opts)
    PersistentVolumeClaim(
        f"{name}-state",
        # A class may bind a volume only when a pod asks for it.
        metadata=ObjectMetaArgs(
            name=name, namespace=names.models, labels=given, annotations={"pulumi.com/skipAwait": "true"}
        ),
        spec=PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteOnce"],
            storage_class_name=cluster.storage_class,
            resources=VolumeResourceRequirementsArgs(requests={"storage": f"{place.storage_gib}Gi"}),
        ),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=keeps, retain_on_delete=keeps)),
    )
    config = ConfigMap(f"{name}-config", metadata=metadata, data=_told(spec, environment, cluster, place), opts=opts)
    waits = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[config]))
    _job(spec, environment, cluster, place, metadata, selector, waits)
    CustomResource(
        f"{name}-rules",
        api_version="monitoring.coreos.com/v1",
        kind="PrometheusRule",
        metadata=metadata,
        spec=load_yaml(retrainer_rules(spec, environment, names.models, name, _longest_seconds(spec))),
        opts=opts,
    )


def _edges(
    name: str,
    metadata: ObjectMetaArgs,
    selector: Mapping[str, str],
    cluster: KubernetesSpec,
    place: RetrainerSpec,
    opts: pulumi.ResourceOptions,
) -> None:
    edges.allow(
        f"{name}-edges",
        metadata,
        selector,
        ingress=[],
        egress=[
            edges.name_service(),
            *api_server_edges(cluster),
            *object_storage_edges(cluster),
            *(edges.to_peer(edges.addresses(one), HTTPS_PORT) for one in place.address_ranges),
        ],
        opts=opts,
    )


def _job(
    spec: ModelSpec,
    environment: EnvironmentSpec,
    cluster: KubernetesSpec,
    place: RetrainerSpec,
    metadata: ObjectMetaArgs,
    selector: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> None:
    given = {**labels(environment, RETRAINER_JOB), **selector, "shipway/owner": spec.owner.team}
    CronJob(
        f"{metadata.name}-job",
        metadata=metadata,
        spec=CronJobSpecArgs(
            schedule=cron_schedule(spec.name),
            concurrency_policy="Forbid",
            # Looks that were missed while a run went on are not made up for.
            starting_deadline_seconds=int(_ROW.every_seconds),
            job_template=JobTemplateSpecArgs(
                metadata=ObjectMetaArgs(labels=given),
                spec=JobSpecArgs(
                    # The next look decides whether to try again.
                    backoff_limit=0,
                    active_deadline_seconds=_longest_seconds(spec),
                    template=_pod(spec, environment, cluster, place, given, selector),
                ),
            ),
        ),
        opts=opts,
    )


def _longest_seconds(spec: ModelSpec) -> int:
    return int(spec.retraining.timeout_seconds) + _AROUND_SECONDS


def _told(
    spec: ModelSpec, environment: EnvironmentSpec, cluster: KubernetesSpec, place: RetrainerSpec
) -> dict[str, str]:
    """Returns the files that the job reads."""
    settings = RetrainerSettings(
        environment=environment.name,
        model=spec.name,
        rule=spec.retraining,
        state=cluster.object_storage.state,
        repository_url=place.repository_url,
        models_namespace=ClusterNames(environment.name).models,
        context=cluster.context or "in-cluster",
        kubeconfig=cluster.kubeconfig,
    )
    files = {_SETTINGS: settings.model_dump_json(indent=2) + "\n"}
    if place.registry_helper is not None:
        host = cluster.image_registry.partition("/")[0]
        files[_DOCKER_CONFIG] = json.dumps({"credHelpers": {host: place.registry_helper}}) + "\n"
    return files


def _may_list_routes(name: str, metadata: ObjectMetaArgs, opts: pulumi.ResourceOptions) -> None:
    """Lets the job read which version is live, and nothing else; a list knows no names."""
    rules = [
        PolicyRuleArgs(api_groups=["gateway.networking.k8s.io"], resources=["httproutes"], verbs=["list"]),
    ]
    role = Role(f"{name}-role", metadata=metadata, rules=rules, opts=opts)
    RoleBinding(
        f"{name}-binding",
        metadata=metadata,
        role_ref=RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=name),
        subjects=[SubjectArgs(kind="ServiceAccount", name=name, namespace=metadata.namespace)],
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[role])),
    )


def _pod(
    spec: ModelSpec,
    environment: EnvironmentSpec,
    cluster: KubernetesSpec,
    place: RetrainerSpec,
    given: Mapping[str, str],
    selector: Mapping[str, str],
) -> PodTemplateSpecArgs:
    name = ClusterNames(environment.name).retrainer(spec.name)
    variables = {
        "DOCKER_CONFIG": _CONFIG if place.registry_secret is None else f"{_SECRETS}/registry",
        "SHIPWAY_ACTOR": RETRAINING_JOB,
    }
    mounts = [
        secret_files(place.repository_secret, f"{_SECRETS}/repository", ["token"]),
        config_files(name, _CONFIG),
        Mount(
            VolumeArgs(name="state", persistent_volume_claim=PersistentVolumeClaimVolumeSourceArgs(claim_name=name)),
            VolumeMountArgs(name="state", mount_path=_VOLUME),
        ),
        *object_storage_files(cluster),
    ]
    if place.registry_secret is not None:
        mounts.append(secret_files(place.registry_secret, f"{_SECRETS}/registry", [_DOCKER_CONFIG]))
    if place.signing_secret is not None:
        mounts.append(secret_files(place.signing_secret, f"{_SECRETS}/signing", ["key"]))
        variables["SHIPWAY_SIGNING_KEY"] = f"{_SECRETS}/signing/key"
    return pod_template(
        labels=given,
        selector=selector,
        service_account=name,
        asks_cluster=True,
        container=ContainerArgs(
            name=RETRAINING_JOB,
            image=place.image,
            command=["python", "-m", "shipway.retraining", "wake"],
            args=[
                *("--config", f"{_CONFIG}/{_SETTINGS}", "--volume", _VOLUME),
                *("--repository-token", f"{_SECRETS}/repository/token"),
                *("--api-server", "https://kubernetes.default.svc", "--identity", _TOKEN),
            ],
            resources=resources(_CPU_MILLICORES, spec.retraining.memory_mib + _AROUND_MIB),
        ),
        variables={**object_storage_environment(cluster), **variables},
        temporary_mib=_TEMPORARY_MIB,
        mounts=mounts,
        restart_policy="Never",
    )
