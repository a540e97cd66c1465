"""The aws target: its checks, the cloud in order, and the kubernetes parts on it. Only this file sees all siblings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pulumi

from components.aws.access import aws_provider, cluster_provider
from components.aws.account import Account
from components.aws.addons import AFTER_NODES, BEFORE_NODES, Addons
from components.aws.autoscaler import Autoscaler
from components.aws.budget import Budget
from components.aws.certificate import Certificate
from components.aws.cluster import Cluster, ClusterOutputs
from components.aws.cluster_key import ClusterKey
from components.aws.cpu_pool import CpuPool
from components.aws.database import Database
from components.aws.dns import EXTERNAL_DNS, HOSTNAME_ANNOTATION, NameRecords
from components.aws.endpoints import Endpoints
from components.aws.expiry import Expiry, expires_on, refuse_expired
from components.aws.gpu_pool import GpuNodes
from components.aws.gpu_types import AWS_GPU_TABLE
from components.aws.grants import MODEL, RETRAINER
from components.aws.identity import pod_identity
from components.aws.karpenter import Karpenter
from components.aws.keys import DataKey
from components.aws.load_balancer import LoadBalancer
from components.aws.machine_expiry import MachineExpiry
from components.aws.network import Network, NetworkOutputs
from components.aws.node_groups import Ground
from components.aws.node_role import NodeRole, node_role_name
from components.aws.online_store import OnlineStore
from components.aws.password import StorePassword
from components.aws.platform_identity import PlatformIdentity
from components.aws.pools import (
    refuse_oversized_models,
    refuse_unfit_pools,
    refuse_unknown_machines,
    refuse_unowned,
)
from components.aws.prices import refuse_over_budget
from components.aws.registry import ImageRegistry, model_repository
from components.aws.secrets import SecretFiles
from components.aws.storage import ARTIFACTS, LEDGER, PREDICTIONS, Storage
from components.aws.volumes import Volumes
from components.kubernetes import model_service
from components.kubernetes.access import read_served_routes
from components.kubernetes.admission import refuse_missing_images
from components.kubernetes.beneath import Beneath
from components.kubernetes.gpu_pool import refuse_missing_gpus
from components.kubernetes.labels import refuse_unfit_labels
from components.kubernetes.monitoring import refuse_unheard_alerts
from components.kubernetes.names import ClusterNames
from components.kubernetes.places import FEAST, MLFLOW, ONLINE_STORE
from components.kubernetes.retraining import refuse_unfit_schedules
from components.kubernetes.scaling import refuse_missing_scaler
from components.kubernetes.serving import Namespaces
from components.kubernetes.target import attach_on, build_on
from components.parts import HANDOVER, ModelOutputs, PlatformOutputs, ServingOutputs
from components.services import Service
from shipway.contract.cluster import bucket_name
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.kubeconfig import cluster_of
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import DELIVERY_JOB, MATERIALISE_JOB, Slot
from shipway.contract.retrainer_settings import is_retrained
from shipway.contract.workers import WORKERS

__all__ = ["attach_parts", "build_model", "build_parts", "refuse", "served"]

# What the models' stack is told of the platform's, by the names that the grants know.
_ENDPOINT, _AUTHORITY = "cluster_endpoint", "cluster_certificate_authority"
_DATA_KEY, _FEAST_SECRET, _ONLINE_SECRET = "data_key", "feast_secret", "online_store_secret"


def refuse(root: Path, environment: EnvironmentSpec, services: Sequence[Service]) -> None:
    """Raises a ShipwayError for what cannot work in this account and region, before the first resource."""
    cluster = cluster_of(root, environment)
    refuse_unfit_labels(root, environment, services)
    refuse_unowned(root, environment)
    refuse_expired(root, environment, datetime.now(UTC).date())
    refuse_unheard_alerts(root, environment, cluster)
    refuse_missing_gpus(root, environment, services, AWS_GPU_TABLE)
    refuse_missing_images(environment, services)
    refuse_missing_scaler(root, environment, services)
    refuse_unfit_schedules(root, environment, cluster, services)
    model_service.refuse_unknown_bundles(services)
    refuse_unknown_machines(root, environment)
    refuse_unfit_pools(root, environment)
    refuse_oversized_models(root, environment, services)
    refuse_over_budget(root, environment)


def served(root: Path, environment: EnvironmentSpec) -> Mapping[str, tuple[Slot, str]]:
    """Returns model -> the slot that takes traffic now and its digest, as the cluster's routes say."""
    return read_served_routes(root, environment)


