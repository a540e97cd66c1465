"""What AWS refuses most often: each refusal has an input that meets it and one beside it that does not."""

import json
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from tests.standins.aws_objects import Place
from tests.standins.aws_refusals import refusals, refusals_at_creation
from tests.standins.world import World

PLACE = Place(region="eu-west-1")
VPC, SUBNET, ROLE, POLICY = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:iam/role:Role", "aws:iam/policy:Policy"
GROUP, STORE = "aws:eks/nodeGroup:NodeGroup", "aws:elasticache/replicationGroup:ReplicationGroup"


def document(actions: Any = "s3:GetObject", **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "arn:aws:s3:::bundles/*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=4)


def sizes(least: int, wanted: int, most: int) -> dict[str, Any]:
    return {"scalingConfig": {"minSize": least, "desiredSize": wanted, "maxSize": most}}


@pytest.mark.parametrize(
    ("token", "good", "bad", "said"),
    [
        (VPC, {"cidrBlock": "10.0.0.0/16"}, {"cidrBlock": "10.0.0.0/8"}, "InvalidVpc.Range"),
        (VPC, {"cidrBlock": "10.0.0.0/28"}, {"cidrBlock": "10.0.0.1/28"}, "InvalidVpc.Range"),
        (SUBNET, {"availabilityZone": "eu-west-1a"}, {"availabilityZone": "us-east-1a"}, "eu-west-1a, eu-west-1b"),
        (ROLE, {"name": "a" * 64}, {"name": "a" * 65}, "1 to 64 characters"),
        (ROLE, {"assumeRolePolicy": document()}, {"assumeRolePolicy": "{"}, "invalid Json"),
        (ROLE, {"assumeRolePolicy": document()}, {"assumeRolePolicy": document(["s3:Get"] * 300)}, "PolicySize: 2048"),
        (POLICY, {"policy": document(["s3:GetObject"] * 300)}, {"policy": document(["s3:GetObject"] * 450)}, "6144"),
        (POLICY, {"policy": document("s3:Get*")}, {"policy": document("GetObject")}, "prefaced by a vendor"),
        (POLICY, {"policy": document()}, {"policy": document(Effect="Permit")}, "Effect must be Allow or Deny"),
        (POLICY, {"policy": document()}, {"policy": '{"Version": "2012-10-17"}'}, "it has no Statement"),
        ("aws:s3/bucket:Bucket", {"bucket": "bundles.of-test"}, {"bucket": "Bundles"}, "3 to 63 lower-case letters"),
        ("aws:s3/bucket:Bucket", {"bucket": "192.0.2.a"}, {"bucket": "192.0.2.1"}, "3 to 63 lower-case letters"),
        ("aws:rds/instance:Instance", {"identifier": "mlflow-1"}, {"identifier": "mlflow--1"}, "single hyphens"),
        (STORE, {"replicationGroupId": "a" * 40}, {"replicationGroupId": "a" * 41}, "1 to 40 letters"),
        ("aws:eks/cluster:Cluster", {"version": "1.34"}, {"version": "v1.34"}, "a Kubernetes version such as 1.34"),
        (
            "aws:eks/cluster:Cluster",
            {"vpcConfig": {"subnetIds": ["a", "b"]}},
            {"vpcConfig": {"subnetIds": ["a", "a"]}},
            "at least two different AZs",
        ),
        (GROUP, {"instanceTypes": ["g6.xlarge"]}, {"instanceTypes": ["g6-xlarge"]}, "instance types do not exist"),
        (GROUP, sizes(0, 0, 1), sizes(2, 1, 3), "desired capacity 1 must be between the minimum 2"),
        (GROUP, sizes(0, 0, 1), sizes(0, 0, 0), "Maximum capacity must be at least 1"),
        (
            STORE,
            {"multiAzEnabled": True, "automaticFailoverEnabled": True, "numCacheClusters": 2},
            {"multiAzEnabled": True},
            "automatic failover must be enabled",
        ),
        (
            STORE,
            {"automaticFailoverEnabled": True, "numCacheClusters": 2},
            {"automaticFailoverEnabled": True, "numCacheClusters": 1},
            "at least two nodes",
        ),
        (VPC, {"tags": {"shipway/env": "test"}}, {"tags": {"aws:env": "test"}}, "InvalidTag"),
        (VPC, {"tags": {"owner": "a@b"}}, {"tags": {"owner": "a;b"}}, "InvalidTag"),
        (VPC, {"tags": {str(n): "" for n in range(50)}}, {"tags": {str(n): "" for n in range(51)}}, "TooManyTags: 51"),
    ],
)
def test_each_refusal_is_met_by_what_it_refuses_and_by_nothing_beside_it(
    token: str, good: dict[str, Any], bad: dict[str, Any], said: str
) -> None:
    """AWS would say it of the one and not of the other."""
    assert list(refusals(token, good, PLACE)) == []
    assert any(said in what for _, what in refusals(token, bad, PLACE))


@pytest.mark.parametrize("token", [VPC, SUBNET, ROLE, POLICY, GROUP, STORE, "aws:eks/cluster:Cluster"])
def test_what_is_unknown_is_not_refused(token: str) -> None:
    """Nothing is said of a value before it is known, inside an object neither."""
    keys = ("cidrBlock", "availabilityZone", "name", "policy", "assumeRolePolicy", "instanceTypes", "tags", "version")
    inputs = dict.fromkeys((*keys, "scalingConfig", "replicationGroupId"), UNKNOWN)
    assert list(refusals(token, inputs, PLACE)) == []
    assert list(refusals(token, {"vpcConfig": {"subnetIds": [UNKNOWN]}, "tags": {"a": UNKNOWN}}, PLACE)) == []


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"vpcId": "vpc-1", "cidrBlock": "10.0.1.0/24"}, None),
        ({"vpcId": "vpc-1", "cidrBlock": "10.1.0.0/24"}, "is not within the VPC's 10.0.0.0/16"),
        ({"vpcId": "vpc-1", "cidrBlock": "10.0.0.128/25"}, "conflicts with another subnet (10.0.0.0/24)"),
        ({"vpcId": "vpc-2", "cidrBlock": "10.0.1.0/24"}, "The vpc ID 'vpc-2' does not exist"),
    ],
)
def test_a_subnet_lies_in_its_vpc_and_apart_from_others(
    inputs: dict[str, Any], said: str | None, tmp_path: Path
) -> None:
    """What is there already decides where another subnet may lie."""
    world = World(tmp_path / "world.json")
    with world.changed() as objects:
        objects[f"{VPC}/vpc-1"] = {"cidrBlock": "10.0.0.0/16"}
        objects[f"{SUBNET}/subnet-1"] = {"cidrBlock": "10.0.0.0/24", "vpcId": "vpc-1"}
    found = list(refusals_at_creation(SUBNET, inputs, world))
    assert len(found) == (said is not None)
    assert said is None or said in found[0]
