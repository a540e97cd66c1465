"""Cluster: EKS with a private endpoint, its Secrets under a key of its own, all five logs, and access by entries."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, ec2, eks, iam, vpc

from components.aws.account import Account
from components.aws.identity import granted, service_role
from components.aws.tags import kept, tags
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec, Tier

__all__ = ["Cluster", "ClusterOutputs"]

_LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
_HTTPS_PORT = 443


@dataclass(frozen=True)
class ClusterOutputs:
    """Where the API is, who vouches for it, and the group that nodes and pods are in."""

    endpoint: pulumi.Output[str]
    certificate_authority: pulumi.Output[str]
    nodes_group_id: pulumi.Output[str]


class Cluster(pulumi.ComponentResource):
    """The control plane; in prod it outlives a mistake.

    Those who may do everything have access entries: whoever created the cluster is nobody in it.
    """

    outputs: ClusterOutputs
    # What nodes and objects in the cluster wait for.
    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        *,
        vpc_id: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:Cluster", name, {}, opts)
        self._name, self._environment, self._spec = name, environment, Account.of(environment).spec
        self._child = pulumi.ResourceOptions(parent=self)
        logs = cloudwatch.LogGroup(
            f"{name}-logs",
            # EKS writes here and nowhere else; made by EKS, it would keep them for ever and in clear text.
            name=f"/aws/eks/{cluster_name(environment)}/cluster",
            kms_key_id=key_arn,
            retention_in_days=self._spec.log_retention_days,
            tags=tags(environment),
            opts=self._child,
        )
        role, rights = self._role(key_arn)
        group, reached = self._api_group(vpc_id)
        cluster = self._cluster(role, group, subnet_ids, key_arn, [logs, rights, reached])
        self.ready = self._admins(cluster)
        self.outputs = ClusterOutputs(
            cluster.endpoint,
            cluster.certificate_authority.apply(lambda authority: authority.data or ""),
            cluster.vpc_config.apply(lambda config: config.cluster_security_group_id or ""),
        )
        self.register_outputs({})

    def _role(self, key_arn: pulumi.Input[str]) -> tuple[iam.Role, pulumi.Resource]:
        """Returns the control plane's role, and the last of its rights."""
        role = service_role("cluster", "eks", self._environment, self._child)
        attached = iam.RolePolicyAttachment(
            f"{self._name}-role-eks",
            role=role.name,
            policy_arn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy",
            opts=self._child,
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[attached])
        return role, granted("cluster", "cluster", self._environment, role, {"cluster_key": key_arn}, after)

    def _api_group(self, vpc_id: pulumi.Input[str]) -> tuple[ec2.SecurityGroup, pulumi.Resource]:
        """Returns the group, and the last of its rules: each comes after the one before."""
        # Nodes reach the API by the group that EKS makes; this one is for people and pipelines.
        group = ec2.SecurityGroup(
            f"{self._name}-api",
            name=f"{cluster_name(self._environment)}-api",
            description="Who reaches the API from outside the cluster",
            vpc_id=vpc_id,
            tags={**tags(self._environment), "Name": f"{cluster_name(self._environment)}-api"},
            opts=self._child,
        )
        last: pulumi.Resource = group
        for number, addresses in enumerate(self._spec.operator_ranges):
            last = vpc.SecurityGroupIngressRule(
                f"{self._name}-operators-{number}",
                security_group_id=group.id,
                description="Operators and pipelines",
                cidr_ipv4=addresses,
                ip_protocol="tcp",
                from_port=_HTTPS_PORT,
                to_port=_HTTPS_PORT,
                tags=tags(self._environment),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[last]),
            )
        return group, last

    def _cluster(
        self,
        role: iam.Role,
        group: ec2.SecurityGroup,
        subnet_ids: Sequence[pulumi.Input[str]],
        key_arn: pulumi.Input[str],
        waits: Sequence[pulumi.Resource],
    ) -> eks.Cluster:
        environment = self._environment
        return eks.Cluster(
            f"{self._name}-eks",
            name=cluster_name(environment),
            version=environment.cluster_version,
            role_arn=role.arn,
            access_config=eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
            ),
            vpc_config=eks.ClusterVpcConfigArgs(
                endpoint_private_access=True,
                endpoint_public_access=False,
                subnet_ids=list(subnet_ids),
                security_group_ids=[group.id],
            ),
            kubernetes_network_config=eks.ClusterKubernetesNetworkConfigArgs(service_ipv4_cidr=self._spec.service_cidr),
            encryption_config=eks.ClusterEncryptionConfigArgs(
                provider=eks.ClusterEncryptionConfigProviderArgs(key_arn=key_arn), resources=["secrets"]
            ),
            enabled_cluster_log_types=_LOGS,
            # All add-ons are this stack's, at versions of the environment's.
            bootstrap_self_managed_addons=False,
            deletion_protection=environment.tier is Tier.PROD,
            # Beyond standard support the control plane costs six times as much; EKS upgrades it instead.
            upgrade_policy=eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            tags=tags(environment),
            opts=kept(environment, pulumi.ResourceOptions(parent=self, depends_on=list(waits))),
        )

    def _admins(self, cluster: eks.Cluster) -> pulumi.Resource:
        """Returns the last of the admins' rights: each comes after the one before, whichever of them runs Pulumi."""
        ready: pulumi.Resource = cluster
        for number, arn in enumerate(self._spec.admin_role_arns):
            entry = eks.AccessEntry(
                f"{self._name}-admin-{number}",
                cluster_name=cluster.name,
                principal_arn=arn,
                type="STANDARD",
                tags=tags(self._environment),
                opts=self._child,
            )
            ready = eks.AccessPolicyAssociation(
                f"{self._name}-admin-{number}-rights",
                cluster_name=cluster.name,
                principal_arn=entry.principal_arn,
                policy_arn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
                access_scope=eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[ready]),
            )
        return ready