def build_parts(parent: pulumi.Resource, root: Path, environment: EnvironmentSpec) -> PlatformOutputs:
    """Builds the cloud and, on it, the parts that every cluster has."""
    return _Platform(parent, root, environment).build()


class _Platform:
    """The platform while it is built; each step knows those before it."""

    def __init__(self, parent: pulumi.Resource, root: Path, environment: EnvironmentSpec) -> None:
        self._parent, self._root, self._environment = parent, root, environment
        self._spec, self._cluster = Account.of(environment).spec, cluster_of(root, environment)
        self._aws = aws_provider("aws", environment, parent)
        self._cloud = pulumi.ResourceOptions(parent=parent, providers=[self._aws])

    def build(self) -> PlatformOutputs:
        """Returns the platform once its last step is declared."""
        environment, cloud = self._environment, self._cloud
        key = ClusterKey("cluster-key", environment, cloud).arn
        network = Network("network", environment, key, cloud).outputs
        Endpoints("endpoints", environment, vpc_id=network.vpc_id, subnet_ids=network.intra_subnet_ids, opts=cloud)
        cluster = Cluster(
            "cluster",
            environment,
            vpc_id=network.vpc_id,
            subnet_ids=network.intra_subnet_ids,
            key_arn=key,
            opts=cloud,
        )
        values, hosts = self._data(network, cluster.outputs.nodes_group_id)
        identities = PlatformIdentity(
            "platform-identity",
            environment,
            accounts=_accounts(environment, self._cluster),
            values=values,
            cluster=cluster.ready,
            opts=cloud,
        )
        addons = self._nodes(network, cluster.ready, identities.ready, key)
        provider = self._provider(cluster.outputs, addons)
        both = pulumi.ResourceOptions(parent=self._parent, providers=[self._aws, provider])
        Volumes("volumes", environment, storage_class=self._cluster.storage_class or "gp3", key_arn=key, opts=both)
        self._scaling(network, cluster, key, both)
        names = NameRecords("names", environment, both)
        balancer = self._entrance(network, cluster, both)
        beneath = Beneath(
            gpu_table=AWS_GPU_TABLE,
            gpu_operator=_gpu_operator(self._spec.node_ami),
            hosts=hosts,
            load_balancer=balancer.annotations,
            balancers=(balancer.ready, names.ready),
        )
        built = self._parts(provider, both, values, beneath)
        return replace(
            built,
            handover={
                _ENDPOINT: cluster.outputs.endpoint,
                _AUTHORITY: cluster.outputs.certificate_authority,
                **{name: values[name] for name in (_DATA_KEY, _FEAST_SECRET, _ONLINE_SECRET)},
            },
            cloud=self._aws,
        )

    def _data(
        self, network: NetworkOutputs, nodes_group_id: pulumi.Input[str]
    ) -> tuple[dict[str, pulumi.Input[str]], dict[str, pulumi.Input[str]]]:
        """Builds what keeps data; returns what the grants leave open, and where each store listens."""
        environment, cloud, spec = self._environment, self._cloud, self._spec
        key = DataKey("data-key", environment, cloud).arn
        ImageRegistry("images", environment, key, cloud)
        Storage("storage", environment, key, cloud)
        databases = {
            database: Database(
                f"{database}-database",
                environment,
                database=database,
                spec=size,
                key_arn=key,
                vpc_id=network.vpc_id,
                subnet_ids=network.intra_subnet_ids,
                clients_security_group_id=nodes_group_id,
                opts=cloud,
            )
            for database, size in ((MLFLOW, spec.mlflow_database), (FEAST, spec.feast_database))
        }
        online = OnlineStore(
            ONLINE_STORE,
            environment,
            spec=spec.online_store,
            key_arn=key,
            vpc_id=network.vpc_id,
            subnet_ids=network.intra_subnet_ids,
            clients_security_group_id=nodes_group_id,
            opts=cloud,
        )
        password = StorePassword(
            f"{ONLINE_STORE}-password",
            environment,
            user_arn=online.user_arn,
            change_days=spec.online_store.password_days,
            key_arn=key,
            opts=cloud,
        )
        Budget("budget", environment, cloud)
        values: dict[str, pulumi.Input[str]] = {
            **_buckets(environment),
            "zone": spec.gateway.hosted_zone_id,
            "mlflow_secret": databases[MLFLOW].secret_arn,
            _DATA_KEY: key,
            _FEAST_SECRET: databases[FEAST].secret_arn,
            _ONLINE_SECRET: password.secret_arn,
        }
        hosts = {database: one.host for database, one in databases.items()}
        return values, {**hosts, ONLINE_STORE: online.host}

    def _nodes(
        self,
        network: NetworkOutputs,
        cluster: pulumi.Resource,
        identities: pulumi.Resource,
        key_arn: pulumi.Input[str],
    ) -> Sequence[pulumi.Resource]:
        """Builds the nodes and what EKS runs on them; returns what objects in the cluster wait for."""
        environment, cloud = self._environment, self._cloud
        role = NodeRole("node", environment, cloud)
        before = Addons("node-addons", environment, BEFORE_NODES, values={}, waits=[cluster], opts=cloud).ready
        ground = Ground(role.arn, network.private_subnet_ids, key_arn)
        cpu = CpuPool("cpu-pool", environment, ground, before, cloud)
        groups = dict(cpu.groups)
        if self._spec.autoscaler == "cluster_autoscaler":
            groups |= GpuNodes("gpu-nodes", environment, ground, before, cloud).groups
        if (last := expires_on(self._root, environment)) is not None:
            Expiry("expiry", environment, last=last, node_groups=groups, opts=cloud)
            if self._spec.autoscaler == "karpenter":
                MachineExpiry("machine-expiry", environment, last=last, key_arn=key_arn, opts=cloud)
        values = {"cluster_key": key_arn}
        waits = [cpu.ready, identities]
        return Addons("addons", environment, AFTER_NODES, values=values, waits=waits, opts=cloud).ready

    def _provider(self, cluster: ClusterOutputs, addons: Sequence[pulumi.Resource]) -> pulumi.ProviderResource:
        return cluster_provider(
            "cluster-access",
            self._environment,
            self._cluster,
            endpoint=cluster.endpoint,
            certificate_authority=cluster.certificate_authority,
            opts=pulumi.ResourceOptions(parent=self._parent, depends_on=list(addons)),
        )

    def _scaling(
        self, network: NetworkOutputs, cluster: Cluster, key_arn: pulumi.Input[str], both: pulumi.ResourceOptions
    ) -> None:
        if self._spec.autoscaler == "cluster_autoscaler":
            Autoscaler("autoscaler", self._environment, cluster.ready, both)
        else:
            Karpenter(
                "karpenter",
                self._environment,
                node_profile=node_role_name(self._environment),
                subnet_ids=network.private_subnet_ids,
                nodes_group_id=cluster.outputs.nodes_group_id,
                key_arn=key_arn,
                cluster=cluster.ready,
                opts=both,
            )

    def _entrance(self, network: NetworkOutputs, cluster: Cluster, both: pulumi.ResourceOptions) -> LoadBalancer:
        environment, gateway = self._environment, self._spec.gateway
        inside = network.private_subnet_ids
        return LoadBalancer(
            "load-balancer",
            environment,
            vpc_id=network.vpc_id,
            subnet_ids=network.public_subnet_ids if gateway.client_ranges else inside,
            nodes_group_id=cluster.outputs.nodes_group_id,
            certificate_arn=Certificate("certificate", environment, self._cloud).arn,
            hostname={HOSTNAME_ANNOTATION: gateway.hostname},
            cluster=cluster.ready,
            opts=both,
        )

    def _parts(
        self,
        provider: pulumi.ProviderResource,
        both: pulumi.ResourceOptions,
        values: Mapping[str, pulumi.Input[str]],
        beneath: Beneath,
    ) -> PlatformOutputs:
        environment, cluster = self._environment, self._cluster
        namespaces = Namespaces("namespaces", environment, cluster, both)
        secrets = {
            MLFLOW: values["mlflow_secret"],
            FEAST: values[_FEAST_SECRET],
            ONLINE_STORE: values[_ONLINE_SECRET],
        }
        files = SecretFiles("secrets", environment, cluster, namespaces, secrets, both)
        return build_on(
            self._parent,
            self._root,
            environment,
            cluster,
            provider,
            beneath,
            platform=files.platform,
            models=files.models,
        )


