"""Database: one Postgres of RDS, whose password RDS makes, changes and keeps in Secrets Manager."""

from collections.abc import Sequence

import pulumi
from pulumi_aws import cloudwatch, ec2, iam, rds

from components.aws.account import Account
from components.aws.entrance import open_to_nodes
from components.aws.identity import service_role
from components.aws.tags import keeps_data, kept, tags
from shipway.contract.aws_data import DatabaseSpec
from shipway.contract.environment import EnvironmentSpec

__all__ = ["Database"]

# A major version: the minor ones come by themselves, in the maintenance window.
_MAJOR, _PORT = "17", 5432
_MONITORING_SECONDS = 60
# The span that Performance Insights is free of charge for.
_INSIGHTS_DAYS = 7
_LOGS = ("postgresql", "upgrade")
_PARAMETERS = {
    # Who connects without TLS is refused.
    "rds.force_ssl": "1",
    "log_statement": "ddl",
    "log_min_duration_statement": "1000",
}


class Database(pulumi.ComponentResource):
    """A database and its owner of the same name; only the cluster's nodes reach it.

    Args of the constructor:
        database: the database and its owner.
        spec: its size.
        key_arn: what it is encrypted with.
        vpc_id, subnet_ids: where it listens, in at least two zones.
        clients_security_group_id: who may connect.
    """

    host: pulumi.Output[str]
    secret_arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        *,
        database: str,
        spec: DatabaseSpec,
        key_arn: pulumi.Input[str],
        vpc_id: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        clients_security_group_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:Database", name, {}, opts)
        self._name, self._environment, self._tags = name, environment, tags(environment)
        self._identifier = f"shipway-{environment.name}-{database}"
        self._child = pulumi.ResourceOptions(parent=self)
        subnets = rds.SubnetGroup(
            f"{name}-subnets", name=self._identifier, subnet_ids=subnet_ids, tags=self._tags, opts=self._child
        )
        group = open_to_nodes(
            name,
            environment,
            identifier=self._identifier,
            port=_PORT,
            vpc_id=vpc_id,
            nodes_group_id=clients_security_group_id,
            opts=self._child,
        )
        instance = self._instance(database, spec, key_arn, subnets, group)
        self.host = instance.address
        self.secret_arn = instance.master_user_secrets.apply(_arn)
        self.register_outputs({})

    def _instance(
        self,
        database: str,
        spec: DatabaseSpec,
        key_arn: pulumi.Input[str],
        subnets: rds.SubnetGroup,
        group: ec2.SecurityGroup,
    ) -> rds.Instance:
        keeps, (role, attached) = keeps_data(self._environment), self._monitoring()
        ready = [*self._logs(key_arn), attached]
        return rds.Instance(
            f"{self._name}-instance",
            identifier=self._identifier,
            engine="postgres",
            engine_version=_MAJOR,
            auto_minor_version_upgrade=True,
            instance_class=spec.instance_class,
            allocated_storage=spec.storage_gib,
            max_allocated_storage=spec.max_storage_gib,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=key_arn,
            db_name=database,
            username=database,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=key_arn,
            iam_database_authentication_enabled=True,
            port=_PORT,
            db_subnet_group_name=subnets.name,
            parameter_group_name=self._parameters().name,
            vpc_security_group_ids=[group.id],
            publicly_accessible=False,
            multi_az=keeps,
            backup_retention_period=spec.backup_days,
            copy_tags_to_snapshot=True,
            delete_automated_backups=not keeps,
            deletion_protection=keeps,
            skip_final_snapshot=not keeps,
            final_snapshot_identifier=f"{self._identifier}-final" if keeps else None,
            enabled_cloudwatch_logs_exports=list(_LOGS),
            monitoring_interval=_MONITORING_SECONDS,
            monitoring_role_arn=role.arn,
            performance_insights_enabled=True,
            performance_insights_kms_key_id=key_arn,
            performance_insights_retention_period=_INSIGHTS_DAYS,
            tags=self._tags,
            opts=kept(self._environment, pulumi.ResourceOptions(parent=self, depends_on=ready)),
        )

    def _parameters(self) -> rds.ParameterGroup:
        return rds.ParameterGroup(
            f"{self._name}-parameters",
            # A new major version needs a new group beside the old one.
            name=f"{self._identifier}-{_MAJOR}",
            family=f"postgres{_MAJOR}",
            parameters=[rds.ParameterGroupParameterArgs(name=key, value=value) for key, value in _PARAMETERS.items()],
            tags=self._tags,
            opts=self._child,
        )

    def _logs(self, key_arn: pulumi.Input[str]) -> list[pulumi.Resource]:
        # RDS would make them itself: without a key, and for ever.
        return [
            cloudwatch.LogGroup(
                f"{self._name}-{log}-log",
                name=f"/aws/rds/instance/{self._identifier}/{log}",
                kms_key_id=key_arn,
                retention_in_days=Account.of(self._environment).spec.log_retention_days,
                tags=self._tags,
                opts=self._child,
            )
            for log in _LOGS
        ]

    def _monitoring(self) -> tuple[iam.Role, pulumi.Resource]:
        role = service_role(f"{self._name}-monitoring", "monitoring.rds", self._environment, self._child)
        attached = iam.RolePolicyAttachment(
            f"{self._name}-monitoring-policy",
            role=role.name,
            policy_arn="arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole",
            opts=self._child,
        )
        return role, attached


def _arn(secrets: Sequence[rds.outputs.InstanceMasterUserSecret]) -> str:
    # RDS keeps one secret, of the one password that it manages; the SDK types its ARN as optional.
    (secret,) = secrets
    if secret.secret_arn is None:
        raise ValueError("the database has no secret, expected one that RDS manages")
    return secret.secret_arn
