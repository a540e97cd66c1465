"""StorePassword: the online store's password, made and changed by a function, in Secrets Manager and nowhere else."""

import pulumi
from pulumi_aws import lambda_, secretsmanager

from components.aws.account import Account
from components.aws.function import python_function
from components.aws.tags import keeps_data, kept, tags
from shipway.contract.cluster import online_store_user
from shipway.contract.environment import EnvironmentSpec

__all__ = ["StorePassword"]

_TIMEOUT_SECONDS = 240
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
        return python_function(
            self._name,
            "online-store-password",
            self._environment,
            source=_FUNCTION,
            description="Changes the online store's password",
            timeout_seconds=_TIMEOUT_SECONDS,
            key_arn=key_arn,
            values={"online_store_secret": secret_arn, "online_store_user": user_arn, "data_key": key_arn},
            variables={"USER_ID": online_store_user(self._environment)},
            opts=self._child,
        )
