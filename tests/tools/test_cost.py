"""What resources cost a month by the table of list prices."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.errors import SpecError
from tools.cost import Bill, Line, Prices, bill_of, load_prices
from tools.foreseen import Change, Foreseen, Step

PRICES = Prices(
    region="us-east-1",
    as_of=date(2026, 1, 1),
    source="a list",
    hours_per_month=730,
    per_hour={"eks_cluster": 0.1, "nat_gateway": 0.05, "interface_endpoint": 0.01, "load_balancer": 0.02},
    per_month={"kms_key": 1.0},
    per_gib_month={"gp2": 0.1, "gp3": 0.08, "database_gp3": 0.2},
    instances_per_hour={"m5.large": 0.1, "m5.xlarge": 0.2},
    databases_per_hour={"db.t3.large": 0.1},
    caches_per_hour={"cache.m4.large": 0.1},
)
GPU = {"g6.xlarge": 0.8}
GROUP = {"scalingConfig": {"minSize": 1, "desiredSize": 1, "maxSize": 3}, "instanceTypes": ["m5.large"], "diskSize": 50}


def step(kind: str, inputs: Mapping[str, Any], *, name: str = "one", change: Change = Change.CREATE) -> Step:
    return Step(f"urn::{kind}::{name}", kind, name, change, "part", (), inputs)


def bill(*steps: Step) -> Bill:
    return bill_of([Foreseen(steps, (), (), ())], PRICES, GPU)


def group(**inputs: Any) -> Step:
    return step("aws:eks/nodeGroup:NodeGroup", {**GROUP, **inputs})


@pytest.mark.parametrize(
    ("priced", "least", "most"),
    [
        (step("aws:eks/cluster:Cluster", {}), 73, 73),
        (step("aws:ec2/natGateway:NatGateway", {}), 36.5, 36.5),
        (step("aws:kms/key:Key", {}), 1, 1),
        (
            step("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Interface", "subnetIds": ["a", "b"]}),
            14.6,
            14.6,
        ),
        (step("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Gateway"}), 0, 0),
        (group(), 73 + 5, 3 * (73 + 5)),
        (group(instanceTypes=["m5.large", "m5.xlarge"]), 146 + 5, 3 * (146 + 5)),
        (group(instanceTypes=["g6.xlarge"], scalingConfig={"minSize": 0, "maxSize": 1}), 0, 584 + 5),
        (
            step(
                "aws:rds/instance:Instance",
                {
                    "instanceClass": "db.t3.large",
                    "engine": "postgres",
                    "multiAz": True,
                    "storageType": "gp3",
                    "allocatedStorage": 20,
                    "maxAllocatedStorage": 100,
                },
            ),
            2 * (73 + 4),
            2 * (73 + 20),
        ),
        (
            step(
                "aws:elasticache/replicationGroup:ReplicationGroup",
                {"nodeType": "cache.m4.large", "numCacheClusters": 2},
            ),
            146,
            146,
        ),
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
        (group(instanceTypes=["p9.large"]), "no price of p9.large in us-east-1"),
        (group(scalingConfig="unknown"), "its number of nodes is not known"),
        (group(launchTemplate={"id": "unknown"}), "its size is not known"),
        (
            step(
                "aws:rds/instance:Instance", {"instanceClass": "db.t3.large", "engine": "mysql", "allocatedStorage": 1}
            ),
            "no price of mysql on db.t3.large in us-east-1",
        ),
        (step("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Interface"}), "its number of zones is not known"),
    ],
)
def test_what_has_no_price_is_said_and_is_not_nothing(priced: Step, why: str) -> None:
    """An unknown price is a line that says why, and no sum hides it."""
    found = bill(priced)
    line = next(line for line in found.unpriced if line.unpriced == why)
    assert (line.least_usd, line.most_usd) == (None, None)
    assert found.against(1e9).endswith("without what has no price")


def test_a_launch_templates_volume_is_its_node_groups() -> None:
    """A node group whose volume is its template's costs that volume for each node."""
    mappings = [{"deviceName": "/dev/xvda", "ebs": {"volumeSize": 100, "volumeType": "gp3"}}]
    template = step("aws:ec2/launchTemplate:LaunchTemplate", {"blockDeviceMappings": mappings})
    found = bill(group(launchTemplate={"id": "unknown"}), template)
    assert [(line.least_usd, line.most_usd) for line in found.lines if line.what == "node volumes"] == [(8.0, 24.0)]


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
    found = Bill(tuple(Line("one", "what", low, high) for low, high in spans), "us-east-1", date(2026, 1, 1))
    assert found.least_usd == pytest.approx(sum(low for low, _ in spans))
    assert found.least_usd <= found.most_usd or found.least_usd == pytest.approx(found.most_usd)


def test_the_table_says_where_and_when_its_prices_are_from(tmp_path: Any) -> None:
    """A table without a source or a day is refused."""
    prices = load_prices()
    assert prices.source.startswith("https://")
    assert prices.as_of <= date.today()
    path = tmp_path / "prices.yaml"
    path.write_text("region: us-east-1\n")
    with pytest.raises(SpecError, match="as_of"):
        load_prices(path)
