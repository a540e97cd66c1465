"""What an environment costs at least: what runs, and is paid for, when nobody asks anything of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.aws.account import Account
from components.aws.gpu_types import AWS_GPU_TABLE
from components.aws.instance_types import CPU_TYPES
from components.aws.price_list import PRICES
from components.aws.tags import keeps_data
from shipway.contract.aws import AwsSpec
from shipway.contract.aws_data import DatabaseSpec
from shipway.contract.environment import EnvironmentSpec, environment_path
from shipway.contract.errors import SpecError

__all__ = ["Cost", "minimum_usd_per_month", "refuse_over_budget"]

# What is paid by use (requests, traffic, logs, storage of objects) has no least and is not counted.
_ZONES = 3
# The endpoints of components/aws/endpoints.py, by what adds the nodes.
_ENDPOINTS = {"cluster_autoscaler": 12, "karpenter": 13}


@dataclass(frozen=True)
class Cost:
    """What one part costs.

    Args:
        part: such as `database mlflow`.
        usd_per_month: None where nobody knows it beforehand.
        how: what it was reckoned from, or why it is not known.
    """

    part: str
    usd_per_month: float | None
    how: str


def minimum_usd_per_month(environment: EnvironmentSpec) -> tuple[Cost, ...]:
    """Returns what each part of an environment on AWS costs a month at least; a price that is not known is no zero."""
    aws = Account.of(environment).spec
    copies = 2 if keeps_data(environment) else 1
    return (
        _hourly("cluster", 1, PRICES.cluster_hour, "EKS cluster"),
        *_network(aws),
        *_nodes(environment, aws),
        _database("mlflow", aws.mlflow_database, copies),
        _database("feast", aws.feast_database, copies),
        _of_table("online store", 1 + aws.online_store.replicas, PRICES.cache_hour, aws.online_store.node_type),
        Cost("keys", 2 * PRICES.key_month, f"2 keys x {PRICES.key_month:g} USD"),
        Cost("secrets", 3 * PRICES.secret_month, f"3 secrets x {PRICES.secret_month:g} USD"),
    )


def refuse_over_budget(root: Path, environment: EnvironmentSpec) -> None:
    """Refuses an environment whose budget its least cost is above.

    Raises:
        SpecError: without a budget, and with the sum and the dearest parts.
    """
    path, key, budget = (
        environment_path(root, environment.name),
        "budget_usd_per_month",
        environment.budget_usd_per_month,
    )
    if budget is None:
        raise SpecError(path, key, None, "what a month may cost: alarms are sent by it")
    known = [(cost.usd_per_month, cost.part) for cost in minimum_usd_per_month(environment) if cost.usd_per_month]
    total = sum(usd for usd, _ in known)
    if total > budget:
        dearest = ", ".join(f"{part} {usd:.0f}" for usd, part in sorted(known, reverse=True)[:3])
        raise SpecError(path, key, budget, f"at least {total:.0f}, what runs when nobody asks ({dearest}, ...)")


def _network(aws: AwsSpec) -> Iterator[Cost]:
    ways = 1 if aws.nat == "one" else _ZONES
    yield _hourly("NAT", ways, PRICES.nat_hour + PRICES.public_address_hour, "gateways with their address")
    yield _hourly("endpoints", ways * _ENDPOINTS[aws.autoscaler], PRICES.endpoint_hour, "interfaces")
    yield _hourly("load balancer", 1, PRICES.balancer_hour, "network load balancer")
    if aws.gateway.client_ranges:
        yield _hourly("public addresses", _ZONES, PRICES.public_address_hour, "addresses of the load balancer")


def _nodes(environment: EnvironmentSpec, aws: AwsSpec) -> Iterator[Cost]:
    for pool in aws.cpu_pools:
        kind = CPU_TYPES.get(pool.instance_types[0])
        hour = None if kind is None else kind.usd_per_hour
        yield _pool(f"nodes {pool.name}", pool.min_nodes, pool.instance_types[0], hour, pool.capacity, pool.disk_gib)
    for gpus in environment.gpu_pools:
        row = AWS_GPU_TABLE.rows[gpus.gpu_type]
        yield _pool(
            f"nodes {gpus.name}", gpus.min_nodes, row.instance_type, row.usd_per_hour, gpus.capacity, gpus.disk_gib
        )


def _pool(part: str, nodes: int, instance_type: str, hour: float | None, capacity: str, disk_gib: int) -> Cost:
    if nodes == 0:
        return Cost(part, 0.0, "none when idle")
    if capacity == "spot":
        return Cost(part, None, f"{nodes} x {instance_type} on spot, whose price changes by the hour")
    if hour is None:
        return Cost(part, None, f"no price of {instance_type} is known")
    disks = nodes * disk_gib * PRICES.volume_gib_month["gp3"]
    usd = nodes * hour * PRICES.hours_per_month + disks
    return Cost(part, usd, f"{nodes} x {instance_type} x {hour:g} USD/h + {nodes} x {disk_gib} GiB")


def _database(name: str, spec: DatabaseSpec, copies: int) -> Cost:
    machine = _of_table(f"database {name}", copies, PRICES.database_hour, spec.instance_class)
    if machine.usd_per_month is None:
        return machine
    storage = copies * spec.storage_gib * PRICES.database_gib_month
    return Cost(machine.part, machine.usd_per_month + storage, f"{machine.how} + {copies} x {spec.storage_gib} GiB")


def _of_table(part: str, count: int, table: Mapping[str, float], kind: str) -> Cost:
    if kind not in table:
        return Cost(part, None, f"no price of {kind} is known")
    return _hourly(part, count, table[kind], kind)


def _hourly(part: str, count: int, hour: float, what: str) -> Cost:
    return Cost(part, count * hour * PRICES.hours_per_month, f"{count} x {what} x {hour:g} USD/h")
