"""What AWS answers of an object once it is made: its id, its ARN, and outputs in the shape that AWS gives them."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_origin

from pulumi import _types as sdk_types
from pulumi.runtime.rpc import UNKNOWN

from tests.standins.sdk import ResourceType, alternatives

__all__ = ["Place", "computed", "identity", "unknown_parts"]

# The account that AWS's own documentation uses.
ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Place:
    """Where objects are made."""

    region: str = "us-east-1"
    account: str = ACCOUNT

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones of the region; every region has three that one can rely on."""
        return tuple(f"{self.region}{letter}" for letter in "abc")


# What AWS's own ids begin with; anything else is known by its name.
_PREFIXES: Mapping[str, str] = {
    "aws:ec2/eip:Eip": "eipalloc",
    "aws:ec2/flowLog:FlowLog": "fl",
    "aws:ec2/internetGateway:InternetGateway": "igw",
    "aws:ec2/launchTemplate:LaunchTemplate": "lt",
    "aws:ec2/natGateway:NatGateway": "nat",
    "aws:ec2/networkAcl:NetworkAcl": "acl",
    "aws:ec2/route:Route": "r-rtb",
    "aws:ec2/routeTable:RouteTable": "rtb",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "rtbassoc",
    "aws:ec2/securityGroup:SecurityGroup": "sg",
    "aws:ec2/securityGroupRule:SecurityGroupRule": "sgrule",
    "aws:ec2/subnet:Subnet": "subnet",
    "aws:ec2/vpc:Vpc": "vpc",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "vpce",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "sgr",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "sgr",
}
# Their id is their ARN.
_KNOWN_BY_ARN = frozenset(
    {
        "aws:acm/certificate:Certificate",
        "aws:iam/policy:Policy",
        "aws:lb/listener:Listener",
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:lb/targetGroup:TargetGroup",
        "aws:secretsmanager/secret:Secret",
        "aws:sns/topic:Topic",
    }
)
# Outputs inside an object that the program gives in part.
_INSIDE: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "aws:eks/cluster:Cluster": {"vpcConfig": {"clusterSecurityGroupId": "sg-", "vpcId": "vpc-"}},
}


def identity(kind: str, inputs: Mapping[str, Any], fresh: str, known: ResourceType, place: Place) -> str:
    """Returns the id of a new object, which is its name where AWS has no other."""
    if kind in _PREFIXES:
        return f"{_PREFIXES[kind]}-0{fresh[:16]}"
    if kind == "aws:kms/key:Key":
        return _uuid(fresh)
    if kind == "aws:eks/nodeGroup:NodeGroup":
        return f"{inputs['clusterName']}:{inputs['nodeGroupName']}"
    if kind in _KNOWN_BY_ARN:
        return _arn(kind, str(inputs.get(known.autonamed) or fresh[:17]), fresh, place)
    if known.autonamed:
        return str(inputs[known.autonamed])
    return f"{kind.rpartition(':')[2].lower()}-{fresh[:17]}"


def computed(
    known: ResourceType, inputs: Mapping[str, Any], key: str, fresh: str, place: Place
) -> dict[str, Any]:
    """Returns the properties of a new object: what was given, and what AWS adds.

    Args:
        known: its type.
        inputs: what was given.
        key: its id.
        fresh: what no other object of its kind is made of.
        place: where it is made.
    """
    given = {name: value for name, value in inputs.items() if name != "__defaults" and value is not None}
    made = {name: _plausible(name, known.outputs[name], fresh) for name in known.computed if name not in given}
    name = str(inputs.get(known.autonamed) or key)
    if "arn" in known.outputs:
        made["arn"] = _arn(known.token, name, fresh, place)
    if known.token in _SPECIAL:
        made |= _SPECIAL[known.token](name, given, fresh, place)
    return {**made, **unknown_parts(known.token, given, fresh)}


def unknown_parts(kind: str, given: Mapping[str, Any], fresh: str = "") -> dict[str, Any]:
    """Returns what was given, with what AWS adds inside it: unknown before `up`, made of `fresh` after it."""
    found = dict(given)
    for name, parts in _INSIDE.get(kind, {}).items():
        if isinstance(inside := found.get(name), Mapping):
            made = {part: f"{prefix}0{fresh[:16]}" if fresh else UNKNOWN for part, prefix in parts.items()}
            found[name] = {**made, **inside}
    return found


def _arn(kind: str, name: str, fresh: str, place: Place) -> str:
    service, what = kind.split(":")[1].split("/")
    if kind == "aws:s3/bucket:Bucket":
        return f"arn:aws:s3:::{name}"
    if service == "iam":
        return f"arn:aws:iam::{place.account}:{what}/{name}"
    if kind == "aws:rds/instance:Instance":
        return f"arn:aws:rds:{place.region}:{place.account}:db:{name}"
    if kind == "aws:lb/loadBalancer:LoadBalancer":
        return f"arn:aws:elasticloadbalancing:{place.region}:{place.account}:loadbalancer/net/{name}/{fresh[:16]}"
    if kind == "aws:secretsmanager/secret:Secret":
        return f"arn:aws:secretsmanager:{place.region}:{place.account}:secret:{name}-{fresh[:6]}"
    if kind == "aws:cloudwatch/logGroup:LogGroup":
        return f"arn:aws:logs:{place.region}:{place.account}:log-group:{name}"
    if kind in ("aws:sns/topic:Topic", "aws:sqs/queue:Queue"):
        return f"arn:aws:{service}:{place.region}:{place.account}:{name}"
    if kind == "aws:kms/key:Key":
        return f"arn:aws:kms:{place.region}:{place.account}:key/{_uuid(fresh)}"
    return f"arn:aws:{service}:{place.region}:{place.account}:{what.lower()}/{name}"


