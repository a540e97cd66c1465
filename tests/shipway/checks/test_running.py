"""What the checks of one version are given beside its findings."""

from pathlib import Path

from shipway.checks.running import price_of
from shipway.contract.environment import load_environment
from shipway.contract.machines import AWS_CPU_MACHINES
from tests.shipway.checks.loans import spec_of

ROOT = Path(__file__).resolve().parents[3]


def test_a_replica_is_priced_on_the_dearest_machine_that_its_pools_may_bring() -> None:
    """A pool of several types may bring any of them, and not only the first."""
    environment = load_environment(ROOT, "prod")
    assert environment.aws is not None
    cheap, dear = sorted(("m7i.xlarge", "r7i.xlarge"), key=lambda name: AWS_CPU_MACHINES[name].usd_per_hour)
    (first, *_) = environment.aws.cpu_pools
    prices: list[float | None] = []
    for types in ((cheap,), (cheap, dear), (dear,)):
        pools = (first.model_copy(update={"instance_types": types}),)
        aws = environment.aws.model_copy(update={"cpu_pools": pools})
        resources = {"cpu_millicores": 1000, "memory_mib": 1024}
        prices.append(price_of(environment.model_copy(update={"aws": aws}), spec_of(resources=resources)).usd_per_hour)
    assert prices[1] == prices[2]
    assert prices[0] is not None
    assert prices[1] is not None
    assert prices[0] < prices[1]
