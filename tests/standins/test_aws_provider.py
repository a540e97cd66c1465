"""The stand-in for AWS under the real engine: a small program of its own through a stack's whole life."""

import json
import textwrap

import pytest
from pulumi.runtime.rpc import UNKNOWN

from tests.standins.conftest import Engine

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PROGRAM = textwrap.dedent(
    """
    import pulumi
    import pulumi_aws as aws

    provider = aws.Provider("there", region="eu-west-1", default_tags={"tags": {"shipway/env": "test"}})
    opts = pulumi.ResourceOptions(provider=provider)
    account = aws.get_caller_identity_output(opts=pulumi.InvokeOptions(provider=provider)).account_id
    vpc = aws.ec2.Vpc("network", cidr_block="10.0.0.0/16", opts=opts)
    subnets = [
        aws.ec2.Subnet(
            f"subnet-{zone}",
            vpc_id=vpc.id,
            cidr_block=f"10.0.{number}.0/24",
            availability_zone=f"eu-west-1{zone}",
            opts=opts,
        )
        for number, zone in enumerate("ab")
    ]
    role = aws.iam.Role(
        "cluster",
        assume_role_policy=pulumi.Output.json_dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "sts:AssumeRole",
                        "Principal": {"Service": "eks.amazonaws.com"},
                        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
                    }
                ],
            }
        ),
        opts=opts,
    )
    cluster = aws.eks.Cluster(
        "cluster",
        role_arn=role.arn,
        version="1.34",
        vpc_config={"subnet_ids": [subnet.id for subnet in subnets]},
        tags={"shipway/owner": "platform"},
        opts=opts,
    )
    bucket = aws.s3.Bucket("bundles", bucket="bundles-of-test", opts=opts)
    pulumi.export("endpoint", cluster.endpoint)
    pulumi.export("group", cluster.vpc_config.cluster_security_group_id)
    """
)


def test_the_whole_life_of_a_stack(engine: Engine) -> None:
    """Preview, up, no change, drift, update, replacement and destroy go as they would on AWS, and leave nothing."""
    engine.program(PROGRAM)
    foreseen = engine.steps()["cluster"]["newState"]
    assert foreseen["outputs"]["endpoint"] == UNKNOWN
    assert foreseen["outputs"]["vpcConfig"]["clusterSecurityGroupId"] == UNKNOWN
    assert foreseen["outputs"]["tagsAll"] == {"shipway/env": "test", "shipway/owner": "platform"}

    engine.up()
    objects = engine.objects()
    (name,) = [key.partition("Cluster/")[2] for key in objects if "eks/cluster" in key]
    assert name.startswith("cluster-")
    made = objects[f"aws:eks/cluster:Cluster/{name}"]
    assert made["endpoint"].endswith(".gr7.eu-west-1.eks.amazonaws.com")
    assert "123456789012" in objects[next(key for key in objects if "iam/role" in key)]["assumeRolePolicy"]
    assert engine.steps() == {}

    objects[f"aws:eks/cluster:Cluster/{name}"]["version"] = "1.33"
    engine.world.write_text(json.dumps(objects))
    engine.run("refresh", "--preview-only", "--expect-no-changes", code=7)
    engine.run("refresh", "--yes", "--skip-preview")
    assert {key: step["op"] for key, step in engine.steps().items()} == {"cluster": "update"}
    engine.up()

    engine.program(PROGRAM.replace("10.0.{number}.0", "10.0.{number + 4}.0").replace("bundles-of-test", "bundles-of-more"))
    steps = engine.steps()
    assert steps["subnet-a"]["replaceReasons"] == ["cidrBlock"]
    assert steps["bundles"]["replaceReasons"] == ["bucket"]
    engine.up()
    assert "aws:s3/bucket:Bucket/bundles-of-test" not in engine.objects()

    engine.run("destroy", "--yes", "--skip-preview")
    assert engine.objects() == {}
