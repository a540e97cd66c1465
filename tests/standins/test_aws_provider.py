"""The stand-in for AWS under the real engine: a small program of its own through a stack's whole life."""

import json
import textwrap

import pytest
from pulumi.runtime.rpc import UNKNOWN

from tests.standins.aws_objects import Place
from tests.standins.conftest import STACK, Engine
from tools.foreseen import Change, Foreseen

pytestmark = [pytest.mark.standins, pytest.mark.timeout(120)]

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
    cluster = aws.eks.Cluster(
        "eks",
        role_arn=account.apply(lambda number: f"arn:aws:iam::{number}:role/eks"),
        version="1.34",
        vpc_config={"subnet_ids": [subnet.id for subnet in subnets]},
        tags={"shipway/owner": "platform"},
        opts=opts,
    )
    pulumi.export("endpoint", cluster.endpoint)
    pulumi.export("group", cluster.vpc_config.cluster_security_group_id)
    """
)


def test_the_whole_life_of_a_stack(engine: Engine) -> None:
    """Preview, up, drift, repair, replacement and destroy go as they would on AWS, and leave nothing."""
    engine.program(PROGRAM)
    assert set(changed(engine.foresee("preview")).values()) == {(Change.CREATE, ())}
    foreseen = engine.outputs("eks")
    assert foreseen["endpoint"] == UNKNOWN
    assert foreseen["vpcConfig"]["clusterSecurityGroupId"] == UNKNOWN
    assert foreseen["tagsAll"] == {"shipway/env": "test", "shipway/owner": "platform"}

    engine.foresee("up")
    objects = engine.objects()
    (key,) = [key for key in objects if key.startswith("aws:eks/cluster:Cluster/eks-")]
    assert objects[key]["endpoint"].endswith(".gr7.eu-west-1.eks.amazonaws.com")
    assert objects[key]["roleArn"] == f"arn:aws:iam::{Place.account}:role/eks"
    assert set(objects[key]["vpcConfig"]["subnetIds"]) == {one.rpartition("/")[2] for one in objects if "Subnet" in one}

    objects[key]["version"] = "1.33"
    engine.world.write_text(json.dumps(objects))
    # Nothing but the drift is repaired: what was made is what was asked for.
    assert changed(engine.foresee("up", "--refresh")) == {"eks": (Change.UPDATE, ("version",))}
    assert engine.objects()[key]["version"] == "1.34"

    engine.program(PROGRAM.replace("10.0.{number}.0", "10.0.{number + 4}.0"))
    found = changed(engine.foresee("up"))
    assert found.pop("eks")[0] is Change.UPDATE
    assert found == dict.fromkeys(("subnet-a", "subnet-b"), (Change.REPLACE, ("cidrBlock",)))

    engine.run("destroy", "-s", STACK, "--yes", "--skip-preview")
    assert engine.objects() == {}


def changed(foreseen: Foreseen) -> dict[str, tuple[Change, tuple[str, ...]]]:
    """Returns resource -> what happens to it and why, without what stays the same."""
    return {step.name: (step.change, step.keys) for step in foreseen.steps if step.change is not Change.SAME}


def test_a_preview_refuses_what_the_provider_has_no_property_for(engine: Engine) -> None:
    """A key that is mistyped inside a dictionary, which the SDK hands on untouched, ends the preview by its name."""
    engine.program(PROGRAM.replace('{"subnet_ids":', '{"endpoint_privat_access": True, "subnet_ids":'))
    (error,) = engine.foresee("preview", code=1).errors
    assert error.startswith("eks: aws:eks/cluster:Cluster resource 'eks'")
    assert error.endswith("is no property of it (did you mean 'endpointPrivateAccess'?)")
