"""Every right on AWS that a part of the platform has, one row each, and the policy documents made of the rows."""

import json
from collections.abc import Mapping, Sequence

from components.aws.cluster_grants import ENTRANCE, KARPENTER, NODES
from components.aws.grant import Grant

__all__ = ["GRANTS", "MODEL", "RETRAINER", "document", "grants_of", "names_in"]

# The part that every model is: its rights are written once, and each model's role holds them for its own name.
MODEL = "model"
# Likewise the job that retrains each.
RETRAINER = "retrainer"

_READ_SECRET = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")


def _kept(worker: str) -> tuple[Grant, ...]:
    """Returns the rights to what a worker keeps, below its own name; S3 tells who may list it what is missing there."""
    below = f"workers/{worker}/*"
    return (
        Grant(
            worker,
            ("s3:GetObject", "s3:PutObject"),
            (f"arn:aws:s3:::{{artifacts}}/{below}",),
            "what it made of the logs outlives its pod",
        ),
        Grant(
            worker,
            ("s3:ListBucket",),
            ("arn:aws:s3:::{artifacts}",),
            "what it has kept is found",
            {"StringLike": {"s3:prefix": below}},
        ),
    )


_CLOUD = (
    Grant(
        "cluster",
        ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:ListGrants"),
        ("{cluster_key}",),
        "Kubernetes Secrets are encrypted in etcd",
    ),
    Grant(
        "flow-logs",
        ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
        ("{flow_log_group}:*",),
        "who talked to whom in the network is written down",
    ),
)
_PLATFORM = (
    Grant("policy-controller", ("ecr:GetAuthorizationToken",), ("*",), "it signs in to the registry"),
    Grant(
        "policy-controller",
        ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
        ("arn:aws:ecr:{region}:{account}:repository/{cluster}/models/*",),
        "signatures and provenance lie beside the images of models",
    ),
    Grant(
        "external-dns",
        ("route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"),
        ("arn:aws:route53:::hostedzone/{zone}",),
        "the gateway's name leads to its load balancer",
    ),
    Grant("external-dns", ("route53:ListHostedZones",), ("*",), "it finds the zone"),
    Grant(
        "mlflow",
        ("s3:DeleteObject", "s3:GetObject", "s3:PutObject"),
        ("arn:aws:s3:::{artifacts}/mlflow/*",),
        "a run's files are served and kept",
    ),
    Grant(
        "mlflow",
        ("s3:ListBucket",),
        ("arn:aws:s3:::{artifacts}",),
        "a run's files are listed",
        {"StringLike": {"s3:prefix": "mlflow/*"}},
    ),
    Grant("mlflow", _READ_SECRET, ("{mlflow_secret}",), "the database's password"),
    Grant("mlflow", ("kms:Decrypt", "kms:GenerateDataKey"), ("{data_key}",), "files and password are encrypted"),
    Grant(
        "delivery",
        ("s3:GetObject", "s3:PutObject"),
        ("arn:aws:s3:::{ledger}/*",),
        "the ledger is read and appended to",
    ),
    Grant("delivery", ("s3:ListBucket",), ("arn:aws:s3:::{ledger}",), "the ledger's last entry is found"),
    Grant("delivery", ("kms:Decrypt", "kms:GenerateDataKey"), ("{data_key}",), "the ledger is encrypted"),
    Grant(
        "labels",
        ("s3:GetObject",),
        ("arn:aws:s3:::{predictions}/*",),
        "predictions and labels are read and joined",
    ),
    Grant("labels", ("s3:ListBucket",), ("arn:aws:s3:::{predictions}",), "what is new in the logs is found"),
    Grant("labels", ("kms:Decrypt", "kms:GenerateDataKey"), ("{data_key}",), "logs and verdicts are encrypted"),
    Grant(
        "drift",
        ("s3:GetObject",),
        ("arn:aws:s3:::{predictions}/*", "arn:aws:s3:::{ledger}/ledger/*"),
        "predictions and labels are counted, and what is live is known",
    ),
    Grant(
        "drift",
        ("s3:ListBucket",),
        ("arn:aws:s3:::{predictions}", "arn:aws:s3:::{ledger}"),
        "what is new in logs and ledger is found",
    ),
    Grant("drift", ("kms:Decrypt", "kms:GenerateDataKey"), ("{data_key}",), "logs and counts are encrypted"),
    Grant(
        "parity",
        ("s3:GetObject",),
        (
            "arn:aws:s3:::{predictions}/*",
            "arn:aws:s3:::{ledger}/ledger/*",
            "arn:aws:s3:::{artifacts}/features/*",
        ),
        "predictions are compared, by bundles that the ledger names, with the offline values",
    ),
    Grant(
        "parity",
        ("s3:ListBucket",),
        ("arn:aws:s3:::{predictions}", "arn:aws:s3:::{ledger}"),
        "what is new in logs and ledger is found",
    ),
    Grant(
        "parity",
        ("s3:ListBucket",),
        ("arn:aws:s3:::{artifacts}",),
        "the files of offline values are found",
        {"StringLike": {"s3:prefix": "features/*"}},
    ),
    Grant("parity", ("kms:Decrypt", "kms:GenerateDataKey"), ("{data_key}",), "logs and what it found are encrypted"),
    *_kept("labels"),
    *_kept("drift"),
    *_kept("parity"),
    Grant(
        "retraining",
        ("s3:GetObject",),
        ("arn:aws:s3:::{artifacts}/workers/retraining/*",),
        "what the jobs remember is shown as metrics",
    ),
    Grant(
        "retraining",
        ("s3:ListBucket",),
        ("arn:aws:s3:::{artifacts}",),
        "the models are found",
        {"StringLike": {"s3:prefix": "workers/retraining/*"}},
    ),
    Grant("retraining", ("kms:Decrypt",), ("{data_key}",), "what they remember is encrypted"),
    Grant(
        "materialise",
        ("s3:GetObject",),
        ("arn:aws:s3:::{artifacts}/features/*",),
        "offline feature values are read",
    ),
    Grant(
        "materialise",
        ("s3:ListBucket",),
        ("arn:aws:s3:::{artifacts}",),
        "their files are found",
        {"StringLike": {"s3:prefix": "features/*"}},
    ),
    Grant(
        "materialise",
        _READ_SECRET,
        ("{feast_secret}", "{online_store_secret}"),
        "passwords of the feature registry and the online store",
    ),
    Grant("materialise", ("kms:Decrypt",), ("{data_key}",), "values and passwords are encrypted"),
)
_MODEL = (
    Grant(MODEL, ("s3:PutObject",), ("arn:aws:s3:::{predictions}/{model}/*",), "its prediction log is kept"),
    Grant(
        MODEL,
        ("s3:GetObject",),
        ("arn:aws:s3:::{artifacts}/artifacts/{model}/*",),
        "its own bundles' drift references are read",
    ),
    Grant(
        MODEL,
        _READ_SECRET,
        ("{feast_secret}", "{online_store_secret}"),
        "passwords of the feature registry and the online store",
    ),
    Grant(MODEL, ("kms:Decrypt", "kms:GenerateDataKey"), ("{data_key}",), "log and passwords are encrypted"),
)

