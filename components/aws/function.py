"""What every function in AWS Lambda is made of: its log, its role with its rows of the grants, its source."""

from collections.abc import Mapping
from importlib.resources import files

import pulumi
from pulumi_aws import cloudwatch, lambda_

from components.aws.account import Account
from components.aws.identity import granted, service_role
from components.aws.tags import tags
from shipway.contract.environment import EnvironmentSpec

__all__ = ["python_function"]

_RUNTIME = "python3.13"


def python_function(
    name: str,
    part: str,
    environment: EnvironmentSpec,
    *,
    source: str,
    description: str,
    timeout_seconds: int,
    key_arn: pulumi.Input[str],
    values: Mapping[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
    variables: Mapping[str, pulumi.Input[str]] | None = None,
) -> tuple[lambda_.Function, pulumi.Resource]:
    """Returns a function, and what it may do: who calls it waits for both.

    Args:
        name: the resources' name.
        part: whose rows of the grants it gets, and the end of its own name.
        environment: where.
        source: the file in `components/aws/functions`, without its ending; its `handler` is called.
        description: what it does.
        timeout_seconds: how long it may take.
        key_arn: what its log, and its variables, are encrypted with.
        values: what its rows leave open besides its log, which is `function_log`.
        opts: the parent.
        variables: of its environment.
    """
    own = f"shipway-{environment.name}-{part}"
    log = cloudwatch.LogGroup(
        f"{name}-log",
        name=f"/aws/lambda/{own}",
        kms_key_id=key_arn,
        retention_in_days=Account.of(environment).spec.log_retention_days,
        tags=tags(environment),
        opts=opts,
    )
    role = service_role(name, "lambda", environment, opts)
    policy = granted(name, part, environment, role, {**values, "function_log": log.arn}, opts)
    text = files("components.aws.functions").joinpath(f"{source}.py").read_text(encoding="utf-8")
    function = lambda_.Function(
        f"{name}-function",
        name=own,
        description=description,
        runtime=_RUNTIME,
        handler=f"{source}.handler",
        code=pulumi.AssetArchive({f"{source}.py": pulumi.StringAsset(text)}),
        role=role.arn,
        timeout=timeout_seconds,
        environment=lambda_.FunctionEnvironmentArgs(variables=dict(variables)) if variables else None,
        kms_key_arn=key_arn if variables else None,
        logging_config=lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=log.name),
        tags=tags(environment),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[policy])),
    )
    return function, policy
