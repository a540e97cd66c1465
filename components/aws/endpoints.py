"""Endpoints: AWS's own services inside the VPC, so that pods need no way out for them."""

from collections.abc import Sequence

import pulumi
from pulumi_aws import ec2, vpc

from components.aws.account import Account
from components.aws.tags import tags
from shipway.contract.aws import AwsSpec
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec

__all__ = ["Endpoints", "interface_services"]

_HTTPS_PORT = 443
# Service -> who asks it. S3 too by an interface and not by a gateway: a network policy names addresses, and only so
# does S3 have few and private ones.
_SERVICES = {
    "autoscaling": "the cluster autoscaler",
    "ec2": "the CNI, volumes, load balancers, Karpenter",
    "ecr.api": "the nodes, for images",
    "ecr.dkr": "the nodes, for images",
    "eks": "nodes that join, the autoscaler",
    "eks-auth": "the Pod Identity agent",
    "elasticloadbalancing": "the load balancer controller",
    "kms": "volumes",
    "logs": "whoever writes logs",
    "s3": "models, MLflow, delivery; the layers of images",
    "secretsmanager": "the driver that turns secrets into files",
    "sqs": "Karpenter, for interruptions",
    "ssm": "Karpenter, for current images",
    "sts": "whoever asks who it is",
}
# What the other way of adding nodes asks would be paid for in vain.
_ONE_AUTOSCALER = {"cluster_autoscaler": ("sqs", "ssm"), "karpenter": ("autoscaling",)}


def interface_services(spec: AwsSpec) -> tuple[str, ...]:
    """Returns the services that an environment has an endpoint of; each is paid for by the hour and the zone."""
    return tuple(sorted(_SERVICES.keys() - set(_ONE_AUTOSCALER[spec.autoscaler])))


class Endpoints(pulumi.ComponentResource):
    """An address in the intra subnets for each service; in one zone where the way out is in one zone."""

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        *,
        vpc_id: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:Endpoints", name, {}, opts)
        account, child = Account.of(environment), pulumi.ResourceOptions(parent=self)
        spec, own = account.spec, {**tags(environment), "Name": f"{cluster_name(environment)}-endpoints"}
        group = ec2.SecurityGroup(
            f"{name}-group",
            name=f"{cluster_name(environment)}-endpoints",
            description="AWS services inside the network",
            vpc_id=vpc_id,
            tags=own,
            opts=child,
        )
        rules: list[pulumi.Resource] = []
        for zone, nodes in zip(spec.availability_zones, spec.subnets.private, strict=True):
            rules.append(
                vpc.SecurityGroupIngressRule(
                    f"{name}-from-{zone}",
                    security_group_id=group.id,
                    description=f"Nodes and pods of {zone}",
                    cidr_ipv4=nodes,
                    ip_protocol="tcp",
                    from_port=_HTTPS_PORT,
                    to_port=_HTTPS_PORT,
                    tags=tags(environment),
                    opts=child,
                )
            )
        zones = subnet_ids if spec.nat == "per_zone" else subnet_ids[:1]
        for service in interface_services(spec):
            ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=vpc_id,
                service_name=f"com.amazonaws.{account.region}.{service}",
                vpc_endpoint_type="Interface",
                subnet_ids=list(zones),
                security_group_ids=[group.id],
                private_dns_enabled=True,
                dns_options=_dns_options(service),
                tags={**own, "Name": f"{cluster_name(environment)}-{service}"},
                # The service's name leads here as long as it is here: closed before, it would keep callers from AWS.
                opts=pulumi.ResourceOptions(parent=self, depends_on=rules),
            )
        self.register_outputs({})


def _dns_options(service: str) -> ec2.VpcEndpointDnsOptionsArgs | None:
    if service != "s3":
        return None
    # Of S3 AWS expects a gateway beside it, for all callers but those from outside, and refuses it without one.
    return ec2.VpcEndpointDnsOptionsArgs(
        dns_record_ip_type="ipv4", private_dns_only_for_inbound_resolver_endpoint=False
    )
