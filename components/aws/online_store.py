"""OnlineStore: Valkey on ElastiCache, over TLS alone, with one user who can do what Feast does."""

from collections.abc import Sequence

import pulumi
from pulumi_aws import cloudwatch, elasticache

from components.aws.account import Account
from components.aws.entrance import open_to_nodes
from components.aws.tags import keeps_data, kept, tags
from shipway.contract.aws_data import OnlineStoreSpec
from shipway.contract.cluster import online_store_user
from shipway.contract.environment import EnvironmentSpec

__all__ = ["OnlineStore"]

_VERSION, _PORT = "8.0", 6379
# Values and no more: nobody empties the store, reads its configuration or takes part in its replication.
_ACCESS = "on ~* -@all +@read +@write +@connection +@transaction -@dangerous"


class OnlineStore(pulumi.ComponentResource):
    """The store of feature values; only the cluster's nodes reach it.

    Its user is made without a password, known by IAM alone, which Feast cannot use: what gives it one comes later, and
    until then nobody is let in.

    Args of the constructor:
        spec: its size.
        key_arn: what it is encrypted with.
        vpc_id, subnet_ids: where it listens.
        clients_security_group_id: who may connect.
    """

    host: pulumi.Output[str]
    user_arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        *,
        spec: OnlineStoreSpec,
        key_arn: pulumi.Input[str],
        vpc_id: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        clients_security_group_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:OnlineStore", name, {}, opts)
        self._name, self._environment = name, environment
        self._identifier, self._tags = f"shipway-{environment.name}-online", tags(environment)
        self._child = pulumi.ResourceOptions(parent=self)
        subnets = elasticache.SubnetGroup(
            f"{name}-subnets", name=self._identifier, subnet_ids=subnet_ids, tags=self._tags, opts=self._child
        )
        access = open_to_nodes(
            name,
            environment,
            identifier=self._identifier,
            port=_PORT,
            vpc_id=vpc_id,
            nodes_group_id=clients_security_group_id,
            opts=self._child,
        )
        user = self._user()
        group = elasticache.ReplicationGroup(
            f"{name}-group",
            replication_group_id=self._identifier,
            description=f"Feature values of {environment.name}",
            engine="valkey",
            engine_version=_VERSION,
            node_type=spec.node_type,
            num_cache_clusters=1 + spec.replicas,
            automatic_failover_enabled=spec.replicas > 0,
            multi_az_enabled=spec.replicas > 0,
            port=_PORT,
            subnet_group_name=subnets.name,
            security_group_ids=[access.id],
            at_rest_encryption_enabled=True,
            kms_key_id=key_arn,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            user_group_ids=[self._users(user).user_group_id],
            snapshot_retention_limit=spec.snapshot_days,
            final_snapshot_identifier=f"{self._identifier}-final" if keeps_data(environment) else None,
            auto_minor_version_upgrade=True,
            log_delivery_configurations=[self._slow_log(key_arn)],
            tags=self._tags,
            opts=kept(environment, self._child),
        )
        self.host, self.user_arn = group.primary_endpoint_address, user.arn
        self.register_outputs({})

    def _user(self) -> elasticache.User:
        user = online_store_user(self._environment)
        return elasticache.User(
            f"{self._name}-user",
            engine="valkey",
            # One that IAM knows must be called what it is.
            user_id=user,
            user_name=user,
            access_string=_ACCESS,
            authentication_mode=elasticache.UserAuthenticationModeArgs(type="iam"),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["authenticationMode"]),
        )

    def _users(self, user: elasticache.User) -> elasticache.UserGroup:
        return elasticache.UserGroup(
            f"{self._name}-users",
            engine="valkey",
            user_group_id=self._identifier,
            user_ids=[user.user_id],
            tags=self._tags,
            opts=self._child,
        )

    def _slow_log(self, key_arn: pulumi.Input[str]) -> elasticache.ReplicationGroupLogDeliveryConfigurationArgs:
        log = cloudwatch.LogGroup(
            f"{self._name}-slow-log",
            name=f"/aws/elasticache/{self._identifier}/slow",
            kms_key_id=key_arn,
            retention_in_days=Account.of(self._environment).spec.log_retention_days,
            tags=self._tags,
            opts=self._child,
        )
        return elasticache.ReplicationGroupLogDeliveryConfigurationArgs(
            destination=log.name, destination_type="cloudwatch-logs", log_format="json", log_type="slow-log"
        )
