"""What a replica costs an hour."""

import pytest

from components.aws.gpu_types import AWS_GPU_TABLE
from shipway.contract.machines import AWS_CPU_MACHINES
from shipway.contract.model import ResourceSpec
from shipway.contract.prices import REFERENCE_MACHINE, PricesSpec, replica_price

CPU = ResourceSpec(cpu_millicores=500, memory_mib=1024)
GPU = ResourceSpec(cpu_millicores=1000, memory_mib=1024, gpu_type="l4", gpus=1)


def test_a_replica_pays_for_the_larger_of_its_shares() -> None:
    """Of a machine with 4 CPUs and 16 GiB: an eighth by its CPU, a half by its memory."""
    hour = AWS_CPU_MACHINES["m7i.xlarge"].usd_per_hour
    assert replica_price(CPU, None, ["m7i.xlarge"]).usd_per_hour == pytest.approx(hour / 8)
    large = CPU.model_copy(update={"memory_mib": 8192})
    found = replica_price(large, None, ["m7i.xlarge"])
    assert (found.usd_per_hour, found.how) == (pytest.approx(hour / 2), "its share of m7i.xlarge")


def test_of_several_pools_the_dearest_counts() -> None:
    """A pod may land on any of them; one whose price nobody knows leaves the cost unknown."""
    found = replica_price(CPU, None, ["m6a.xlarge", "m7i.xlarge"])
    assert found.how == "its share of m7i.xlarge"
    unknown = replica_price(CPU, None, ["m7i.xlarge", "m9.huge"])
    assert (unknown.usd_per_hour, unknown.how) == (
        None,
        "no price of m9.huge; the environment's `prices` can name one",
    )


def test_without_a_price_the_reference_is_named() -> None:
    """A laptop costs nothing by the hour; what it would cost on a machine that does is said to be that."""
    found = replica_price(CPU, None)
    assert found.usd_per_hour == replica_price(CPU, None, [REFERENCE_MACHINE]).usd_per_hour
    assert found.how == "the environment names no price: its share of m7i.xlarge"


def test_a_gpu_is_its_share_of_its_machine() -> None:
    """By the row that the target's GPU table has."""
    found = replica_price(GPU, None)
    assert found.usd_per_hour == AWS_GPU_TABLE.rows["l4"].usd_per_hour
    four = replica_price(GPU.model_copy(update={"gpu_type": "l4-x4"}), None)
    assert four.usd_per_hour == pytest.approx(AWS_GPU_TABLE.rows["l4-x4"].usd_per_hour / 4)
    assert replica_price(GPU.model_copy(update={"gpu_type": "a10"}), None).usd_per_hour is None


def test_the_environments_own_prices_go_first() -> None:
    """A machine of one's own costs what its owner says; a GPU that is not named is unknown, never free."""
    prices = PricesSpec(cpu_core_usd_per_hour=0.02, gpu_usd_per_hour={"l4": 0.5})
    assert replica_price(CPU, prices, ["m7i.xlarge"]).usd_per_hour == pytest.approx(0.01)
    assert replica_price(GPU, prices).usd_per_hour == pytest.approx(0.52)
    found = replica_price(GPU.model_copy(update={"gpu_type": "t4"}), prices)
    assert (found.usd_per_hour, found.how) == (None, "the environment's `prices.gpu_usd_per_hour` names no t4")
