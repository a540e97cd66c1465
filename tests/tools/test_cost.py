"""What resources cost a month by the table of list prices."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.aws.gpu_types import AWS_GPU_TABLE
from components.aws.instance_types import CPU_TYPES
from components.aws.price_list import PriceList
from tools.cost import Bill, Line, bill_of
from tools.foreseen import Change, Foreseen, Step

PRICES = PriceList(
    region="us-east-1",
    as_of=date(2026, 1, 1),
    source="a list",
    hours_per_month=730,
    cluster_hour=0.1,
    nat_hour=0.05,
    balancer_hour=0.02,
    endpoint_hour=0.01,
    public_address_hour=0.005,
    key_month=1.0,
    secret_month=0.4,
    volume_gib_month={"gp2": 0.1, "gp3": 0.08},
    database_gib_month=0.1,
    database_hour={"db.t4g.small": 0.1},
    cache_hour={"cache.t4g.micro": 0.1},
)
MACHINE, LARGER, GPU = "m7i.large", "m7i.xlarge", "g4dn.xlarge"
HOUR = {MACHINE: CPU_TYPES[MACHINE].usd_per_hour, LARGER: CPU_TYPES[LARGER].usd_per_hour} | {
    row.instance_type: row.usd_per_hour for row in AWS_GPU_TABLE.rows.values()
}
GROUP = {"scalingConfig": {"minSize": 1, "desiredSize": 1, "maxSize": 3}, "instanceTypes": [MACHINE], "diskSize": 50}


def step(kind: str, inputs: Mapping[str, Any], *, id: str = "", change: Change = Change.CREATE) -> Step:
    return Step(f"urn::{kind}::one", kind, "one", change, "part", (), inputs, id)


def bill(*steps: Step) -> Bill:
    return bill_of([Foreseen(steps, (), (), ())], PRICES)


def group(**inputs: Any) -> Step:
    return step("aws:eks/nodeGroup:NodeGroup", {**GROUP, **inputs})


def pool(limits: Any, types: list[str], *, disks: tuple[str, ...] = ("100Gi",)) -> tuple[Step, Step]:
    """Returns a pool of Karpenter's and the class of its nodes, as components/aws/karpenter.py declares them."""
    requirements = [
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": types},
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
    ]
    template = {"spec": {"nodeClassRef": {"name": "a-pool"}, "requirements": requirements}}
    mappings = [{"deviceName": "/dev/xvda", "ebs": {"volumeSize": size, "volumeType": "gp3"}} for size in disks]
    return (
        step("kubernetes:karpenter.sh/v1:NodePool", {"spec": {"template": template, "limits": limits}}),
        step(
            "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass",
            {"metadata": {"name": "a-pool"}, "spec": {"blockDeviceMappings": mappings}},
        ),
    )


def database(**inputs: Any) -> Step:
    given = {"instanceClass": "db.t4g.small", "engine": "postgres", "allocatedStorage": 20, **inputs}
    return step("aws:rds/instance:Instance", given)


def cache(**inputs: Any) -> Step:
    given = {"engine": "valkey", "nodeType": "cache.t4g.micro", "numCacheClusters": 2, **inputs}
    return step("aws:elasticache/replicationGroup:ReplicationGroup", given)


def endpoint(**inputs: Any) -> Step:
    return step("aws:ec2/vpcEndpoint:VpcEndpoint", inputs)


@pytest.mark.parametrize(
    ("priced", "least", "most"),
    [
        (step("aws:eks/cluster:Cluster", {}), 73, 73),
        (step("aws:ec2/natGateway:NatGateway", {}), 36.5, 36.5),
        (step("aws:ec2/eip:Eip", {}), 3.65, 3.65),
        (step("aws:kms/key:Key", {}), 1, 1),
        (step("aws:secretsmanager/secret:Secret", {}), 0.4, 0.4),
        (step("kubernetes:gateway.networking.k8s.io/v1:Gateway", {}), 14.6, 14.6),
        (endpoint(vpcEndpointType="Interface", subnetIds=["a", "b"]), 14.6, 14.6),
        (endpoint(vpcEndpointType="Gateway"), 0, 0),
        (group(), 730 * HOUR[MACHINE] + 5, 3 * (730 * HOUR[MACHINE] + 5)),
        (group(instanceTypes=[MACHINE, LARGER]), 730 * HOUR[LARGER] + 5, 3 * (730 * HOUR[LARGER] + 5)),
        (group(instanceTypes=[GPU], scalingConfig={"minSize": 0, "maxSize": 1}), 0, 730 * HOUR[GPU] + 5),
        (database(), 73 + 2, 73 + 2),
        (database(multiAz=True, maxAllocatedStorage=100), 2 * (73 + 2), 2 * (73 + 10)),
        (database(manageMasterUserPassword=True), 75.4, 75.4),
        (cache(), 146, 146),
        (cache(numCacheClusters=None, numNodeGroups=2, replicasPerNodeGroup=1), 292, 292),
        (step("aws:iam/role:Role", {}), 0, 0),
    ],
)
def test_each_resource_costs_what_the_list_says(priced: Step, least: float, most: float) -> None:
    """Hours of a month times what there is of it, with as few and as many nodes as may be."""
    found = bill(priced)
    assert (found.least_usd, found.most_usd) == (pytest.approx(least), pytest.approx(most))
    assert found.unpriced == ()