_RETRAINER = (
    Grant(
        RETRAINER,
        ("s3:GetObject",),
        (
            "arn:aws:s3:::{predictions}/{model}/*",
            "arn:aws:s3:::{artifacts}/workers/drift/{model}/*",
            "arn:aws:s3:::{artifacts}/workers/labels/{model}/*",
        ),
        "verdicts and the recent labelled traffic are read",
    ),
    Grant(
        RETRAINER,
        ("s3:GetObject", "s3:PutObject"),
        ("arn:aws:s3:::{artifacts}/workers/retraining/{model}/*",),
        "what it decided outlives its pod",
    ),
    Grant(
        RETRAINER,
        ("s3:ListBucket",),
        ("arn:aws:s3:::{predictions}",),
        "hours of the log are found",
        {"StringLike": {"s3:prefix": "{model}/*"}},
    ),
    Grant(
        RETRAINER,
        ("s3:ListBucket",),
        ("arn:aws:s3:::{artifacts}",),
        "verdicts and what it has kept are found",
        {"StringLike": {"s3:prefix": [f"workers/{job}/{{model}}/*" for job in ("drift", "labels", "retraining")]}},
    ),
    Grant(RETRAINER, ("kms:Decrypt", "kms:GenerateDataKey"), ("{data_key}",), "logs, verdicts and state are encrypted"),
    Grant(RETRAINER, ("ecr:GetAuthorizationToken",), ("*",), "it signs in to the registry"),
    Grant(
        RETRAINER,
        ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
        (
            "arn:aws:ecr:{region}:{account}:repository/{cluster}/models/{model}",
            "arn:aws:ecr:{region}:{account}:repository/{cluster}/models/shipway/base",
        ),
        "the bundle that serves, and what images are built on",
    ),
    Grant(
        RETRAINER,
        (
            "ecr:CompleteLayerUpload",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        ),
        ("arn:aws:ecr:{region}:{account}:repository/{cluster}/models/{model}",),
        "the image of the version that it proposes",
    ),
)
_SERVICES = (
    Grant(
        "online-store-password",
        (*_READ_SECRET, "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"),
        ("{online_store_secret}",),
        "a new password is written and becomes the current one",
    ),
    Grant(
        "online-store-password",
        ("kms:Decrypt", "kms:GenerateDataKey"),
        ("{data_key}",),
        "the password is encrypted",
        {"StringEquals": {"kms:ViaService": "secretsmanager.{region}.amazonaws.com"}},
    ),
    Grant(
        "online-store-password",
        ("elasticache:DescribeUsers", "elasticache:ModifyUser"),
        ("{online_store_user}",),
        "the online store's user gets the password",
    ),
    Grant(
        "online-store-password",
        ("logs:CreateLogStream", "logs:PutLogEvents"),
        ("{function_log}:*",),
        "what went wrong is written down",
    ),
    Grant(
        "expiry",
        ("eks:DeleteNodegroup",),
        ("arn:aws:eks:{region}:{account}:nodegroup/{cluster}/*/*",),
        "the nodes of an environment go when its last day is over",
    ),
    Grant("machine-expiry", ("ec2:DescribeInstances",), ("*",), "it finds what Karpenter made for the cluster"),
    Grant(
        "machine-expiry",
        ("ec2:TerminateInstances",),
        ("arn:aws:ec2:{region}:{account}:instance/*",),
        "what Karpenter made for the cluster ends, and nothing else",
        {
            "StringEquals": {"aws:ResourceTag/kubernetes.io/cluster/{cluster}": "owned"},
            "StringLike": {"aws:ResourceTag/karpenter.sh/nodepool": "*"},
        },
    ),
    Grant(
        "machine-expiry",
        ("logs:CreateLogStream", "logs:PutLogEvents"),
        ("{function_log}:*",),
        "what has ended is written down",
    ),
    Grant("machine-expiry-call", ("lambda:InvokeFunction",), ("{function}",), "the function is called on its day"),
)

