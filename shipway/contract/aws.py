"""AwsSpec: the account, network and nodes of an environment whose cluster the platform makes itself."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from shipway.contract.aws_data import BudgetSpec, DatabaseSpec, OnlineStoreSpec
from shipway.contract.documents import Spec
from shipway.contract.kubernetes import (
    AddressRange,
    AdmissionSpec,
    HostName,
    Image,
    ImagesSpec,
    ObjectName,
    RepositoryUrl,
)

__all__ = [
    "AddonsSpec",
    "AwsGatewaySpec",
    "AwsRetrainerSpec",
    "AwsSpec",
    "CpuNodesSpec",
    "SubnetPlan",
    "subnet_plan",
]

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
PoolName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
InstanceType = Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")]
RoleArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")]
AddonVersion = Annotated[str, Field(pattern=r"^v\d+\.\d+\.\d+-eksbuild\.\d+$")]

# Three zones: with two, the loss of one leaves half.
_ZONES = 3
# Smaller than /22 leaves a zone's pods fewer than 256 addresses; AWS takes nothing larger than /16.
_LARGEST, _SMALLEST = 16, 22
_PRIVATE_NETWORKS = tuple(ipaddress.IPv4Network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@dataclass(frozen=True)
class SubnetPlan:
    """How a VPC's addresses are divided, a subnet a zone of each kind.

    Args:
        public: the load balancer and the NAT gateways.
        private: nodes and pods; they reach the Internet through NAT.
        intra: the cluster's API, databases and endpoints; no route leads out of it.
        intra_range: all of `intra`, as the one range that network policies name.
    """

    public: tuple[str, ...]
    private: tuple[str, ...]
    intra: tuple[str, ...]
    intra_range: str


def subnet_plan(vpc_cidr: str) -> SubnetPlan:
    """Returns the subnets of a VPC: a quarter of it to each zone's pods, half of the last quarter to each other kind.

    >>> plan = subnet_plan("10.0.0.0/16")
    >>> plan.private[0], plan.public[0], plan.intra[0], plan.intra_range
    ('10.0.0.0/18', '10.0.192.0/21', '10.0.224.0/21', '10.0.224.0/19')
    """
    *pods, rest = ipaddress.ip_network(vpc_cidr).subnets(prefixlen_diff=2)
    public, intra = rest.subnets(prefixlen_diff=1)

    def divided(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> tuple[str, ...]:
        return tuple(str(one) for one in list(network.subnets(prefixlen_diff=2))[:_ZONES])

    return SubnetPlan(divided(public), tuple(str(one) for one in pods), divided(intra), str(intra))


def _vpc_cidr(value: str) -> str:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"a range of IPv4 addresses such as 10.0.0.0/16 ({error})") from None
    if not _LARGEST <= network.prefixlen <= _SMALLEST:
        raise ValueError(
            f"a range from /{_LARGEST} to /{_SMALLEST}, in which public, private and intra subnets of {_ZONES} zones "
            f"fit, not /{network.prefixlen}"
        )
    if not any(network.subnet_of(one) for one in _PRIVATE_NETWORKS):
        raise ValueError(f"a range within {', '.join(str(one) for one in _PRIVATE_NETWORKS)}: it is nobody else's")
    return str(network)


class CpuNodesSpec(Spec):
    """A group of nodes without GPUs.

    Args:
        name: the group's name.
        instance_types: what it may be made of; the first is what the cost is reckoned with.
        capacity: spot may be taken back within two minutes.
        min_nodes, max_nodes: its bounds.
        disk_gib: each node's volume.
    """

    name: PoolName
    instance_types: Annotated[tuple[InstanceType, ...], Field(min_length=1)]
    capacity: Literal["on_demand", "spot"] = "on_demand"
    min_nodes: Positive
    max_nodes: Positive
    disk_gib: Positive = 80

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_nodes < self.min_nodes:
            raise ValueError(f"max_nodes ({self.max_nodes}) to be at least min_nodes ({self.min_nodes})")
        return self


class AddonsSpec(Spec):
    """The versions of what EKS itself installs; `aws eks describe-addon-versions` lists them for a cluster version.

    Args:
        vpc_cni, kube_proxy, coredns: what every node's network needs.
        eks_pod_identity_agent: what gives pods their role.
        aws_ebs_csi_driver: what makes volumes.
        metrics_server: what autoscalers read.
    """

    vpc_cni: AddonVersion
    kube_proxy: AddonVersion
    coredns: AddonVersion
    eks_pod_identity_agent: AddonVersion
    aws_ebs_csi_driver: AddonVersion
    metrics_server: AddonVersion

    def by_name(self) -> Mapping[str, str]:
        """Returns add-on -> version, under the names that EKS knows them by."""
        return {name.replace("_", "-"): str(version) for name, version in self}


class AwsGatewaySpec(Spec):
    """The one way in: a Network Load Balancer before Envoy Gateway.

    Args:
        hostname: what callers name; the certificate is for it.
        hosted_zone_id: the Route 53 zone that answers for it, which is there already.
        client_ranges: who may call; with none the load balancer is reached from inside the VPC alone.
        backend_tls_secret: name of a Secret with a certificate of Envoy's own, in the gateway's namespace: then the
            load balancer encrypts again. Without one what it forwards is clear text, within the VPC.
    """

    hostname: HostName
    hosted_zone_id: Annotated[str, Field(pattern=r"^Z[A-Z0-9]{5,31}$")]
    client_ranges: tuple[AddressRange, ...] = ()
    backend_tls_secret: ObjectName | None = None


class AwsRetrainerSpec(Spec):
    """Where models are trained anew, and where what comes out is proposed; images go to the account's own registry.

    Args:
        image: Python with Shipway, all its packages, git and docker-credential-ecr-login.
        repository_url: of the project, over https; a person's or a CI's review decides what becomes of a branch there.
        repository_secret: name of the Secret whose key `token` may push branches to it, and nothing else.
        signing_secret: name of the Secret whose key `key` signs images; needed where admission is on.
        address_ranges: where the repository is; network policies let the pods through to it and to what AWS has in the
            network.
        storage_gib: the volume that keeps a model's registry and bundles from one run to the next.
    """

    image: Image
    repository_url: RepositoryUrl
    repository_secret: ObjectName
    signing_secret: ObjectName | None = None
    address_ranges: Annotated[tuple[AddressRange, ...], Field(min_length=1)]
    storage_gib: Positive = 20


class AwsSpec(Spec):
    """The cloud under the cluster of an environment.

    Args:
        account_id: the one account that is touched; credentials of another are refused.
        availability_zones: three of the region's.
        vpc_cidr: the network, from /16 to /22.
        service_cidr: the addresses of Kubernetes Services, apart from the network.
        nat: one NAT gateway and one zone's endpoints are cheaper; with one each, a lost zone takes no other's way.
        operator_ranges: who reaches the cluster's API, besides what runs in the VPC: there is no public endpoint.
        admin_role_arns: who may do everything in the cluster, by access entries.
        node_ami: the operating system of all nodes.
        cpu_pools: nodes of the platform's own pods and of models without GPUs.
        autoscaler: what adds nodes: the cluster autoscaler over managed node groups, or Karpenter.
        addons: pinned versions of EKS add-ons.
        log_retention_days: how long control plane, flow and build logs are kept.
        gateway: the one way in.
        images: the platform's own, by digest.
        admission: which images of models the cluster runs; any, when it is None.
        mlflow_database, feast_database, online_store: the sizes of what keeps data.
        budget: who hears what it costs.
        retraining: where models are trained anew; a model with a schedule needs it, and without it no verdict starts
            a run.
    """

    account_id: Annotated[str, Field(pattern=r"^\d{12}$")]
    availability_zones: Annotated[tuple[Text, ...], Field(min_length=_ZONES, max_length=_ZONES)]
    vpc_cidr: Annotated[str, AfterValidator(_vpc_cidr)]
    service_cidr: AddressRange = "172.20.0.0/16"
    nat: Literal["one", "per_zone"] = "per_zone"
    operator_ranges: tuple[AddressRange, ...] = ()
    admin_role_arns: Annotated[tuple[RoleArn, ...], Field(min_length=1)]
    node_ami: Literal["al2023", "bottlerocket"] = "al2023"
    cpu_pools: Annotated[tuple[CpuNodesSpec, ...], Field(min_length=1)]
    autoscaler: Literal["cluster_autoscaler", "karpenter"] = "cluster_autoscaler"
    addons: AddonsSpec
    # Those that CloudWatch knows, from the least that an investigation needs.
    log_retention_days: Literal[90, 120, 150, 180, 365, 400, 545, 731] = 365
    gateway: AwsGatewaySpec
    images: ImagesSpec
    admission: AdmissionSpec | None = None
    mlflow_database: DatabaseSpec = DatabaseSpec()
    feast_database: DatabaseSpec = DatabaseSpec()
    online_store: OnlineStoreSpec = OnlineStoreSpec()
    budget: BudgetSpec
    retraining: AwsRetrainerSpec | None = None

    @property
    def subnets(self) -> SubnetPlan:
        """How the network is divided."""
        return subnet_plan(self.vpc_cidr)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.availability_zones)) != _ZONES:
            raise ValueError(f"availability_zones to be {_ZONES} different ones, not {self.availability_zones}")
        if ipaddress.ip_network(self.vpc_cidr).overlaps(ipaddress.ip_network(self.service_cidr)):
            raise ValueError(f"vpc_cidr ({self.vpc_cidr}) and service_cidr ({self.service_cidr}) to be apart")
        names = [pool.name for pool in self.cpu_pools]
        if len(set(names)) != len(names):
            raise ValueError(f"cpu_pools to have different names, not {', '.join(names)}")
        if self.admission is not None and self.retraining is not None and self.retraining.signing_secret is None:
            raise ValueError("retraining.signing_secret where admission is on: an image without a signature never runs")
        return self

    def problem_in(self, region: str) -> str:
        """Returns what of it does not lie in `region`, empty when all does."""
        outside = [zone for zone in self.availability_zones if not re.fullmatch(re.escape(region) + "[a-z]", zone)]
        return f"availability_zones of region {region}, not {', '.join(outside)}" if outside else ""
