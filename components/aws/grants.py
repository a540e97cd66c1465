"""Every right on AWS that a part of the platform has: which part, what it may do, to what, and why it must."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["CLUSTER_TAG", "GRANTS", "MODEL", "Grant", "document", "grants_of", "names_in"]

Conditions = Mapping[str, Mapping[str, str | list[str]]]

# The part that every model is: its rights are written once, and each model's role holds them for its own name.
MODEL = "model"
# What a load balancer carries that the controller of this cluster has made.
CLUSTER_TAG = "elbv2.k8s.aws/cluster"


@dataclass(frozen=True)
class Grant:
    """One row: some actions on some resources.

    Args:
        part: who has it.
        actions: what it may do, each by its whole name.
        resources: to what, a name in braces filled in from what the stack knows; `*` only where AWS knows no resource.
        why: what the part does with it.
        conditions: what must hold besides, as IAM writes it, with names in braces likewise.
    """

    part: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why: str
    conditions: Conditions = field(default_factory=dict[str, Mapping[str, str | list[str]]])


def _ec2(*kinds: str) -> tuple[str, ...]:
    return tuple(f"arn:aws:ec2:{{region}}:{{account}}:{kind}/*" for kind in kinds)


_BALANCER = "arn:aws:elasticloadbalancing:{region}:{account}"
_BALANCED = {"StringEquals": {f"aws:ResourceTag/{CLUSTER_TAG}": "{cluster}"}}
_BALANCING = {"StringEquals": {f"aws:RequestTag/{CLUSTER_TAG}": "{cluster}"}}
_EBS_REQUEST = {"StringEquals": {"aws:RequestTag/ebs.csi.aws.com/cluster": "true"}}
_EBS_OWN = {"StringEquals": {"aws:ResourceTag/ebs.csi.aws.com/cluster": "true"}}
_OWN_CLUSTER = {"StringEquals": {"aws:ResourceTag/kubernetes.io/cluster/{cluster}": "owned"}}
_NEW_IN_CLUSTER = {"StringEquals": {"aws:RequestTag/kubernetes.io/cluster/{cluster}": "owned"}}
_READ_SECRET = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")

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
_NODES = (
    Grant(
        "vpc-cni",
        (
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeInstances",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:DescribeTags",
        ),
        ("*",),
        "it finds the node's interfaces and how many it may have",
    ),
    Grant(
        "vpc-cni",
        (
            "ec2:AssignPrivateIpAddresses",
            "ec2:AttachNetworkInterface",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DetachNetworkInterface",
            "ec2:ModifyNetworkInterfaceAttribute",
            "ec2:UnassignPrivateIpAddresses",
        ),
        _ec2("instance", "network-interface", "security-group", "subnet"),
        "each pod gets an address of the VPC",
    ),
    Grant(
        "vpc-cni",
        ("ec2:CreateTags",),
        _ec2("network-interface"),
        "it tells its interfaces from others",
    ),
    Grant(
        "ebs-csi",
        (
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeInstances",
            "ec2:DescribeVolumes",
            "ec2:DescribeVolumesModifications",
        ),
        ("*",),
        "it finds volumes and where they are attached",
    ),
    Grant("ebs-csi", ("ec2:CreateVolume",), _ec2("volume"), "a claim gets its volume", _EBS_REQUEST),
    Grant(
        "ebs-csi",
        ("ec2:CreateTags",),
        _ec2("volume"),
        "a new volume is tagged as the driver's own",
        {"StringEquals": {"ec2:CreateAction": "CreateVolume"}},
    ),
    Grant(
        "ebs-csi",
        ("ec2:AttachVolume", "ec2:DetachVolume", "ec2:ModifyVolume", "ec2:DeleteVolume"),
        _ec2("volume"),
        "a volume follows its pod, grows and goes",
        _EBS_OWN,
    ),
    Grant("ebs-csi", ("ec2:AttachVolume", "ec2:DetachVolume"), _ec2("instance"), "a volume is attached to a node"),
    Grant(
        "ebs-csi",
        ("kms:CreateGrant",),
        ("{cluster_key}",),
        "EC2 decrypts the volume for the node",
        {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    ),
    Grant(
        "ebs-csi",
        ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext"),
        ("{cluster_key}",),
        "volumes are encrypted",
    ),
    Grant(
        "cluster-autoscaler",
        (
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeAutoScalingInstances",
            "autoscaling:DescribeLaunchConfigurations",
            "autoscaling:DescribeScalingActivities",
            "autoscaling:DescribeTags",
            "ec2:DescribeImages",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeLaunchTemplateVersions",
        ),
        ("*",),
        "it finds the node groups and what their nodes would offer",
    ),
    Grant(
        "cluster-autoscaler",
        ("eks:DescribeNodegroup",),
        ("arn:aws:eks:{region}:{account}:nodegroup/{cluster}/*/*",),
        "labels and taints of a group that has no node yet are the group's own",
    ),
    Grant(
        "cluster-autoscaler",
        ("autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"),
        ("arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/eks-*",),
        "it adds and removes nodes of this cluster",
        {"StringEquals": {"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}": "owned"}},
    ),
)
_KARPENTER = (
    Grant(
        "karpenter",
        (
            "ec2:DescribeCapacityReservations",
            "ec2:DescribeImages",
            "ec2:DescribeInstances",
            "ec2:DescribeInstanceStatus",
            "ec2:DescribeInstanceTypeOfferings",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeLaunchTemplates",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSpotPriceHistory",
            "ec2:DescribeSubnets",
            "iam:ListInstanceProfiles",
            "pricing:GetProducts",
        ),
        ("*",),
        "it chooses the cheapest instance that fits",
    ),
    Grant(
        "karpenter",
        ("ec2:CreateFleet", "ec2:RunInstances"),
        (
            *_ec2("security-group", "subnet"),
            "arn:aws:ec2:{region}::image/*",
            "arn:aws:ec2:{region}::snapshot/*",
        ),
        "what a new node is made from",
    ),
    Grant(
        "karpenter",
        ("ec2:CreateFleet", "ec2:RunInstances"),
        _ec2("launch-template"),
        "a node starts from a template of its own",
        _OWN_CLUSTER,
    ),
    Grant(
        "karpenter",
        ("ec2:CreateFleet", "ec2:CreateLaunchTemplate", "ec2:RunInstances"),
        _ec2("fleet", "instance", "launch-template", "network-interface", "spot-instances-request", "volume"),
        "new nodes carry the cluster's tag",
        _NEW_IN_CLUSTER,
    ),
    Grant(
        "karpenter",
        ("ec2:CreateTags",),
        _ec2("fleet", "instance", "launch-template", "network-interface", "spot-instances-request", "volume"),
        "tags are given while a node is made",
        {
            "StringEquals": {
                "aws:RequestTag/kubernetes.io/cluster/{cluster}": "owned",
                "ec2:CreateAction": ["CreateFleet", "CreateLaunchTemplate", "RunInstances"],
            }
        },
    ),
    Grant("karpenter", ("ec2:CreateTags",), _ec2("instance"), "a node is named after its claim", _OWN_CLUSTER),
    Grant(
        "karpenter",
        ("ec2:DeleteLaunchTemplate", "ec2:TerminateInstances"),
        _ec2("instance", "launch-template"),
        "idle nodes go",
        _OWN_CLUSTER,
    ),
    Grant(
        "karpenter",
        ("ssm:GetParameter",),
        ("arn:aws:ssm:{region}::parameter/aws/service/*",),
        "AWS says there which image is current",
    ),
    Grant(
        "karpenter",
        ("iam:PassRole",),
        ("arn:aws:iam::{account}:role/{node_role}",),
        "nodes get the nodes' role",
        {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
    ),
    Grant(
        "karpenter",
        ("iam:GetInstanceProfile",),
        ("arn:aws:iam::{account}:instance-profile/{node_role}",),
        "nodes start with the profile that is there",
    ),
    Grant(
        "karpenter",
        ("eks:DescribeCluster",),
        ("arn:aws:eks:{region}:{account}:cluster/{cluster}",),
        "nodes are told where the API is",
    ),
    Grant(
        "karpenter",
        ("sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"),
        ("arn:aws:sqs:{region}:{account}:{cluster}-interruptions",),
        "a node that is about to be taken back is drained first",
    ),
)
_ENTRANCE = (
    Grant(
        "load-balancer",
        (
            "ec2:DescribeAccountAttributes",
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeInstances",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeTags",
            "ec2:DescribeVpcs",
            "elasticloadbalancing:DescribeListenerAttributes",
            "elasticloadbalancing:DescribeListenerCertificates",
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeLoadBalancerAttributes",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:DescribeTargetGroupAttributes",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth",
        ),
        ("*",),
        "it compares what is there with what the gateway's Service asks for",
    ),
    Grant(
        "load-balancer",
        ("elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:CreateTargetGroup"),
        (f"{_BALANCER}:loadbalancer/net/{{cluster}}/*", f"{_BALANCER}:targetgroup/k8s-*/*"),
        "the gateway's Service gets its load balancer",
        _BALANCING,
    ),
    Grant(
        "load-balancer",
        ("elasticloadbalancing:AddTags",),
        (f"{_BALANCER}:loadbalancer/net/{{cluster}}/*", f"{_BALANCER}:targetgroup/k8s-*/*"),
        "what is new carries the cluster's tag",
        {
            "StringEquals": {
                f"aws:RequestTag/{CLUSTER_TAG}": "{cluster}",
                "elasticloadbalancing:CreateAction": ["CreateLoadBalancer", "CreateTargetGroup"],
            }
        },
    ),
    Grant(
        "load-balancer",
        (
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:CreateListener",
            "elasticloadbalancing:DeleteLoadBalancer",
            "elasticloadbalancing:DeleteTargetGroup",
            "elasticloadbalancing:DeregisterTargets",
            "elasticloadbalancing:ModifyLoadBalancerAttributes",
            "elasticloadbalancing:ModifyTargetGroup",
            "elasticloadbalancing:ModifyTargetGroupAttributes",
            "elasticloadbalancing:RegisterTargets",
            "elasticloadbalancing:RemoveTags",
            "elasticloadbalancing:SetSecurityGroups",
            "elasticloadbalancing:SetSubnets",
        ),
        (f"{_BALANCER}:loadbalancer/net/{{cluster}}/*", f"{_BALANCER}:targetgroup/k8s-*/*"),
        "it follows the gateway's pods and settings, and goes with them",
        _BALANCED,
    ),
    Grant(
        "load-balancer",
        (
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:DeleteListener",
            "elasticloadbalancing:ModifyListener",
            "elasticloadbalancing:ModifyListenerAttributes",
            "elasticloadbalancing:RemoveTags",
        ),
        (f"{_BALANCER}:listener/net/{{cluster}}/*/*",),
        "the listener has the certificate and the TLS policy",
    ),
    Grant(
        "load-balancer",
        ("iam:CreateServiceLinkedRole",),
        (
            "arn:aws:iam::{account}:role/aws-service-role/elasticloadbalancing.amazonaws.com/"
            "AWSServiceRoleForElasticLoadBalancing",
        ),
        "an account's first load balancer",
        {"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}},
    ),
)
_PLATFORM = (
    Grant(
        "external-dns",
        ("route53:ChangeResourceRecordSets",),
        ("arn:aws:route53:::hostedzone/{zone}",),
        "the gateway's name leads to its load balancer",
    ),
    Grant(
        "external-dns",
        ("route53:ListHostedZones", "route53:ListResourceRecordSets", "route53:ListTagsForResources"),
        ("*",),
        "it finds the zone and what the name says now",
    ),
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
        ("{password_log}:*",),
        "what went wrong is written down",
    ),
    Grant(
        "expiry",
        ("eks:UpdateNodegroupConfig",),
        ("arn:aws:eks:{region}:{account}:nodegroup/{cluster}/*/*",),
        "the nodes of an environment go when its last day is over",
    ),
)

GRANTS: tuple[Grant, ...] = (*_CLOUD, *_NODES, *_KARPENTER, *_ENTRANCE, *_PLATFORM, *_MODEL, *_SERVICES)


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
