"""Resources with one mistake each, and some without: what checkov must tell apart through manifests and plan."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

__all__ = ["MISTAKES", "RIGHT", "program"]

# resource -> the check that must fail on it.
MISTAKES: Mapping[str, str] = {
    "Pod.jobs.scaledjob-late-jobtargetref-template-spec": "CKV_K8S_16",
    "aws_acm_certificate.wildcard": "CKV2_AWS_71",
    "aws_cloudwatch_log_group.unencrypted": "CKV_AWS_158",
    "aws_db_instance.public": "CKV_AWS_17",
    "aws_db_instance.unencrypted": "CKV_AWS_16",
    "aws_dynamodb_table.unencrypted": "CKV_AWS_119",
    "aws_ebs_volume.unencrypted": "CKV_AWS_3",
    "aws_ecr_repository.mutable": "CKV_AWS_51",
    "aws_efs_file_system.unencrypted": "CKV_AWS_42",
    "aws_eip.loose": "CKV2_AWS_19",
    "aws_eks_cluster.plain": "CKV_AWS_58",
    "aws_eks_cluster.public": "CKV_AWS_39",
    "aws_eks_node_group.reachable": "CKV_AWS_100",
    "aws_elasticache_replication_group.plain": "CKV_AWS_30",
    "aws_iam_policy.everything": "CKV_AWS_62",
    "aws_iam_role.anybody": "CKV_AWS_60",
    "aws_iam_role_policy.everything": "CKV_AWS_288",
    "aws_iam_role_policy_attachment.admin": "CKV_AWS_274",
    "aws_kms_key.still": "CKV_AWS_7",
    "aws_lambda_function.untraced": "CKV_AWS_50",
    "aws_lambda_permission.anybody": "CKV_AWS_301",
    "aws_launch_template.old": "CKV_AWS_79",
    "aws_lb.unlogged": "CKV_AWS_91",
    "aws_lb_listener.clear": "CKV_AWS_2",
    "aws_lb_target_group.clear": "CKV_AWS_378",
    "aws_network_acl_rule.open": "CKV_AWS_352",
    "aws_route.peered": "CKV2_AWS_44",
    "aws_route_table.peered": "CKV2_AWS_44",
    "aws_s3_bucket.public": "CKV2_AWS_6",
    "aws_s3_bucket_lifecycle_configuration.unfinished": "CKV_AWS_300",
    "aws_s3_bucket_policy.anybody": "CKV_AWS_70",
    "aws_s3_bucket_public_access_block.half": "CKV_AWS_54",
    "aws_scheduler_schedule.plain": "CKV_AWS_297",
    "aws_secretsmanager_secret.plain": "CKV_AWS_149",
    "aws_secretsmanager_secret_rotation.rare": "CKV_AWS_304",
    "aws_security_group.open": "CKV_AWS_24",
    "aws_sns_topic.plain": "CKV_AWS_26",
    "aws_sqs_queue.plain": "CKV_AWS_27",
    "aws_subnet.public": "CKV_AWS_130",
    "aws_vpc.unlogged": "CKV2_AWS_11",
    "aws_vpc_security_group_egress_rule.open": "CKV_AWS_23",
    "aws_vpc_security_group_ingress_rule.open": "CKV_AWS_24",
}
# resource -> a check that must pass on it: what it needs stands in a block, a list or another resource.
RIGHT: Mapping[str, str] = {
    "aws_db_instance.public": "CKV_AWS_16",
    "aws_eks_cluster.plain": "CKV_AWS_39",
    "aws_eks_cluster.public": "CKV_AWS_58",
    "aws_kms_key.turning": "CKV_AWS_7",
    "aws_launch_template.new": "CKV_AWS_79",
    "aws_s3_bucket.closed": "CKV2_AWS_6",
    "aws_s3_bucket.half": "CKV2_AWS_61",
}
_ANYWHERE = "0.0.0.0/0"
_KEY = "arn:aws:kms:eu-central-1:111111111111:key/1"


def program() -> None:
    """Registers all of them, through the SDK, so that they reach the exporter as the platform's own do."""
    opts = pulumi.ResourceOptions(provider=aws.Provider("aws", region="eu-central-1"))
    _network(opts)
    _compute(opts)
    _stores(opts)
    _access(opts)
    _pod_in_a_custom_resource()


