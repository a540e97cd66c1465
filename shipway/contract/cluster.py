"""The cluster of an environment: the one its file names, or what follows from the cloud that the platform makes."""

import ipaddress

from shipway.contract.aws import AwsRetrainerSpec, AwsSpec
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.kubernetes import (
    GatewaySpec,
    InstalledStore,
    KubernetesSpec,
    ObjectStorageSpec,
    PostgresSpec,
    RedisSpec,
    RetrainerSpec,
)

__all__ = ["bucket_name", "cluster_name", "image_registry", "kubernetes_spec", "online_store_user"]

# What pods know their secrets by.
_MLFLOW, _FEAST, _ONLINE = "mlflow-postgres", "feast-postgres", "online-store"

# docker-credential-ecr-login, whose credentials are the pod's own.
_ECR_HELPER = "ecr-login"

_HTTPS_PORT, _POSTGRES_PORT, _REDIS_PORT = 443, 5432, 6379


def kubernetes_spec(environment: EnvironmentSpec) -> KubernetesSpec | None:
    """Returns the cluster that an environment runs on, None for one that needs none."""
    if environment.aws is not None and environment.region is not None:
        return _on_aws(environment, environment.region, environment.aws)
    return environment.kubernetes


def cluster_name(environment: EnvironmentSpec) -> str:
    """Returns what the platform calls a cluster that it makes, and the context that leads there.

    `aws eks update-kubeconfig --name NAME --alias NAME` writes that context.
    """
    return f"shipway-{environment.name}"


def image_registry(environment: EnvironmentSpec, aws: AwsSpec) -> str:
    """Returns where all images of an environment on AWS lie, each kind below a name of its own."""
    return f"{aws.account_id}.dkr.ecr.{environment.region}.amazonaws.com/shipway-{environment.name}"


def bucket_name(environment: EnvironmentSpec, aws: AwsSpec, what: str) -> str:
    """Returns the name of a bucket: the account's number keeps it from being anybody else's."""
    return f"shipway-{environment.name}-{what}-{aws.account_id}"


def online_store_user(environment: EnvironmentSpec) -> str:
    """Returns whom the online store of an environment on AWS knows the pods as."""
    return f"shipway-{environment.name}-feast"


def _on_aws(environment: EnvironmentSpec, region: str, aws: AwsSpec) -> KubernetesSpec:
    # Everything that pods ask lies in the subnets without a way out, the endpoints of AWS's own services too.
    within = aws.subnets.intra_range
    buckets = ("artifacts", "ledger", "predictions")
    artifacts, ledger, predictions = (f"s3://{bucket_name(environment, aws, what)}" for what in buckets)
    return KubernetesSpec(
        context=cluster_name(environment),
        cluster_identifier=f"{aws.account_id}-{region}-{cluster_name(environment)}",
        api_server_range=within,
        api_server_port=_HTTPS_PORT,
        # EKS gives it the first address of the Services.
        api_server_service=f"{ipaddress.ip_network(aws.service_cidr)[1]}/32",
        pod_security_version=f"v{environment.cluster_version}",
        image_registry=f"{image_registry(environment, aws)}/models",
        images=aws.images,
        admission=aws.admission,
        storage_class="gp3",
        gateway=_gateway(aws),
        mlflow_postgres=PostgresSpec(secret=_MLFLOW, installed=_store(_POSTGRES_PORT, within)),
        feast_postgres=PostgresSpec(secret=_FEAST, installed=_store(_POSTGRES_PORT, within)),
        redis=RedisSpec(secret=_ONLINE, user=online_store_user(environment), installed=_store(_REDIS_PORT, within)),
        object_storage=ObjectStorageSpec(
            url=artifacts, records_url=ledger, predictions_url=predictions, address_range=within
        ),
        secrets_by_csi=True,
        retraining=None if aws.retraining is None else _retrainer(aws.retraining, within),
    )


def _retrainer(place: AwsRetrainerSpec, within: str) -> RetrainerSpec:
    return RetrainerSpec(
        image=place.image,
        repository_url=place.repository_url,
        repository_secret=place.repository_secret,
        # ECR knows the pod by its role.
        registry_helper=_ECR_HELPER,
        signing_secret=place.signing_secret,
        address_ranges=(*place.address_ranges, within),
        storage_gib=place.storage_gib,
    )


def _gateway(aws: AwsSpec) -> GatewaySpec:
    # Envoy sees the load balancer's own addresses, which are where its subnets are.
    balancer = aws.subnets.public if aws.gateway.client_ranges else aws.subnets.private
    return GatewaySpec(hostname=aws.gateway.hostname, tls_secret=aws.gateway.backend_tls_secret, client_ranges=balancer)


def _store(port: int, address_range: str) -> InstalledStore:
    return InstalledStore(port=port, address_range=address_range)
