"""ClusterKey: the key of what the cluster itself keeps: its Secrets, its nodes' disks, its logs."""

import json

import pulumi
from pulumi_aws import kms

from components.aws.account import Account
from components.aws.tags import kept, tags
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec

__all__ = ["ClusterKey"]

_USE = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext")
_RECRYPT = ("kms:ReEncryptFrom", "kms:ReEncryptTo")
_ADMINISTER = (
    *("kms:CancelKeyDeletion", "kms:CreateGrant", "kms:DescribeKey", "kms:DisableKey", "kms:EnableKey"),
    *("kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants"),
    *("kms:ListKeyPolicies", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:RotateKeyOnDemand"),
    *("kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription"),
)


class ClusterKey(pulumi.ComponentResource):
    """A key of this cluster alone, so that another one's Secrets say nothing here."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, environment: EnvironmentSpec, opts: pulumi.ResourceOptions) -> None:
        super().__init__("shipway:aws:ClusterKey", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        key = kms.Key(
            name,
            description=f"Secrets, disks and logs of the cluster {cluster_name(environment)}",
            policy=_policy(Account.of(environment)),
            enable_key_rotation=True,
            # The longest that AWS offers for noticing that it was still needed.
            deletion_window_in_days=30,
            tags=tags(environment),
            opts=kept(environment, child),
        )
        kms.Alias(f"{name}-alias", name=f"alias/{cluster_name(environment)}", target_key_id=key.key_id, opts=child)
        self.arn = key.arn
        self.register_outputs({})


def _policy(account: Account) -> str:
    # In a key's own policy `*` is the key. What the account is allowed here, its IAM policies must allow too.
    root = {"AWS": f"arn:aws:iam::{account.id}:root"}
    scaling = f"arn:aws:iam::{account.id}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    logs = {"Service": f"logs.{account.region}.amazonaws.com"}
    written = {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{account.region}:{account.id}:log-group:*"}
    }
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                _allow("Administer", root, _ADMINISTER),
                _allow("Use", root, (*_USE, *_RECRYPT)),
                # Nodes of a group are started by this role of AWS's own, which decrypts their disks.
                _allow("Disks", {"AWS": scaling}, (*_USE, *_RECRYPT)),
                _allow(
                    "DisksOfNodes",
                    {"AWS": scaling},
                    ("kms:CreateGrant",),
                    {"Bool": {"kms:GrantIsForAWSResource": "true"}},
                ),
                _allow("Logs", logs, (*_USE, *_RECRYPT), written),
            ],
        }
    )


def _allow(
    sid: str,
    principal: dict[str, str],
    actions: tuple[str, ...],
    condition: dict[str, dict[str, str]] | None = None,
) -> dict[str, object]:
    statement: dict[str, object] = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": list(actions),
        "Resource": "*",
    }
    return {**statement, "Condition": condition} if condition else statement