def _pod_in_a_custom_resource() -> None:
    container = {"name": "main", "image": "example.com/image", "securityContext": {"privileged": True}}
    CustomResource(
        "late",
        api_version="keda.sh/v1alpha1",
        kind="ScaledJob",
        metadata=ObjectMetaArgs(name="late", namespace="jobs"),
        spec={"jobTargetRef": {"template": {"spec": {"containers": [container]}}}},
        opts=pulumi.ResourceOptions(provider=kubernetes.Provider("cluster", kubeconfig="none")),
    )


def _document(action: str, **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, **more}]})


def _network(opts: pulumi.ResourceOptions) -> None:
    vpc = aws.ec2.Vpc("unlogged", cidr_block="10.0.0.0/16", opts=opts)
    aws.ec2.Subnet("public", vpc_id=vpc.id, cidr_block="10.0.0.0/24", map_public_ip_on_launch=True, opts=opts)
    anywhere = aws.ec2.SecurityGroupIngressArgs(protocol="tcp", from_port=22, to_port=22, cidr_blocks=[_ANYWHERE])
    group = aws.ec2.SecurityGroup("open", description="ssh", vpc_id=vpc.id, ingress=[anywhere], opts=opts)
    aws.vpc.SecurityGroupIngressRule(
        "open", security_group_id=group.id, cidr_ipv4=_ANYWHERE, ip_protocol="tcp", from_port=22, to_port=22, opts=opts
    )
    aws.vpc.SecurityGroupEgressRule(
        "open", security_group_id=group.id, cidr_ipv4=_ANYWHERE, ip_protocol="-1", opts=opts
    )
    aws.ec2.Eip("loose", domain="vpc", opts=opts)
    peered = {"vpc_peering_connection_id": "pcx-1"}
    table = aws.ec2.RouteTable(
        "peered", vpc_id=vpc.id, routes=[aws.ec2.RouteTableRouteArgs(cidr_block=_ANYWHERE, **peered)], opts=opts
    )
    aws.ec2.Route("peered", route_table_id=table.id, destination_cidr_block=_ANYWHERE, **peered, opts=opts)
    acl = aws.ec2.NetworkAcl("acl", vpc_id=vpc.id, opts=opts)
    aws.ec2.NetworkAclRule(
        "open",
        network_acl_id=acl.id,
        rule_number=1,
        protocol="-1",
        rule_action="allow",
        cidr_block=_ANYWHERE,
        opts=opts,
    )
    balancer = aws.lb.LoadBalancer("unlogged", load_balancer_type="network", opts=opts)
    forward = aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn="arn:aws:elasticloadbalancing:1")
    aws.lb.Listener(
        "clear", load_balancer_arn=balancer.arn, port=80, protocol="HTTP", default_actions=[forward], opts=opts
    )
    aws.lb.TargetGroup("clear", port=80, protocol="HTTP", vpc_id=vpc.id, opts=opts)


def _compute(opts: pulumi.ResourceOptions) -> None:
    private = aws.eks.ClusterVpcConfigArgs(subnet_ids=["a"], endpoint_public_access=False, endpoint_private_access=True)
    public = aws.eks.ClusterVpcConfigArgs(subnet_ids=["a"], endpoint_public_access=True)
    encrypted = aws.eks.ClusterEncryptionConfigArgs(
        provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=_KEY), resources=["secrets"]
    )
    role = "arn:aws:iam::111111111111:role/cluster"
    aws.eks.Cluster("public", role_arn=role, vpc_config=public, encryption_config=encrypted, opts=opts)
    aws.eks.Cluster("plain", role_arn=role, vpc_config=private, opts=opts)
    aws.eks.NodeGroup(
        "reachable",
        cluster_name="plain",
        node_role_arn=role,
        subnet_ids=["a"],
        scaling_config=aws.eks.NodeGroupScalingConfigArgs(desired_size=1, min_size=1, max_size=1),
        remote_access=aws.eks.NodeGroupRemoteAccessArgs(ec2_ssh_key="key"),
        opts=opts,
    )
    aws.ec2.LaunchTemplate(
        "old", metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(http_tokens="optional"), opts=opts
    )
    aws.ec2.LaunchTemplate(
        "new",
        metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(http_tokens="required", http_endpoint="enabled"),
        opts=opts,
    )
    aws.ebs.Volume("unencrypted", availability_zone="eu-central-1a", size=1, opts=opts)
    aws.ecr.Repository("mutable", image_tag_mutability="MUTABLE", opts=opts)
    aws.cloudwatch.LogGroup("unencrypted", opts=opts)
    function = aws.lambda_.Function("untraced", role=role, runtime="python3.13", handler="main.main", opts=opts)
    aws.lambda_.Permission("anybody", function=function.name, action="lambda:InvokeFunction", principal="*", opts=opts)
    aws.scheduler.Schedule(
        "plain",
        schedule_expression="rate(1 day)",
        flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
        target=aws.scheduler.ScheduleTargetArgs(arn="arn:aws:lambda:1", role_arn=role),
        opts=opts,
    )


