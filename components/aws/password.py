"""StorePassword: the online store's password, made and changed by a function, in Secrets Manager and nowhere else."""

from importlib.resources import files

import pulumi
from pulumi_aws import cloudwatch, lambda_, secretsmanager

from components.aws.account import Account
from components.aws.identity import granted, service_role
from components.aws.tags import keeps_data, kept, tags
from shipway.contract.cluster import online_store_user
from shipway.contract.environment import EnvironmentSpec

__all__ = ["StorePassword"]

_RUNTIME, _TIMEOUT_SECONDS = "python3.13", 240
_FUNCTION = "online_store_password"


class StorePassword(pulumi.ComponentResource):
    """The secret, and the function that Secrets Manager calls at once and then every so many days.

    A password that Pulumi made, or passed on as a write-only argument, would lie in its state among the inputs.

    Args of the constructor:
        user_arn: whose password it is.
        change_days: how often it changes.
        key_arn: what the secret is encrypted with.
    """

    secret_arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        *,
        user_arn: pulumi.Input[str],
        change_days: int,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:StorePassword", name, {}, opts)
        self._name, self._environment, self._account = name, environment, Account.of(environment)
        self._tags, self._child = tags(environment), pulumi.ResourceOptions(parent=self)
        secret = secretsmanager.Secret(
            f"{name}-secret",
            name=f"shipway-{environment.name}/online-store",
            description="The online store's user and password",
            kms_key_id=key_arn,
            # A name that is kept back cannot be used again: an environment of a few days is made anew under its name.
            recovery_window_in_days=30 if keeps_data(environment) else 0,
            tags=self._tags,
            opts=kept(environment, self._child),
        )
        function, policy = self._function(secret.arn, user_arn, key_arn)
        permission = lambda_.Permission(
            f"{name}-call",
            action="lambda:InvokeFunction",
            function=function.name,
            principal="secretsmanager.amazonaws.com",
            source_arn=secret.arn,
            source_account=self._account.id,
            opts=self._child,
        )
        secretsmanager.SecretRotation(
            f"{name}-change",
            secret_id=secret.id,
            rotation_lambda_arn=function.arn,
            rotation_rules=secretsmanager.SecretRotationRotationRulesArgs(automatically_after_days=change_days),
            # The first change is what makes the first password.
            rotate_immediately=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission, policy]),
        )
        self.secret_arn = secret.arn
        self.register_outputs({})

    def _function(
        self, secret_arn: pulumi.Input[str], user_arn: pulumi.Input[str], key_arn: pulumi.Input[str]
    ) -> tuple[lambda_.Function, pulumi.Resource]:
        name = f"shipway-{self._environment.name}-online-store-password"
        log = cloudwatch.LogGroup(
            f"{self._name}-log",
            name=f"/aws/lambda/{name}",
            kms_key_id=key_arn,
            retention_in_days=self._account.spec.log_retention_days,
            tags=self._tags,
            opts=self._child,
        )
        role = service_role(self._name, "lambda", self._environment, self._child)
        values = {
            "online_store_secret": secret_arn,
            "online_store_user": user_arn,
            "data_key": key_arn,
            "password_log": log.arn,
        }
        policy = granted(self._name, "online-store-password", self._environment, role, values, self._child)
        source = files("components.aws.functions").joinpath(f"{_FUNCTION}.py").read_text(encoding="utf-8")
        function = lambda_.Function(
            f"{self._name}-function",
            name=name,
            description="Changes the online store's password",
            runtime=_RUNTIME,
            handler=f"{_FUNCTION}.handler",
            code=pulumi.AssetArchive({f"{_FUNCTION}.py": pulumi.StringAsset(source)}),
            role=role.arn,
            timeout=_TIMEOUT_SECONDS,
            environment=lambda_.FunctionEnvironmentArgs(
                variables={"USER_ID": online_store_user(self._environment)},
            ),
            kms_key_arn=key_arn,
            logging_config=lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=log.name),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        return function, policy
