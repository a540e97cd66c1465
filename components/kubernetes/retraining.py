"""A model's retraining on its schedule: a CronJob that trains, compares, and proposes a release to the repository.

It cannot do more: it may list the models' routes, to learn what is live, and push a branch. What becomes of that is
decided where the repository is, and what becomes of the version by delivery.
"""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.batch.v1 import CronJob, CronJobSpecArgs, JobSpecArgs, JobTemplateSpecArgs
from pulumi_kubernetes.core.v1 import (
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
from components.kubernetes.pods import Mount, pod_template, resources, scratch, secret_files
from components.services import Service
from shipway.contract.documents import load_yaml
from shipway.contract.environment import EnvironmentSpec, Tier, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.kubernetes import KubernetesSpec, RetrainerSpec
from shipway.contract.metrics import RETRAINING_JOB
from shipway.contract.model import ModelSpec
from shipway.observability.rules import retraining_rules

__all__ = ["build_retraining", "cron_schedule", "refuse_unfit_schedules"]

_HOUR_SECONDS, _DAY_SECONDS, _WEEK_SECONDS = 3600, 86_400, 604_800
# When a day's or a week's run starts: at night, on a Monday, in UTC.
_AT_HOUR, _ON_DAY = 3, 1

_CPU_MILLICORES = 1000
_STATE, _PROJECT, _SECRETS = "/var/lib/shipway", "/srv/shipway/project", "/etc/shipway/retraining"
_PROJECT_MIB, _TEMPORARY_MIB = 4096, 4096
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where a pod's identity lies, no password

# The state of training outlives the pod, the checkout does not; a branch is pushed whatever the run said last, for a
# run that was refused has made none.
_SCRIPT = r"""
printf '#!/bin/sh\ncat "%s"\n' "$REPOSITORY_TOKEN_FILE" > /tmp/askpass
chmod 700 /tmp/askpass
export GIT_ASKPASS=/tmp/askpass GIT_TERMINAL_PROMPT=0
git -c credential.username=shipway clone --quiet --depth 1 "$REPOSITORY_URL" "$PROJECT"
cd "$PROJECT"
ln -s "$STATE" .shipway
mkdir -p "$(dirname "$KUBECONFIG")"
cat > "$KUBECONFIG" <<END
{"apiVersion": "v1", "kind": "Config", "current-context": "$CONTEXT",
 "clusters": [{"name": "c", "cluster": {"server": "$API_SERVER",
   "certificate-authority": "$TOKEN_FOLDER/ca.crt"}}],
 "users": [{"name": "u", "user": {"tokenFile": "$TOKEN_FOLDER/token"}}],
 "contexts": [{"name": "$CONTEXT", "context": {"cluster": "c", "user": "u"}}]}
END
shipway retrain "$1" --env "$2" --reason schedule --release propose
for branch in $(git for-each-ref --format='%(refname)' "refs/heads/retrain/$1-*"); do
  git -c credential.username=shipway push --quiet origin "$branch:$branch"
done
"""


def cron_schedule(model: str, every_seconds: float) -> str | None:
    """Returns the schedule of a CronJob, None for a time between two runs that cron cannot say.

    The minute follows from the model's name, so that not all of them start at once.

    >>> cron_schedule("digits", 604800), cron_schedule("digits", 6 * 3600), cron_schedule("digits", 5 * 3600)
    ('53 3 * * 1', '53 */6 * * *', None)
    """
    minute = zlib.crc32(model.encode()) % 60
    if every_seconds == _WEEK_SECONDS:
        return f"{minute} {_AT_HOUR} * * {_ON_DAY}"
    if every_seconds == _DAY_SECONDS:
        return f"{minute} {_AT_HOUR} * * *"
    hours, rest = divmod(every_seconds, _HOUR_SECONDS)
    return f"{minute} */{hours:.0f} * * *" if hours and not rest and 24 % hours == 0 else None


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
            path = environment_path(root, environment.name)
            raise SpecError(
                path,
                "kubernetes.retraining",
                None,
                f"where models are retrained: {service.spec.name} asks for it every {every:g} s; or no schedule, and a "
                "scheduler of your own that starts `shipway retrain`",
            )
        if cron_schedule(service.spec.name, every) is None:
            expected = "a week (604800), a day (86400) or hours that divide it: a CronJob says no other schedule"
            raise SpecError(service.folder / "model.yaml", "retraining.every_seconds", every, expected)


def build_retraining(
    service: Service,
    environment: EnvironmentSpec,
    cluster: KubernetesSpec,
    opts: pulumi.ResourceOptions,
) -> None:
    """Builds the CronJob of a model with a schedule and what it may touch; nothing for one without."""
    spec, place, every = service.spec, cluster.retraining, service.spec.retraining.every_seconds
    if place is None or every is None:
        return
    names = ClusterNames(environment.name)
    name = f"{spec.name}-{RETRAINING_JOB}"
    # Not `shipway/model`: by that label slots are found, and what may ask them.
    selector = {"shipway/retrains": spec.name}
    given = {**labels(environment, RETRAINING_JOB), **selector, "shipway/owner": spec.owner.team}
    metadata = ObjectMetaArgs(name=name, namespace=names.models, labels=given)
    account = ServiceAccount(f"{name}-account", metadata=metadata, automount_service_account_token=False, opts=opts)
    _may_list_routes(name, metadata, account, opts)
    _edges(name, metadata, selector, cluster, place, opts)
    PersistentVolumeClaim(
        f"{name}-state",
        # A class may bind a volume only when a pod asks for it, which may be a week from now.
        metadata=ObjectMetaArgs(
            name=name, namespace=names.models, labels=given, annotations={"pulumi.com/skipAwait": "true"}
        ),
        spec=PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteOnce"],
            storage_class_name=cluster.storage_class,
            resources=VolumeResourceRequirementsArgs(requests={"storage": f"{place.storage_gib}Gi"}),
        ),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=environment.tier is Tier.PROD)),
    )
    _job(spec, environment, cluster, place, metadata, selector, opts)
    CustomResource(
        f"{name}-rules",
        api_version="monitoring.coreos.com/v1",
        kind="PrometheusRule",
        metadata=metadata,
        spec=load_yaml(retraining_rules(spec, environment, names.models, name, every)),
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
    given = {**labels(environment, RETRAINING_JOB), **selector, "shipway/owner": spec.owner.team}
    CronJob(
        f"{spec.name}-{RETRAINING_JOB}-job",
        metadata=metadata,
        spec=CronJobSpecArgs(
            schedule=cron_schedule(spec.name, spec.retraining.every_seconds or 0) or "",
            concurrency_policy="Forbid",
            starting_deadline_seconds=_HOUR_SECONDS,
            job_template=JobTemplateSpecArgs(
                metadata=ObjectMetaArgs(labels=given),
                spec=JobSpecArgs(
                    # A retry here and now meets the same data; the next start is one, and a person may be another.
                    backoff_limit=0,
                    active_deadline_seconds=int(spec.retraining.timeout_seconds) + _HOUR_SECONDS,
                    template=_pod(spec, environment, cluster, place, given, selector),
                ),
            ),
        ),
        opts=opts,
    )


def _may_list_routes(
    name: str, metadata: ObjectMetaArgs, account: ServiceAccount, opts: pulumi.ResourceOptions
) -> None:
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
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[role, account])),
    )


