"""What holds data: who reads it, and whether it can be lost."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.iam import condition, principals, statements
from policies.resource import Resource, at, rows, texts, truthy
from policies.rule import PROD_ONLY, Context, Scope, Severity, rule

__all__ = ["buckets_closed", "state_protected", "stores_authenticated"]

_BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_VERSIONING = ("aws:s3/bucketVersioning:BucketVersioning", "aws:s3/bucketVersioningV2:BucketVersioningV2")
_ENCRYPTION = tuple(
    f"aws:s3/bucketServerSideEncryptionConfiguration{v}:BucketServerSideEncryptionConfiguration{v}" for v in ("", "V2")
)
_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
_LOGGING = "aws:s3/bucketLogging:BucketLogging"
_NONE: Mapping[str, Any] = {}
_TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def _bucket(status: str) -> tuple[Resource, ...]:
    blocked = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
    rule = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}
    return (
        Resource(_BUCKETS[0], "example", {"bucket": "models"}),
        Resource(_BLOCK, "block", {"bucket": "models", **blocked}),
        Resource(_VERSIONING[0], "versions", {"bucket": "models", "versioningConfiguration": {"status": status}}),
        Resource(_ENCRYPTION[0], "encryption", {"bucket": "models", "rules": [rule]}),
        Resource(_POLICY, "tls", {"bucket": "models", "policy": {"Statement": [_TLS]}}),
    )


@rule(
    "ML027",
    "buckets closed",
    severity=Severity.CRITICAL,
    types=_BUCKETS,
    scope=Scope.STACK,
    fix="Add a BucketPublicAccessBlock with all four flags, BucketVersioning, KMS encryption and a BucketPolicy that "
    "denies aws:SecureTransport false.",
    passing=_bucket("Enabled"),
    failing=_bucket("Suspended"),
)
def buckets_closed(resource: Resource, context: Context) -> Iterator[str]:
    """Every bucket is private, versioned, reached over TLS only and encrypted with KMS, or S3's own key for logs."""

    def related(*kinds: str) -> list[Resource]:
        return [one for kind in kinds for one in context.stack.related(resource, kind, "bucket", "bucket", "id", "arn")]

    flags = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    blocks = related(_BLOCK)
    if open_flags := [flag for flag in flags if not any(one.props.get(flag) is True for one in blocks)]:
        yield f"the public access block lacks {', '.join(open_flags)}"
    if str(resource.props.get("acl") or "private").startswith(("public", "authenticated")):
        yield f"acl is {resource.props['acl']!r}, expected private"
    versions = [at(one.props, "versioningConfiguration", "status") for one in related(*_VERSIONING)]
    if "Enabled" not in versions and not truthy(at(resource.props, "versioning", "enabled")):
        yield f"versioning is {versions[0] if versions else None!r}, expected 'Enabled'"
    rules = [row for one in related(*_ENCRYPTION) for row in rows(one.props.get("rules"))]
    algorithms = [at(row, "applyServerSideEncryptionByDefault", "sseAlgorithm") for row in rules]
    own = at(resource.props, "serverSideEncryptionConfiguration", "rule", "applyServerSideEncryptionByDefault")
    algorithms += [at(own, "sseAlgorithm")] if own else []
    # S3 delivers the access logs of other buckets to none with a key of the account's own.
    logs = "AES256" in algorithms and context.stack.related(resource, _LOGGING, "targetBucket", "bucket", "id")
    if not logs and not any(str(one).startswith("aws:kms") for one in algorithms):
        yield f"encryption is {algorithms[0] if algorithms else None!r}, expected 'aws:kms'"
    documents = [one.props.get("policy") for one in related(_POLICY)] + [resource.props.get("policy")]
    found = [statement for document in documents if document for statement in statements(document)]
    if not any(_denies_plain_http(statement) for statement in found):
        yield "no policy denies aws:SecureTransport false"
    if any(one.get("Effect") == "Allow" and _anybody(one) for one in found):
        yield "the policy allows everybody, expected named principals"


def _anybody(statement: Mapping[str, Any]) -> bool:
    # All but some are nearly everybody.
    return "NotPrincipal" in statement or "*" in [who for _, who in principals(statement)]