def _stores(opts: pulumi.ResourceOptions) -> None:
    aws.s3.Bucket("public", opts=opts)
    closed = aws.s3.Bucket("closed", opts=opts)
    aws.s3.BucketPublicAccessBlock(
        "closed",
        bucket=closed.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=opts,
    )
    aws.s3.BucketVersioning(
        "closed",
        bucket=closed.id,
        versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
        opts=opts,
    )
    by_kms = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
        sse_algorithm="aws:kms", kms_master_key_id=_KEY
    )
    rule = aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(apply_server_side_encryption_by_default=by_kms)
    aws.s3.BucketServerSideEncryptionConfiguration("closed", bucket=closed.id, rules=[rule], opts=opts)
    half = aws.s3.Bucket("half", opts=opts)
    aws.s3.BucketPublicAccessBlock("half", bucket=half.id, block_public_acls=True, opts=opts)
    lifecycle = aws.s3.BucketLifecycleConfigurationRuleArgs(
        id="old", status="Enabled", expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=30)
    )
    aws.s3.BucketLifecycleConfiguration("unfinished", bucket=half.id, rules=[lifecycle], opts=opts)
    policy = _document("s3:GetObject", Principal="*", Resource="arn:aws:s3:::half/*")
    aws.s3.BucketPolicy("anybody", bucket=half.id, policy=policy, opts=opts)
    common: dict[str, Any] = {"engine": "postgres", "instance_class": "db.t4g.small", "allocated_storage": 20}
    aws.rds.Instance("public", **common, publicly_accessible=True, storage_encrypted=True, opts=opts)
    aws.rds.Instance("unencrypted", **common, storage_encrypted=False, publicly_accessible=False, opts=opts)
    aws.elasticache.ReplicationGroup("plain", description="a store", transit_encryption_enabled=False, opts=opts)
    aws.dynamodb.Table(
        "unencrypted", hash_key="id", attributes=[aws.dynamodb.TableAttributeArgs(name="id", type="S")], opts=opts
    )
    aws.efs.FileSystem("unencrypted", encrypted=False, opts=opts)
    secret = aws.secretsmanager.Secret("plain", opts=opts)
    aws.secretsmanager.SecretRotation(
        "rare",
        secret_id=secret.id,
        rotation_rules=aws.secretsmanager.SecretRotationRotationRulesArgs(automatically_after_days=300),
        opts=opts,
    )
    aws.sns.Topic("plain", opts=opts)
    aws.sqs.Queue("plain", sqs_managed_sse_enabled=False, opts=opts)


def _access(opts: pulumi.ResourceOptions) -> None:
    aws.acm.Certificate("wildcard", domain_name="*.example.com", validation_method="DNS", opts=opts)
    everything = _document("*", Resource="*")
    aws.iam.Policy("everything", policy=everything, opts=opts)
    role = aws.iam.Role("anybody", assume_role_policy=_document("sts:AssumeRole", Principal={"AWS": "*"}), opts=opts)
    aws.iam.RolePolicy("everything", role=role.id, policy=everything, opts=opts)
    aws.iam.RolePolicyAttachment(
        "admin", role=role.name, policy_arn="arn:aws:iam::aws:policy/AdministratorAccess", opts=opts
    )
    aws.kms.Key("still", enable_key_rotation=False, opts=opts)
    aws.kms.Key("turning", enable_key_rotation=True, opts=opts)