GRANTS: tuple[Grant, ...] = (*_CLOUD, *NODES, *KARPENTER, *ENTRANCE, *_PLATFORM, *_MODEL, *_RETRAINER, *_SERVICES)


def grants_of(part: str) -> tuple[Grant, ...]:
    """Returns a part's rows.

    Raises:
        KeyError: for a part that has none.
    """
    found = tuple(grant for grant in GRANTS if grant.part == part)
    if not found:
        raise KeyError(part)
    return found


def names_in(grants: Sequence[Grant]) -> frozenset[str]:
    """Returns the names in braces that the rows leave to be filled in."""
    found: set[str] = set()
    for text in (part for grant in grants for part in (*grant.resources, json.dumps(dict(grant.conditions)))):
        found.update(piece.partition("}")[0] for piece in text.split("{")[1:])
    return frozenset(name for name in found if name.isidentifier())


def document(grants: Sequence[Grant], values: Mapping[str, str]) -> str:
    """Returns the policy document that allows the rows, with their names filled in.

    Raises:
        KeyError: for a name that `values` lacks.
    """
    return json.dumps({"Version": "2012-10-17", "Statement": [_statement(grant, values) for grant in grants]})


def _statement(grant: Grant, values: Mapping[str, str]) -> dict[str, object]:
    conditions = {
        operator: {key.format_map(values): _filled(wanted, values) for key, wanted in tests.items()}
        for operator, tests in grant.conditions.items()
    }
    return {
        "Effect": "Allow",
        "Action": list(grant.actions),
        "Resource": [resource.format_map(values) for resource in grant.resources],
        **({"Condition": conditions} if conditions else {}),
    }


def _filled(wanted: str | list[str], values: Mapping[str, str]) -> str | list[str]:
    return wanted.format_map(values) if isinstance(wanted, str) else [one.format_map(values) for one in wanted]
