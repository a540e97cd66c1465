"""The cluster itself: who reaches it, what it records, how its nodes are built."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.resource import Resource, at, number, rows, truthy
from policies.rule import Context, Scope, Severity, rule
from policies.unknown import Undecidable

__all__ = ["endpoint_private", "envelope_encrypted", "logs_kept", "nodes_hardened", "version_supported"]

_CLUSTER = "aws:eks/cluster:Cluster"
_KEY = "aws:kms/key:Key"
_LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_NONE: Mapping[str, Any] = {}


@rule(
    "ML015",
    "private endpoint",
    severity=Severity.CRITICAL,
    types=(_CLUSTER,),
    fix="Set endpointPublicAccess to false and endpointPrivateAccess to true in vpcConfig.",
    passing={"vpcConfig": {"endpointPublicAccess": False, "endpointPrivateAccess": True}},
    failing={"vpcConfig": {"endpointPrivateAccess": True}},
)
def endpoint_private(resource: Resource, _context: Context) -> Iterator[str]:
    """The cluster's API is reached from inside the network only; left out, AWS opens it to the world."""
    config = resource.props.get("vpcConfig") or _NONE
    for key, wanted in (("endpointPublicAccess", False), ("endpointPrivateAccess", True)):
        if config.get(key) is not wanted:
            yield f"vpcConfig.{key} is {config.get(key)!r}, expected {wanted}"


@rule(
    "ML016",
    "control plane logs kept",
    severity=Severity.HIGH,
    types=(_CLUSTER,),
    scope=Scope.STACK,
    fix="Enable all five log types and declare the log group /aws/eks/NAME/cluster with its retention.",
    passing=(
        Resource(_CLUSTER, "example", {"name": "prod", "enabledClusterLogTypes": list(_LOGS)}),
        Resource(_LOG_GROUP, "logs", {"name": "/aws/eks/prod/cluster", "retentionInDays": 365}),
    ),
    failing=(
        Resource(_CLUSTER, "example", {"name": "prod", "enabledClusterLogTypes": list(_LOGS)}),
        Resource(_LOG_GROUP, "logs", {"name": "/aws/eks/prod/cluster"}),
    ),
)
def logs_kept(resource: Resource, context: Context) -> Iterator[str]:
    """All five logs of the control plane are written and kept for as long as an investigation needs them."""
    enabled = [*rows(resource.props.get("enabledClusterLogTypes"))]
    if missing := [kind for kind in _LOGS if kind not in enabled]:
        yield f"enabledClusterLogTypes lacks {', '.join(missing)}"
    name = resource.props.get("name")
    if not name:
        raise Undecidable("name of the cluster, expected it to name its log group")
    wanted = f"/aws/eks/{name}/cluster"
    groups = [group for group in context.stack.of(_LOG_GROUP) if group.props.get("name") == wanted]
    if not groups:
        yield f"no log group {wanted!r}, expected one with retentionInDays"
    for group in groups:
        days, least = number(group.props.get("retentionInDays")) or 0, context.settings.log_retention_days
        if days < least:
            yield f"log group {wanted!r} has retentionInDays {days:g}, expected {least} or more"


@rule(
    "ML017",
    "secrets enveloped, keys rotated",
    severity=Severity.HIGH,
    types=(_CLUSTER, _KEY),
    fix="Set encryptionConfig with a KMS key for secrets, and enableKeyRotation on every key.",
    passing={
        "encryptionConfig": {
            "provider": {"keyArn": "arn:aws:kms:eu-west-1:111111111111:key/1"},
            "resources": ["secrets"],
        }
    },
    failing={"encryptionConfig": {"provider": {"keyArn": "arn:aws:kms:eu-west-1:111111111111:key/1"}, "resources": []}},
)
def envelope_encrypted(resource: Resource, _context: Context) -> Iterator[str]:
    """The cluster's secrets are encrypted with a KMS key of its own, and every symmetric key rotates."""
    if resource.type == _CLUSTER:
        config = resource.props.get("encryptionConfig")
        if not at(config, "provider", "keyArn"):
            yield f"encryptionConfig.provider.keyArn is {at(config, 'provider', 'keyArn')!r}, expected a KMS key"
        if "secrets" not in rows(at(config, "resources")):
            yield f"encryptionConfig.resources is {[*rows(at(config, 'resources'))]}, expected ['secrets']"
        return
    # AWS rotates symmetric keys only.
    symmetric = resource.props.get("customerMasterKeySpec") in (None, "SYMMETRIC_DEFAULT")
    if symmetric and resource.props.get("enableKeyRotation") is not True:
        yield f"enableKeyRotation is {resource.props.get('enableKeyRotation')!r}, expected True"


