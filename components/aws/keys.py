"""DataKey: the one key that everything at rest is encrypted with, except the cluster's own Secrets."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_aws import kms

from components.aws.account import Account
from components.aws.tags import kept, tags
from shipway.contract.environment import EnvironmentSpec

__all__ = ["DataKey"]

# Through these alone: with the account's own rights nobody decrypts a copy that was taken out of its service.
_SERVICES = ("ecr", "elasticache", "lambda", "rds", "s3", "secretsmanager")
_ADMINISTER = (
    "CancelKeyDeletion",
    "DescribeKey",
    "DisableKey",
    "EnableKey",
    "EnableKeyRotation",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "ListGrants",
    "ListKeyPolicies",
    "ListResourceTags",
    "PutKeyPolicy",
    "RevokeGrant",
    "ScheduleKeyDeletion",
    "TagResource",
    "UntagResource",
    "UpdateKeyDescription",
)
_USE = (
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
)


class DataKey(pulumi.ComponentResource):
    """A key that rotates every year, and whose policy names who may use it and by which way."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, environment: EnvironmentSpec, opts: pulumi.ResourceOptions) -> None:
        super().__init__("shipway:aws:DataKey", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        key = kms.Key(
            f"{name}-data",
            description=f"What {environment.name} keeps: buckets, databases, online store, images, secrets, their logs",
            policy=_policy(Account.of(environment)),
            enable_key_rotation=True,
            # The longest that AWS offers for noticing that it was still needed.
            deletion_window_in_days=30,
            tags=tags(environment),
            opts=kept(environment, child),
        )
        kms.Alias(f"{name}-data-alias", name=f"alias/shipway-{environment.name}-data", target_key_id=key.id, opts=child)
        self.arn = key.arn
        self.register_outputs({})


def _policy(account: Account) -> str:
    # The account's root stands for its IAM policies: what is granted here, they must grant too.
    root = {"AWS": f"arn:aws:iam::{account.id}:root"}
    via = [f"{service}.{account.region}.amazonaws.com" for service in _SERVICES]
    logs = f"arn:aws:logs:{account.region}:{account.id}:log-group:*"
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                _allow("Administer", root, _ADMINISTER, {}),
                _allow("UseThroughServices", root, _USE, {"StringEquals": {"kms:ViaService": via}}),
                _allow(
                    "LendToServices",
                    root,
                    ("CreateGrant",),
                    {"StringEquals": {"kms:ViaService": via}, "Bool": {"kms:GrantIsForAWSResource": "true"}},
                ),
                _allow(
                    "Logs",
                    {"Service": f"logs.{account.region}.amazonaws.com"},
                    ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo"),
                    {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": logs}},
                ),
            ],
        }
    )


def _allow(
    sid: str, principal: Mapping[str, str], actions: Sequence[str], condition: Mapping[str, Any]
) -> dict[str, Any]:
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": dict(principal),
        "Action": [f"kms:{action}" for action in actions],
        # In a key's own policy this is the key.
        "Resource": "*",
    }
    return {**statement, "Condition": dict(condition)} if condition else statement