def _plausible(name: str, declared: Any, fresh: str) -> Any:
    """Returns a value of the declared type, told from others of its kind by the object that it belongs to."""
    kind = next(iter(alternatives(declared)), str)
    if kind is bool:
        return False
    if kind in (int, float):
        return 1
    if isinstance(kind, type) and sdk_types.is_output_type(kind):
        types = sdk_types.output_type_types(kind)
        return {part: _plausible(part, one, fresh) for part, one in types.items() if alternatives(one)[0] is str}
    origin = get_origin(kind)
    if origin is not None and issubclass(origin, Mapping):
        return {}
    if origin is not None and issubclass(origin, Sequence):
        return []
    return "ACTIVE" if name in ("status", "state") else f"{name}-{fresh[:12]}"


def _uuid(fresh: str) -> str:
    return f"{fresh[:8]}-{fresh[8:12]}-{fresh[12:16]}-{fresh[16:20]}-{fresh[20:32]}"


def _cluster(name: str, _given: Mapping[str, Any], fresh: str, place: Place) -> dict[str, Any]:
    number = fresh[:32].upper()
    issuer = f"https://oidc.eks.{place.region}.amazonaws.com/id/{number}"
    return {
        "endpoint": f"https://{number}.gr7.{place.region}.eks.amazonaws.com",
        "certificateAuthority": {"data": base64.b64encode(b"stand-in for a certificate").decode()},
        "identities": [{"oidcs": [{"issuer": issuer}]}],
        "platformVersion": "eks.1",
    }


def _database(name: str, given: Mapping[str, Any], fresh: str, place: Place) -> dict[str, Any]:
    address = f"{name}.{fresh[:12]}.{place.region}.rds.amazonaws.com"
    port = given.get("port") or {"postgres": 5432, "mysql": 3306}.get(str(given.get("engine")), 5432)
    secret = f"arn:aws:secretsmanager:{place.region}:{place.account}:secret:rds!db-{_uuid(fresh)}-{fresh[:6]}"
    own = [{"secretArn": secret, "secretStatus": "active", "kmsKeyId": str(given.get("masterUserSecretKmsKeyId") or "")}]
    return {
        "address": address,
        "port": port,
        "endpoint": f"{address}:{port}",
        "masterUserSecrets": own if given.get("manageMasterUserPassword") else [],
        "status": "available",
    }


def _store(name: str, _given: Mapping[str, Any], fresh: str, place: Place) -> dict[str, Any]:
    end = f"{name}.{fresh[:6]}.{place.region}.cache.amazonaws.com"
    return {"primaryEndpointAddress": f"master.{end}", "readerEndpointAddress": f"replica.{end}", "port": 6379}


def _repository(name: str, _given: Mapping[str, Any], _fresh: str, place: Place) -> dict[str, Any]:
    registry = f"{place.account}.dkr.ecr.{place.region}.amazonaws.com"
    return {"registryId": place.account, "repositoryUrl": f"{registry}/{name}"}


def _bucket(name: str, _given: Mapping[str, Any], _fresh: str, place: Place) -> dict[str, Any]:
    return {
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{name}.s3.{place.region}.amazonaws.com",
        "bucketRegion": place.region,
    }


def _balancer(name: str, _given: Mapping[str, Any], fresh: str, place: Place) -> dict[str, Any]:
    suffix = f"net/{name}/{fresh[:16]}"
    return {"arnSuffix": suffix, "dnsName": f"{name}-{fresh[:16]}.elb.{place.region}.amazonaws.com"}


def _key(_name: str, _given: Mapping[str, Any], fresh: str, _place: Place) -> dict[str, Any]:
    return {"keyId": _uuid(fresh)}


def _address(_name: str, _given: Mapping[str, Any], fresh: str, _place: Place) -> dict[str, Any]:
    # Of the range that is set aside for documentation.
    return {"publicIp": f"203.0.113.{int(fresh[:2], 16)}", "allocationId": f"eipalloc-0{fresh[:16]}"}


def _vpc(_name: str, _given: Mapping[str, Any], fresh: str, place: Place) -> dict[str, Any]:
    parts = {"defaultSecurityGroupId": "sg", "mainRouteTableId": "rtb", "defaultNetworkAclId": "acl"}
    return {name: f"{prefix}-0{fresh[:16]}" for name, prefix in parts.items()} | {"ownerId": place.account}


def _certificate(_name: str, given: Mapping[str, Any], fresh: str, _place: Place) -> dict[str, Any]:
    # One proof for each name that it is for.
    names = [given["domainName"], *given.get("subjectAlternativeNames", [])]
    proofs = [
        {
            "domainName": name,
            "resourceRecordName": f"_{fresh[:32]}.{name}.",
            "resourceRecordType": "CNAME",
            "resourceRecordValue": f"_{fresh[8:40]}.acm-validations.aws.",
        }
        for name in names
    ]
    return {"domainValidationOptions": proofs if given.get("validationMethod") == "DNS" else []}


_SPECIAL: Mapping[str, Callable[[str, Mapping[str, Any], str, Place], dict[str, Any]]] = {
    "aws:acm/certificate:Certificate": _certificate,
    "aws:ec2/eip:Eip": _address,
    "aws:ec2/vpc:Vpc": _vpc,
    "aws:ecr/repository:Repository": _repository,
    "aws:eks/cluster:Cluster": _cluster,
    "aws:elasticache/replicationGroup:ReplicationGroup": _store,
    "aws:kms/key:Key": _key,
    "aws:lb/loadBalancer:LoadBalancer": _balancer,
    "aws:rds/instance:Instance": _database,
    "aws:s3/bucket:Bucket": _bucket,
}
