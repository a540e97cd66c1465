"""What AWS itself refuses most often, in its own words: one function for each, before and while an object is made."""

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from tests.standins.aws_objects import Place
from tests.standins.wire import has_unknown
from tests.standins.world import World

__all__ = ["refusals", "refusals_at_creation"]

Problem = tuple[str, str]
Refusal = Callable[[Mapping[str, Any], Place], Iterator[Problem]]

# Type -> property -> the form of a name, and how AWS says what it is. Each is in the service's API reference.
_NAMES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "aws:ecr/repository:Repository": {
        "name": (
            r"(?=.{2,256}$)[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*",
            "2 to 256 lower-case letters, digits and - _ . / between them",
        )
    },
    "aws:eks/cluster:Cluster": {
        "name": (r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}", "1 to 100 letters, digits, - and _, beginning with none of these two"),
        "version": (r"1\.\d\d", "a Kubernetes version such as 1.34"),
    },
    "aws:eks/nodeGroup:NodeGroup": {"nodeGroupName": (r"[0-9A-Za-z][0-9A-Za-z_-]{0,62}", "1 to 63 letters, digits, - and _")},
    "aws:elasticache/replicationGroup:ReplicationGroup": {
        "replicationGroupId": (
            r"(?=.{1,40}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
            "1 to 40 letters, digits and single hyphens, beginning with a letter",
        )
    },
    "aws:iam/policy:Policy": {"name": (r"[\w+=,.@-]{1,128}", "1 to 128 characters of A-Z a-z 0-9 + = , . @ _ -")},
    "aws:iam/role:Role": {"name": (r"[\w+=,.@-]{1,64}", "1 to 64 characters of A-Z a-z 0-9 + = , . @ _ -")},
    "aws:kms/alias:Alias": {"name": (r"alias/(?!aws/)[\w/-]{1,250}", "alias/NAME, not alias/aws/...")},
    "aws:lb/loadBalancer:LoadBalancer": {
        "name": (r"(?!internal-)[0-9A-Za-z]([0-9A-Za-z-]{0,30}[0-9A-Za-z])?", "1 to 32 letters, digits and inner hyphens")
    },
    "aws:rds/instance:Instance": {
        "identifier": (
            r"(?=.{1,63}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
            "1 to 63 letters, digits and single hyphens, beginning with a letter",
        )
    },
    "aws:s3/bucket:Bucket": {
        "bucket": (
            r"(?!xn--)(?!(\d+\.){3}\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            "3 to 63 lower-case letters, digits, dots and hyphens",
        )
    },
}
# Type -> property that holds a policy -> the most characters, white space not counted (IAM and STS quotas, S3, KMS).
_POLICIES: Mapping[str, Mapping[str, int]] = {
    "aws:ecr/repositoryPolicy:RepositoryPolicy": {"policy": 10_240},
    "aws:iam/policy:Policy": {"policy": 6_144},
    "aws:iam/role:Role": {"assumeRolePolicy": 2_048},
    "aws:iam/rolePolicy:RolePolicy": {"policy": 10_240},
    "aws:kms/key:Key": {"policy": 32_768},
    "aws:s3/bucketPolicy:BucketPolicy": {"policy": 20_480},
}
_INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9-]*\d[a-z0-9-]*\.(nano|micro|small|medium|large|xlarge|\d+xlarge|metal(-\d+xl)?)")
_TAG = re.compile(r"[\w\s.:/=+@-]*")