def _template(hops: int) -> Mapping[str, Any]:
    return {
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": hops},
        "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"encrypted": "true"}}],
    }


@rule(
    "ML018",
    "nodes hardened",
    severity=Severity.CRITICAL,
    types=(
        "aws:ec2/launchTemplate:LaunchTemplate",
        "aws:ec2/instance:Instance",
        "aws:ebs/volume:Volume",
        "aws:eks/nodeGroup:NodeGroup",
        "kubernetes:karpenter.k8s.aws/*",
    ),
    fix="Give the node group a launch template with httpTokens: required, httpPutResponseHopLimit: 1 and encrypted "
    "volumes.",
    passing=_template(hops=1),
    failing=_template(hops=2),
)
def nodes_hardened(resource: Resource, _context: Context) -> Iterator[str]:
    """No pod reaches its node's credentials, for the metadata service wants a token and ends at one hop, and every
    volume is encrypted."""
    props, kind = resource.props, resource.type.rpartition(":")[2]
    if kind == "NodeGroup":
        if not props.get("launchTemplate"):
            yield "launchTemplate is missing: without one the hop limit is 2"
    elif kind == "Volume":
        if props.get("encrypted") is not True:
            yield f"encrypted is {props.get('encrypted')!r}, expected True"
    elif kind == "Instance":
        yield from _metadata(props)
        disks = [("rootBlockDevice", props.get("rootBlockDevice") or _NONE)]
        disks += [(f"ebsBlockDevices.{i}", one) for i, one in enumerate(rows(props.get("ebsBlockDevices")))]
        yield from _disks(disks)
    elif kind in ("LaunchTemplate", "EC2NodeClass"):
        spec = props if kind == "LaunchTemplate" else props.get("spec") or _NONE
        yield from _metadata(spec)
        mappings = rows(spec.get("blockDeviceMappings"))
        if not mappings:
            yield "blockDeviceMappings is empty, expected an encrypted volume"
        yield from _disks([(f"blockDeviceMappings.{i}.ebs", one.get("ebs") or _NONE) for i, one in enumerate(mappings)])


def _metadata(props: Mapping[str, Any]) -> Iterator[str]:
    options = props.get("metadataOptions") or _NONE
    if options.get("httpTokens") != "required":
        yield f"metadataOptions.httpTokens is {options.get('httpTokens')!r}, expected 'required'"
    if number(options.get("httpPutResponseHopLimit")) != 1:
        yield f"metadataOptions.httpPutResponseHopLimit is {options.get('httpPutResponseHopLimit')!r}, expected 1"


def _disks(disks: list[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    for where, disk in disks:
        if not truthy(disk.get("encrypted")):
            yield f"{where}.encrypted is {disk.get('encrypted')!r}, expected true"


@rule(
    "ML019",
    "supported Kubernetes",
    severity=Severity.MEDIUM,
    types=(_CLUSTER, "aws:eks/nodeGroup:NodeGroup"),
    fix="Name a version of `kubernetes_versions` in policies/settings.yaml, and upgrade before its support ends.",
    passing={"version": "1.36"},
    failing={"version": "1.29"},
)
def version_supported(resource: Resource, context: Context) -> Iterator[str]:
    """The cluster and its nodes name a Kubernetes version in standard support; left out, AWS chooses one."""
    version = resource.props.get("version")
    if version is None and resource.type != _CLUSTER:
        return  # nodes follow their cluster
    if version not in context.settings.kubernetes_versions:
        yield f"version is {version!r}, expected one of {', '.join(context.settings.kubernetes_versions)}"