def _denies_plain_http(statement: Mapping[str, Any]) -> bool:
    return (
        statement.get("Effect") == "Deny"
        and any(one.lower() in ("*", "s3:*") for one in texts(statement.get("Action")))
        and ("*", "*") in [*principals(statement), *((who, who) for _, who in principals(statement))]
        and condition(statement, "Bool", "aws:SecureTransport") == ["false"]
    )


_GROUP = "aws:elasticache/replicationGroup:ReplicationGroup"
_STORE = {"transitEncryptionEnabled": True, "atRestEncryptionEnabled": True, "userGroupIds": ["models"]}


@rule(
    "ML029",
    "stores encrypted and authenticated",
    severity=Severity.HIGH,
    types=(
        _GROUP,
        "aws:elasticache/cluster:Cluster",
        "aws:elasticache/serverlessCache:ServerlessCache",
        "aws:dynamodb/table:Table",
        "aws:rds/instance:Instance",
        "aws:rds/cluster:Cluster",
    ),
    fix="Turn on encryption in transit and at rest and give the store an authToken or userGroupIds; keep databases off "
    "the Internet.",
    passing=_STORE,
    failing={**_STORE, "transitEncryptionEnabled": False},
)
def stores_authenticated(resource: Resource, _context: Context) -> Iterator[str]:
    """Every online store and database is encrypted at rest and on the wire, and answers only who is known to it."""
    props = resource.props
    if resource.type == _GROUP:
        for key in ("transitEncryptionEnabled", "atRestEncryptionEnabled"):
            if props.get(key) is not True:
                yield f"{key} is {props.get(key)!r}, expected True"
        if props.get("transitEncryptionMode") == "preferred":
            yield "transitEncryptionMode is 'preferred', expected 'required'"
        if not (props.get("authToken") or props.get("authTokenWo") or rows(props.get("userGroupIds"))):
            yield "neither authToken nor userGroupIds, expected one"
    elif resource.type.startswith("aws:elasticache/cluster:"):
        if not props.get("replicationGroupId"):
            yield "a cache cluster of its own takes no authentication, expected a ReplicationGroup"
    elif resource.type.startswith("aws:elasticache/"):
        if not props.get("userGroupId"):
            yield f"userGroupId is {props.get('userGroupId')!r}, expected one"
    elif resource.type.startswith("aws:dynamodb/"):
        if at(props, "serverSideEncryption", "enabled") is not True:
            yield f"serverSideEncryption.enabled is {at(props, 'serverSideEncryption', 'enabled')!r}, expected True"
    else:
        if props.get("storageEncrypted") is not True:
            yield f"storageEncrypted is {props.get('storageEncrypted')!r}, expected True"
        if props.get("publiclyAccessible") is True:
            yield "publiclyAccessible is True, expected False"


_RDS = ("aws:rds/instance:Instance", "aws:rds/cluster:Cluster")
# Type -> the provider's own flags, each with the value that keeps the data.
_KEEPS: Mapping[str, Mapping[str, bool]] = {
    **{bucket: {"forceDestroy": False} for bucket in _BUCKETS},
    **{database: {"deletionProtection": True, "skipFinalSnapshot": False} for database in _RDS},
    "aws:dynamodb/table:Table": {"deletionProtectionEnabled": True},
    "aws:ecr/repository:Repository": {"forceDelete": False},
    "aws:efs/fileSystem:FileSystem": {},
    "aws:eks/cluster:Cluster": {},
    "aws:kms/key:Key": {},
    _GROUP: {},
    "kubernetes:core/v1:PersistentVolumeClaim": {},
}


@rule(
    "ML039",
    "state protected",
    severity=Severity.HIGH,
    tiers=PROD_ONLY,
    types=tuple(_KEEPS),
    fix="Give the resource the option protect=True and the provider's own deletion protection.",
    passing=(Resource(_BUCKETS[0], "example", {"bucket": "models"}, protect=True),),
    failing=(Resource(_BUCKETS[0], "example", {"bucket": "models"}),),
)
def state_protected(resource: Resource, _context: Context) -> Iterator[str]:
    """Whatever holds state in prod is protected: no `destroy`, rename or replacement takes the data with it."""
    if not resource.protect:
        yield "the option protect is False, expected True"
    for key, wanted in _KEEPS[resource.type].items():
        value = resource.props.get(key, False)
        if truthy(value) is not wanted:
            yield f"{key} is {value!r}, expected {wanted}"