@pytest.mark.parametrize(
    ("priced", "why"),
    [
        (group(instanceTypes=["p9.large"]), "the list has no price of it"),
        (group(scalingConfig="unknown"), "its number of nodes is not known"),
        (group(launchTemplate={"id": "unknown"}), "its size or its price is not known"),
        (database(engine="mysql"), "the list has no price of it"),
        (database(allocatedStorage="unknown"), "its size or its price is not known"),
        (cache(engine="redis"), "the list has no price of it"),
        (endpoint(vpcEndpointType="Interface"), "its number of zones is not known"),
    ],
)
def test_what_has_no_price_is_said_and_is_not_nothing(priced: Step, why: str) -> None:
    """An unknown price is a line that says why, and no sum hides it."""
    found = bill(priced)
    line = next(line for line in found.unpriced if line.unpriced == why)
    assert (line.least_usd, line.most_usd) == (None, None)
    assert found.against(1e9).endswith("without what has no price")


def test_spot_costs_no_more_than_on_demand_and_nobody_knows_how_much_less() -> None:
    """The most is known and counted, the least is not and is said; a pool that may be empty costs nothing then."""
    on_demand, spot = bill(group()), bill(group(capacityType="SPOT"))
    assert spot.most_usd == on_demand.most_usd
    assert spot.least_usd == pytest.approx(5)
    assert [line.unpriced for line in spot.unpriced] == ["on spot; the most is the price on demand"]
    assert bill(group(capacityType="SPOT", scalingConfig={"minSize": 0, "maxSize": 1})).unpriced == ()


def test_a_launch_templates_volume_is_its_node_groups() -> None:
    """A node group whose volume is its template's costs that volume for each node."""
    mappings = [{"deviceName": "/dev/xvda", "ebs": {"volumeSize": 100, "volumeType": "gp3"}}]
    template = step("aws:ec2/launchTemplate:LaunchTemplate", {"blockDeviceMappings": mappings}, id="lt-1")
    found = bill(group(launchTemplate={"id": "lt-1"}), template)
    assert [(line.least_usd, line.most_usd) for line in found.lines if line.what == "node volumes"] == [(8.0, 24.0)]


def test_nodes_that_karpenter_may_make_cost_up_to_their_limits() -> None:
    """None at least; at most as many of the dearest type as the limits hold, each with its volumes."""
    cpus = CPU_TYPES[MACHINE].cpus
    found = bill(*pool({"cpu": 3 * cpus}, [MACHINE], disks=("100Gi", "4Gi")))
    assert (found.least_usd, found.unpriced) == (0, ())
    assert found.most_usd == pytest.approx(3 * (730 * HOUR[MACHINE] + 104 * 0.08))
    gpus = next(row for row in AWS_GPU_TABLE.rows.values() if row.instance_type == GPU)
    assert bill(*pool({gpus.resource_name: 4 * gpus.gpus_per_node}, [GPU])).most_usd == pytest.approx(
        4 * (730 * HOUR[GPU] + 8)
    )
    several = bill(*pool({"cpu": 8 * cpus}, [MACHINE, LARGER]))
    larger = 8 * cpus / CPU_TYPES[LARGER].cpus
    assert several.most_usd == pytest.approx(730 * max(8 * HOUR[MACHINE], larger * HOUR[LARGER]) + 8 * 8)
    assert several.against(100) == "above the budget of 100 USD with the most nodes"
    assert bill(*pool({"cpu": 0}, [MACHINE])).lines == ()


def test_managed_nodes_stay_at_their_least_number_beside_karpenter() -> None:
    """What its pools may make beyond is counted there, and not twice."""
    cpus = CPU_TYPES[MACHINE].cpus
    found = bill(group(), *pool({"cpu": 2 * cpus}, [MACHINE], disks=("50Gi",)))
    one = 730 * HOUR[MACHINE]
    assert (found.least_usd, found.most_usd) == (pytest.approx(one + 5), pytest.approx(3 * one + 5 + 2 * 4))


@pytest.mark.parametrize(
    ("limits", "types"), [(None, [MACHINE]), ("unknown", [MACHINE]), ({"cpu": 8}, ["p9.large"]), ({"cpu": 8}, [])]
)
def test_a_pool_without_known_limits_is_said_and_is_not_nothing(limits: Any, types: list[str]) -> None:
    """Nobody knows what it may come to."""
    (line,) = bill(*pool(limits, types)).unpriced
    assert line.unpriced == "its limits say of no known type how many nodes they hold"


def test_what_is_deleted_costs_nothing() -> None:
    """The bill is that of the stack as it will be."""
    assert bill(step("aws:eks/cluster:Cluster", {}, change=Change.DELETE)).lines == ()


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (None, "no budget is declared"),
        (50, "above the budget of 50 USD with the fewest nodes already"),
        (100, "above the budget of 100 USD with the most nodes"),
        (500, "within the budget of 500 USD"),
    ],
)
def test_a_bill_is_compared_with_the_budget(budget: float | None, said: str) -> None:
    """Both ends of the bill count: what it costs at rest, and what it may come to."""
    assert bill(group()).against(budget) == said


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)).map(sorted), max_size=20))
def test_a_bill_is_the_sum_of_its_lines(spans: list[list[float]]) -> None:
    """Least and most add up, and the least is never more than the most."""
    found = Bill(tuple(Line("one", "what", low, high) for low, high in spans), PRICES)
    assert found.least_usd == pytest.approx(sum(low for low, _ in spans))
    assert found.least_usd <= found.most_usd or found.least_usd == pytest.approx(found.most_usd)