def _pod(
    spec: ModelSpec,
    environment: EnvironmentSpec,
    cluster: KubernetesSpec,
    place: RetrainerSpec,
    given: Mapping[str, str],
    selector: Mapping[str, str],
) -> PodTemplateSpecArgs:
    name = f"{spec.name}-{RETRAINING_JOB}"
    variables = {
        "REPOSITORY_URL": place.repository_url,
        "REPOSITORY_TOKEN_FILE": f"{_SECRETS}/repository/token",
        "DOCKER_CONFIG": f"{_SECRETS}/registry",
        "PROJECT": _PROJECT,
        "STATE": _STATE,
        "CONTEXT": cluster.context or "in-cluster",
        # The project's own file where the environment names one.
        "KUBECONFIG": f"{_PROJECT}/{cluster.kubeconfig}" if cluster.kubeconfig else "/tmp/kubeconfig",  # noqa: S108
        "API_SERVER": "https://kubernetes.default.svc",
        "TOKEN_FOLDER": _TOKEN,
        "SHIPWAY_ACTOR": RETRAINING_JOB,
    }
    mounts = [
        secret_files(place.repository_secret, f"{_SECRETS}/repository", ["token"]),
        secret_files(place.registry_secret, f"{_SECRETS}/registry", ["config.json"]),
        scratch("project", str(Path(_PROJECT).parent), _PROJECT_MIB),
        Mount(
            VolumeArgs(name="state", persistent_volume_claim=PersistentVolumeClaimVolumeSourceArgs(claim_name=name)),
            VolumeMountArgs(name="state", mount_path=_STATE),
        ),
        *object_storage_files(cluster),
    ]
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
            command=["/bin/sh", "-euc", _SCRIPT, "sh", spec.name, environment.name],
            resources=resources(_CPU_MILLICORES, spec.retraining.memory_mib),
        ),
        variables={**object_storage_environment(cluster), **variables},
        temporary_mib=_TEMPORARY_MIB,
        mounts=mounts,
        restart_policy="Never",
    )