def refusals(kind: str, inputs: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Returns property -> why AWS would refuse it, of what is known; an unknown value is judged when it is known."""
    yield from _misnamed(_NAMES.get(kind, {}), inputs)
    yield from _bad_policies(_POLICIES.get(kind, {}), inputs)
    yield from _bad_tags(inputs)
    for refusal in _OF_TYPE.get(kind, ()):
        yield from refusal(inputs, place)


def refusals_at_creation(kind: str, inputs: Mapping[str, Any], world: World) -> Iterator[str]:
    """Returns why AWS would refuse an object for what is there already."""
    if kind == "aws:ec2/subnet:Subnet":
        yield from _misplaced_subnet(inputs, world)


def _known(inputs: Mapping[str, Any], key: str) -> Any:
    value = inputs.get(key)
    return None if value is None or has_unknown(value) else value


def _misnamed(forms: Mapping[str, tuple[str, str]], inputs: Mapping[str, Any]) -> Iterator[Problem]:
    """A name has the form that its service asks for."""
    for key, (form, said) in forms.items():
        value = _known(inputs, key)
        if isinstance(value, str) and not re.fullmatch(form, value):
            yield key, f"ValidationError: {value!r} is no valid value; expected {said}"


def _bad_policies(limits: Mapping[str, int], inputs: Mapping[str, Any]) -> Iterator[Problem]:
    """A policy is JSON with a version and statements that allow or deny, and is no longer than the quota."""
    for key, most in limits.items():
        value = _known(inputs, key)
        if value is None:
            continue
        try:
            document: Any = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            yield key, "MalformedPolicyDocument: This policy contains invalid Json"
            continue
        size = len(re.sub(r"\s", "", value if isinstance(value, str) else json.dumps(value)))
        if size > most:
            yield key, f"LimitExceeded: Cannot exceed quota for PolicySize: {most} (it has {size} characters)"
        yield from ((key, f"MalformedPolicyDocument: {problem}") for problem in _syntax(document))


def _syntax(document: Any) -> Iterator[str]:
    statements: Any = cast(dict[str, Any], document).get("Statement") if isinstance(document, dict) else None
    if not statements:
        yield "Syntax errors in policy: it has no Statement"
        return
    if document.get("Version") != "2012-10-17":
        yield "The policy's Version must be 2012-10-17"
    for number, one in enumerate(statements if isinstance(statements, list) else [statements]):
        if one.get("Effect") not in ("Allow", "Deny"):
            yield f"Statement {number}: Effect must be Allow or Deny"
        if not ({"Action", "NotAction"} & one.keys()):
            yield f"Statement {number}: Statement must contain actions"
        actions = one.get("Action", [])
        for action in actions if isinstance(actions, list) else [actions]:
            if action != "*" and not re.fullmatch(r"[a-z0-9-]+:[A-Za-z*?]+[A-Za-z0-9*?]*", str(action)):
                yield f"Statement {number}: Actions/Conditions must be prefaced by a vendor, not {action!r}"


def _bad_tags(inputs: Mapping[str, Any]) -> Iterator[Problem]:
    """At most 50 tags, none of AWS's own prefix, of the characters and lengths that every service takes."""
    tags = inputs.get("tags")
    if not isinstance(tags, Mapping):
        return
    if len(tags) > 50:
        yield "tags", f"TooManyTags: {len(tags)} tags, the most are 50"
    for key, value in cast(Mapping[str, Any], tags).items():
        if key.lower().startswith("aws:") or not 0 < len(key) <= 128 or not _TAG.fullmatch(key):
            yield f"tags.{key}", "InvalidTag: a key has 1 to 128 characters of A-Z a-z 0-9 space . : / = + - @ _, not aws:"
        if isinstance(value, str) and not has_unknown(value) and (len(value) > 256 or not _TAG.fullmatch(value)):
            yield f"tags.{key}", "InvalidTag: a value has at most 256 characters of A-Z a-z 0-9 space . : / = + - @ _"


def _network(text: Any) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        return None


def _vpc_range(inputs: Mapping[str, Any], _place: Place) -> Iterator[Problem]:
    """A VPC's or subnet's range has no host bits and is no larger than /16 and no smaller than /28."""
    if (text := _known(inputs, "cidrBlock")) is None:
        return
    network = _network(text)
    if network is None or not 16 <= network.prefixlen <= 28:
        yield "cidrBlock", f"InvalidVpc.Range: The CIDR {text!r} is invalid; expected a network from /16 to /28"


def _zone(inputs: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """A zone is one of the region's."""
    value = _known(inputs, "availabilityZone")
    if value is not None and value not in place.zones:
        yield (
            "availabilityZone",
            f"InvalidParameterValue: Value ({value}) for parameter availabilityZone is invalid. Subnets can currently "
            f"only be created in the following availability zones: {', '.join(place.zones)}",
        )


def _instance_types(inputs: Mapping[str, Any], _place: Place) -> Iterator[Problem]:
    """An instance type has the form FAMILY.SIZE."""
    for value in _known(inputs, "instanceTypes") or []:
        if not _INSTANCE_TYPE.fullmatch(str(value)):
            yield "instanceTypes", f"InvalidParameterException: The following supplied instance types do not exist: [{value}]"


def _scaling(inputs: Mapping[str, Any], _place: Place) -> Iterator[Problem]:
    """A node group's least, wanted and most nodes are in this order."""
    sizes = _known(inputs, "scalingConfig")
    if sizes is None:
        return
    least, wanted, most = (sizes.get(f"{key}Size") for key in ("min", "desired", "max"))
    if most < 1:
        yield "scalingConfig.maxSize", "InvalidParameterException: Maximum capacity must be at least 1"
    if not least <= wanted <= most:
        yield (
            "scalingConfig",
            f"InvalidParameterException: desired capacity {wanted} must be between the minimum {least} and the maximum "
            f"{most}",
        )


def _cluster_subnets(inputs: Mapping[str, Any], _place: Place) -> Iterator[Problem]:
    """A cluster spans two zones, so it needs two subnets at least."""
    subnets = (_known(inputs, "vpcConfig") or {}).get("subnetIds")
    if subnets is not None and len(set(subnets)) < 2:
        yield "vpcConfig.subnetIds", "InvalidParameterException: Subnets specified must be in at least two different AZs"


def _failover(inputs: Mapping[str, Any], _place: Place) -> Iterator[Problem]:
    """Automatic failover needs a second node, and more than one zone needs automatic failover."""
    failover, zones = inputs.get("automaticFailoverEnabled"), inputs.get("multiAzEnabled")
    if zones and not failover:
        yield "multiAzEnabled", "InvalidParameterCombination: automatic failover must be enabled if multi-AZ is"
    if failover and inputs.get("numCacheClusters") == 1:
        yield "numCacheClusters", "InvalidParameterValue: automatic failover needs at least two nodes"


_OF_TYPE: Mapping[str, tuple[Refusal, ...]] = {
    "aws:ec2/subnet:Subnet": (_vpc_range, _zone),
    "aws:ec2/vpc:Vpc": (_vpc_range,),
    "aws:eks/cluster:Cluster": (_cluster_subnets,),
    "aws:eks/nodeGroup:NodeGroup": (_instance_types, _scaling),
    "aws:elasticache/replicationGroup:ReplicationGroup": (_failover,),
}


def _misplaced_subnet(inputs: Mapping[str, Any], world: World) -> Iterator[str]:
    """A subnet lies within its VPC, which is there, and apart from the VPC's other subnets."""
    vpc, own = str(inputs.get("vpcId")), _network(inputs.get("cidrBlock"))
    found = world.of_type("aws:ec2/vpc:Vpc").get(vpc)
    if found is None:
        yield f"InvalidVpcID.NotFound: The vpc ID {vpc!r} does not exist"
        return
    whole = _network(found.get("cidrBlock"))
    if own is None or whole is None:
        return
    if not own.subnet_of(whole):
        yield f"InvalidSubnet.Range: The CIDR '{own}' is invalid: it is not within the VPC's {whole}"
    for other in world.of_type("aws:ec2/subnet:Subnet").values():
        there = _network(other.get("cidrBlock"))
        if other.get("vpcId") == vpc and there is not None and own.overlaps(there):
            yield f"InvalidSubnet.Conflict: The CIDR '{own}' conflicts with another subnet ({there})"
