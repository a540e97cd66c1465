"""Storage: the buckets of bundles, prediction logs and the ledger, and the one that says who read them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import s3

from components.aws.account import Account
from components.aws.tags import keeps_data, kept, tags
from shipway.contract.cluster import bucket_name
from shipway.contract.environment import EnvironmentSpec

__all__ = ["ACCESS_LOGS", "ARTIFACTS", "LEDGER", "PREDICTIONS", "Storage"]

ARTIFACTS, LEDGER, PREDICTIONS, ACCESS_LOGS = "artifacts", "ledger", "predictions", "access-logs"

# How long what was overwritten or deleted by mistake can be brought back.
_UNDO_DAYS = 90
# An upload that was never finished is paid for, and seen in no listing.
_UNFINISHED_DAYS = 7


@dataclass(frozen=True)
class _Kind:
    """One of the buckets.

    Args:
        what: the part of its name that says what lies in it.
        expire_days: how long that is kept; for ever with none.
        appends: whether nothing in it is ever overwritten or deleted.
        takes_logs: whether S3 itself writes into it.
    """

    what: str
    expire_days: int | None = None
    appends: bool = False
    takes_logs: bool = False


class Storage(pulumi.ComponentResource):
    """Private, versioned, encrypted buckets, reached over TLS alone; the ledger takes no deletes and no overwrites.

    Pods are known to them by their own identity, so no policy here names anybody.
    """

    def __init__(
        self, name: str, environment: EnvironmentSpec, key_arn: pulumi.Input[str], opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("shipway:aws:Storage", name, {}, opts)
        self._name, self._environment, self._account = name, environment, Account.of(environment)
        kept_days = self._account.spec.log_retention_days
        logs = self._bucket(_Kind(ACCESS_LOGS, expire_days=kept_days, takes_logs=True), None)
        for kind in (
            _Kind(ARTIFACTS),
            _Kind(LEDGER, appends=True),
            _Kind(PREDICTIONS, expire_days=environment.retention_days),
        ):
            bucket = self._bucket(kind, key_arn)
            s3.BucketLogging(
                f"{name}-{kind.what}-logging",
                bucket=bucket.bucket,
                target_bucket=logs.bucket,
                target_prefix=f"{kind.what}/",
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})

    def _bucket(self, kind: _Kind, key_arn: pulumi.Input[str] | None) -> s3.Bucket:
        child, prefix = pulumi.ResourceOptions(parent=self), f"{self._name}-{kind.what}"
        name = bucket_name(self._environment, self._account.spec, kind.what)
        bucket = s3.Bucket(
            prefix,
            bucket=name,
            force_destroy=not keeps_data(self._environment),
            tags=tags(self._environment),
            opts=kept(self._environment, child),
        )
        s3.BucketPublicAccessBlock(
            f"{prefix}-private",
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        s3.BucketVersioning(
            f"{prefix}-versions",
            bucket=bucket.bucket,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        s3.BucketServerSideEncryptionConfiguration(
            f"{prefix}-encryption", bucket=bucket.bucket, rules=[_encryption(key_arn)], opts=child
        )
        s3.BucketLifecycleConfiguration(f"{prefix}-lifecycle", bucket=bucket.bucket, rules=_lifecycle(kind), opts=child)
        s3.BucketPolicy(f"{prefix}-policy", bucket=bucket.bucket, policy=self._policy(kind, name), opts=child)
        return bucket

    def _policy(self, kind: _Kind, bucket: str) -> str:
        arn = f"arn:aws:s3:::{bucket}"
        statements = [
            _deny("TlsAlone", [arn, f"{arn}/*"], ["s3:*"], {"Bool": {"aws:SecureTransport": "false"}}),
        ]
        if kind.appends:
            statements += _append_only(arn)
        if kind.takes_logs:
            statements.append(_from_log_delivery(arn, self._account))
        return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _encryption(key_arn: pulumi.Input[str] | None) -> s3.BucketServerSideEncryptionConfigurationRuleArgs:
    # S3 delivers access logs to no bucket with a key of the account's own.
    how = s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
        sse_algorithm="aws:kms" if key_arn else "AES256", kms_master_key_id=key_arn
    )
    return s3.BucketServerSideEncryptionConfigurationRuleArgs(
        apply_server_side_encryption_by_default=how,
        # Without it every object is a paid call to KMS.
        bucket_key_enabled=bool(key_arn),
    )


def _lifecycle(kind: _Kind) -> list[s3.BucketLifecycleConfigurationRuleArgs]:
    return [
        s3.BucketLifecycleConfigurationRuleArgs(
            id="tidy",
            status="Enabled",
            filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            abort_incomplete_multipart_upload=s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=_UNFINISHED_DAYS
            ),
            expiration=s3.BucketLifecycleConfigurationRuleExpirationArgs(days=kind.expire_days)
            if kind.expire_days
            else None,
            noncurrent_version_expiration=None
            if kind.appends
            else s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(noncurrent_days=_UNDO_DAYS),
        )
    ]


def _append_only(arn: str) -> list[dict[str, Any]]:
    # Two writers of one entry are told apart by `If-None-Match`: whoever leaves it out could overwrite.
    blind = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
    return [
        _deny("NothingIsDeleted", [f"{arn}/*"], ["s3:DeleteObject", "s3:DeleteObjectVersion"], {}),
        _deny("NothingIsOverwritten", [f"{arn}/*"], ["s3:PutObject"], blind),
    ]


def _from_log_delivery(arn: str, account: Account) -> dict[str, Any]:
    return {
        "Sid": "AccessLogs",
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": ["s3:PutObject"],
        "Resource": [f"{arn}/*"],
        "Condition": {"StringEquals": {"aws:SourceAccount": account.id}},
    }


def _deny(sid: str, resources: list[str], actions: list[str], condition: Mapping[str, Any]) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": actions, "Resource": resources}
    return {**statement, "Condition": dict(condition)} if condition else statement
