"""What an environment costs at least."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.aws import prices
from components.aws.endpoints import interface_services
from components.aws.price_list import PRICES
from components.aws.prices import minimum_usd_per_month, refuse_over_budget
from shipway.contract.errors import SpecError
from tests.components.aws.cloud import environment

ROOT = Path("project")
GPUS = {"name": "inference", "gpu_type": "l4", "max_nodes": 4, "disk_gib": 100}


def _known(**changes: Any) -> dict[str, float | None]:
    return {cost.part: cost.usd_per_month for cost in minimum_usd_per_month(environment(**changes))}


def test_what_runs_idle_is_summed_by_hand() -> None:
    """Three nodes and their disks, both databases in two zones with their storage, a way out of each zone."""
    found = _known()
    assert found["cluster"] == pytest.approx(73.0)
    assert found["nodes system"] == pytest.approx(3 * 0.1008 * 730 + 3 * 80 * 0.08)
    assert found["database mlflow"] == pytest.approx(2 * 0.032 * 730 + 2 * 20 * 0.115)
    assert found["NAT"] == pytest.approx(3 * 0.05 * 730)
    assert found["endpoints"] == pytest.approx(36 * 0.01 * 730)


def test_a_gpu_node_that_always_runs_counts_and_one_from_nothing_does_not() -> None:
    """The least is what is paid when nobody asks."""
    assert _known(gpu_pools=[{**GPUS, "min_nodes": 2}])["nodes inference"] == pytest.approx(
        2 * 0.9776 * PRICES.hours_per_month + 2 * 100 * 0.08
    )
    assert _known(gpu_pools=[{**GPUS, "min_nodes": 0}])["nodes inference"] == 0


def test_an_unknown_price_is_said_and_is_no_zero() -> None:
    """Spot has no list price, and a machine may be newer than the table."""
    costs = minimum_usd_per_month(
        environment(
            gpu_pools=[{**GPUS, "min_nodes": 1, "capacity": "spot"}],
            aws={"mlflow_database": {"instance_class": "db.m99.large"}},
        )
    )
    unknown = {cost.part: cost.how for cost in costs if cost.usd_per_month is None}
    assert unknown == {
        "nodes inference": "1 x g6.2xlarge on spot, whose price changes by the hour",
        "database mlflow": "no price of db.m99.large is known",
    }


def test_a_budget_below_the_least_is_refused_with_the_sum() -> None:
    """Before anything is created, and with what costs most of it."""
    refuse_over_budget(ROOT, environment(budget_usd_per_month=5000))
    expected = r"budget_usd_per_month: got 300.0, expected at least \d+, .* \(endpoints 263, nodes system 240, NAT 110"
    with pytest.raises(SpecError, match=expected):
        refuse_over_budget(ROOT, environment(budget_usd_per_month=300))
    with pytest.raises(SpecError, match="budget_usd_per_month"):
        refuse_over_budget(ROOT, environment(budget_usd_per_month=None))


@given(st.integers(1, 50), st.integers(0, 5))
def test_more_of_anything_never_costs_less(nodes: int, replicas: int) -> None:
    """Each part is monotone in its count: a budget that holds for the larger holds for the smaller."""
    pool = {"name": "system", "instance_types": ["m7i.large"], "max_nodes": 100}

    def total(count: int, copies: int) -> float:
        sizes = {"cpu_pools": [{**pool, "min_nodes": count}], "online_store": {"replicas": copies}}
        return sum(cost or 0 for cost in _known(aws=sizes).values())

    assert total(nodes, replicas) < total(nodes + 1, replicas)
    assert replicas == 5 or total(nodes, replicas) < total(nodes, replicas + 1)


@pytest.mark.parametrize("autoscaler", ["cluster_autoscaler", "karpenter"])
def test_endpoints_are_as_many_as_are_made(autoscaler: str) -> None:
    """The table counts what components/aws/endpoints.py makes."""
    spec = environment(aws={"autoscaler": autoscaler}).aws
    assert len(interface_services(spec)) == prices._ENDPOINTS[autoscaler]