def attach_parts(root: Path, environment: EnvironmentSpec, platform: pulumi.StackReference) -> PlatformOutputs:
    """Returns the parts as the environment and the platform's own stack describe them."""
    cluster = cluster_of(root, environment)
    told = platform.require_output(HANDOVER).apply(lambda found: cast(dict[str, str], found))
    provider = cluster_provider(
        "cluster-access",
        environment,
        cluster,
        endpoint=told[_ENDPOINT],
        certificate_authority=told[_AUTHORITY],
        opts=pulumi.ResourceOptions(),
    )
    attached = attach_on(root, environment, cluster, provider, platform, AWS_GPU_TABLE)
    handover = {name: told[name] for name in (_DATA_KEY, _FEAST_SECRET, _ONLINE_SECRET)}
    return replace(attached, handover=handover, cloud=aws_provider("aws", environment, None))


def build_model(parent: pulumi.Resource, service: Service, platform: PlatformOutputs) -> ModelOutputs:
    """Builds what one model has in the account, its images and who its pods are, and then its own objects."""
    environment, model = platform.environment, service.spec.name
    own = pulumi.ResourceOptions(parent=parent, provider=platform.cloud)
    model_repository(environment, model, platform.handover[_DATA_KEY], own)
    cluster, names = cluster_of(platform.root, environment), ClusterNames(environment.name)
    parts = {model: (MODEL, model)}
    if is_retrained(service.spec) and cluster.retraining is not None:
        parts[f"{model}-retrainer"] = (RETRAINER, names.retrainer(model))
    # A pod that starts before its identity would have none until it starts again; each waits for the one before.
    ready = platform.serving.ready
    for name, (part, account) in parts.items():
        ready = pod_identity(
            name,
            part,
            environment,
            namespace=names.models,
            service_account=account,
            values={**_buckets(environment), **platform.handover, "model": model},
            opts=pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(depends_on=[ready])),
        )
    serving = ServingOutputs(platform.serving.provider, ready)
    return model_service.build_model(parent, service, replace(platform, serving=serving), cluster, AWS_GPU_TABLE)


