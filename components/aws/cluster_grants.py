"""The rights of what runs a cluster: nodes' add-ons, what adds nodes, what makes the load balancer."""

from components.aws.grant import Grant
from components.aws.upstreams import UPSTREAMS

__all__ = ["ENTRANCE", "KARPENTER", "NODES"]

# What a load balancer carries that the controller of this cluster has made.
_CLUSTER_TAG = "elbv2.k8s.aws/cluster"


def _ec2(*kinds: str) -> tuple[str, ...]:
    return tuple(f"arn:aws:ec2:{{region}}:{{account}}:{kind}/*" for kind in kinds)


def _encrypted(part: str) -> tuple[Grant, Grant]:
    """Returns the rights of what makes disks that are encrypted with the cluster's key."""
    return (
        Grant(
            part,
            ("kms:CreateGrant",),
            ("{cluster_key}",),
            "EC2 decrypts the disk for the node",
            {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
        Grant(
            part,
            ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext"),
            ("{cluster_key}",),
            "disks are encrypted",
        ),
    )


_BALANCER = "arn:aws:elasticloadbalancing:{region}:{account}"
_BALANCED = {"StringEquals": {f"aws:ResourceTag/{_CLUSTER_TAG}": "{cluster}"}}
_BALANCING = {"StringEquals": {f"aws:RequestTag/{_CLUSTER_TAG}": "{cluster}"}}
_EBS_REQUEST = {"StringEquals": {"aws:RequestTag/ebs.csi.aws.com/cluster": "true"}}
_EBS_OWN = {"StringEquals": {"aws:ResourceTag/ebs.csi.aws.com/cluster": "true"}}
_OWN_CLUSTER = {"StringEquals": {"aws:ResourceTag/kubernetes.io/cluster/{cluster}": "owned"}}
_NEW_IN_CLUSTER = {"StringEquals": {"aws:RequestTag/kubernetes.io/cluster/{cluster}": "owned"}}

NODES = (
    # To import into a copy that is there, AmazonEC2ContainerRegistryPullOnly lets them; nobody makes one beforehand.
    Grant(
        "node",
        ("ecr:CreateRepository",),
        tuple(f"arn:aws:ecr:{{region}}:{{account}}:repository/{{cluster}}/{prefix}/*" for prefix in UPSTREAMS),
        "the first pull of another's image makes the repository of its copies",
    ),
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
    *_encrypted("ebs-csi"),
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
KARPENTER = (
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
    *_encrypted("karpenter"),
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
ENTRANCE = (
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
                f"aws:RequestTag/{_CLUSTER_TAG}": "{cluster}",
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
