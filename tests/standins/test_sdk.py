"""What is derived from the providers' SDKs about their resources."""

import pytest

from tests.standins.sdk import ResourceType, resource_type


def kind(token: str) -> ResourceType:
    found = resource_type(token)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("token", "name"),
    [
        ("aws:eks/cluster:Cluster", "name"),
        ("aws:eks/nodeGroup:NodeGroup", "nodeGroupName"),
        ("aws:elasticache/replicationGroup:ReplicationGroup", "replicationGroupId"),
        ("aws:rds/instance:Instance", "identifier"),
        ("aws:s3/bucket:Bucket", "bucket"),
        ("aws:ec2/vpc:Vpc", ""),
    ],
)
def test_the_property_that_names_a_resource_is_known(token: str, name: str) -> None:
    """What the provider makes up when it is left out is known for each type, and absent where AWS gives an id."""
    assert kind(token).autonamed == name


def test_computed_properties_are_those_that_are_always_there() -> None:
    """An output that may be missing is not computed; one that AWS fills in is, given or not."""
    subnet = kind("aws:ec2/subnet:Subnet")
    assert {"arn", "availabilityZone", "ownerId", "tagsAll"} <= subnet.computed
    assert not {"outpostArn", "customerOwnedIpv4Pool", "tags"} & subnet.computed


def test_only_an_unconditional_sentence_makes_a_replacement() -> None:
    """The documentation of ElastiCache says of some properties that they force a new group under a condition."""
    assert kind("aws:eks/cluster:Cluster").replacing == {"bootstrapSelfManagedAddons"}
    assert kind("aws:elasticache/replicationGroup:ReplicationGroup").replacing == frozenset()


@pytest.mark.parametrize("token", ["aws:eks/cluster:Clutser", "aws:ek/cluster:Cluster", "kubernetes:keda.sh/v1:Scaler"])
def test_a_type_that_the_sdk_lacks_is_none(token: str) -> None:
    """A custom resource, or a type that does not exist, is not made up."""
    assert resource_type(token) is None