def _accounts(environment: EnvironmentSpec, cluster: KubernetesSpec) -> dict[str, tuple[str, str]]:
    """Returns part -> namespace and service account, of the platform's pods that ask AWS."""
    names = ClusterNames(environment.name)
    found = {
        MLFLOW: (names.platform, MLFLOW),
        DELIVERY_JOB: (names.platform, DELIVERY_JOB),
        MATERIALISE_JOB: (names.models, MATERIALISE_JOB),
        EXTERNAL_DNS: ("kube-system", EXTERNAL_DNS),
        **{job: (names.platform, job) for job in WORKERS},
    }
    if cluster.admission is None or cluster.admission.installed:
        return found
    return {**found, "policy-controller": (names.admission, "policy-controller-webhook")}


def _buckets(environment: EnvironmentSpec) -> dict[str, pulumi.Input[str]]:
    spec = Account.of(environment).spec
    return {what: bucket_name(environment, spec, what) for what in (ARTIFACTS, LEDGER, PREDICTIONS)}


def _gpu_operator(node_ami: str) -> dict[str, object]:
    # EKS's images for GPUs hold the driver and the container toolkit; Bottlerocket's the device plugin too.
    there = ("driver", "toolkit", "devicePlugin") if node_ami == "bottlerocket" else ("driver", "toolkit")
    return {part: {"enabled": False} for part in there}
