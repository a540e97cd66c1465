"""AWS resources as a Terraform plan: what graders of Terraform read, with names and nesting as Terraform has them.

Pulumi's provider is made from Terraform's, so types, names and nesting follow by rule from the SDK's own types. Where a
name does not, it is in a table; where it is in neither, exporting fails rather than leave a resource unjudged.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

import pulumi
from pulumi import _types as types_of
from pulumi.runtime.rpc import is_rpc_secret, unwrap_rpc_secret

from tests.components.recorded import Registration, sdk_types

__all__ = ["plan", "terraform_type"]

# What the rule does not give: Terraform calls these services otherwise than Pulumi's modules.
_NAMED: Mapping[str, str] = {
    "aws:amp/workspace:Workspace": "aws_prometheus_workspace",
    "aws:costexplorer/anomalyMonitor:AnomalyMonitor": "aws_ce_anomaly_monitor",
    "aws:costexplorer/anomalySubscription:AnomalySubscription": "aws_ce_anomaly_subscription",
    "aws:lb/loadBalancer:LoadBalancer": "aws_lb",
    "aws:rds/instance:Instance": "aws_db_instance",
    "aws:rds/optionGroup:OptionGroup": "aws_db_option_group",
    "aws:rds/parameterGroup:ParameterGroup": "aws_db_parameter_group",
    "aws:rds/subnetGroup:SubnetGroup": "aws_db_subnet_group",
}
# In the provider, but younger than the grader's list of types.
_YOUNG = frozenset({"aws_eks_pod_identity_association"})


def terraform_type(token: str, known: Iterable[str]) -> str:
    """Returns what Terraform calls the type of an AWS resource.

    Args:
        token: Pulumi's, such as aws:s3/bucket:Bucket.
        known: Terraform's types.

    Raises:
        LookupError: when neither rule nor table gives a known one.
    """
    if named := _NAMED.get(token):
        return named
    _, module, name = token.split(":")
    service = module.partition("/")[0]
    candidates = [f"aws_{service}_{_snake(name)}", f"aws_{_snake(name)}"]
    known = {*known, *_YOUNG}
    for candidate in candidates:
        if candidate in known:
            return candidate
    raise LookupError(f"{token}: neither of {', '.join(candidates)} is a type of Terraform; name it in {__name__}")


def plan(registrations: Iterable[Registration], known: Iterable[str]) -> dict[str, Any]:
    """Returns the plan that creates these resources, without those that are not AWS's."""
    known = frozenset(known)
    found = [one for one in registrations if one.type.startswith("aws:")]
    addresses = {one.urn: (terraform_type(one.type, known), one.name) for one in found}
    if len(set(addresses.values())) < len(addresses):
        raise ValueError("two resources of one type have one name: a plan could not tell them apart")
    planned, changes, configured = [], [], []
    for one in found:
        kind, name = addresses[one.urn]
        values = _block(one.inputs, sdk_types(one.type))
        about = {"address": f"{kind}.{name}", "mode": "managed", "type": kind, "name": name}
        planned.append({**about, "values": values})
        change = {"actions": ["create"], "before": None, "after": values, "after_unknown": {}}
        changes.append({**about, "change": change})
        configured.append({**about, "expressions": _expressions(one, addresses)})
    return {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": planned}},
        "resource_changes": changes,
        "configuration": {"root_module": {"resources": configured}},
    }


def _expressions(one: Registration, addresses: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, urns in one.references.items():
        named = [".".join(addresses[urn]) for urn in urns if urn in addresses]
        if named:
            found[_snake(key)] = {"references": [text for name in named for text in (f"{name}.id", name)]}
    return found


def _block(values: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key.startswith("__"):
            continue
        name, converted = _snake(key), _value(value, types.get(key))
        found[name] = converted
        # Pulumi puts the names of lists into the plural. Which of both Terraform has, the SDK does not say: both are
        # written, and a grader reads the one it knows.
        if isinstance(value, list) and (singular := _singular(name)) != name and _snake(singular) not in values:
            found.setdefault(singular, converted)
    return found


def _value(value: Any, kind: Any) -> Any:
    if is_rpc_secret(value):
        value = unwrap_rpc_secret(value)
    if isinstance(value, pulumi.Archive | pulumi.Asset):
        # Terraform has the name of a file here.
        return type(value).__name__
    if isinstance(value, Mapping):
        if kind is not None and types_of.is_output_type(kind):
            # A nested block, which Terraform always keeps in a list.
            return [_block(value, types_of.output_type_types(kind))]
        # A document where Terraform takes its text; else a map, whose keys are the user's own.
        return json.dumps(value) if kind is str else {key: _value(one, None) for key, one in value.items()}
    if isinstance(value, list):
        inner = next(iter(get_args(kind)), None) if get_origin(kind) is not None else None
        items = [_value(one, inner) for one in value]
        return [part for one in items for part in (one if isinstance(one, list) else [one])]
    return value


def _snake(name: str) -> str:
    """Returns a name of Pulumi as Terraform writes it.

    >>> _snake("enabledCloudwatchLogsExports"), _snake("SecurityGroup"), _snake("s3Import")
    ('enabled_cloudwatch_logs_exports', 'security_group', 's3_import')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _singular(name: str) -> str:
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name
