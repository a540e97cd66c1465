"""What an environment costs at least: what runs, and is paid for, when nobody asks anything of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.aws.account import Account
from components.aws.gpu_types import AWS_GPU_TABLE
from components.aws.instance_types import CPU_TYPES
from components.aws.tags import keeps_data
from shipway.contract.aws import AwsSpec
from shipway.contract.aws_data import DatabaseSpec
from shipway.contract.environment import EnvironmentSpec, environment_path
from shipway.contract.errors import SpecError

__all__ = ["HOURS_PER_MONTH", "Cost", "minimum_usd_per_month", "refuse_over_budget"]

HOURS_PER_MONTH = 730

# List prices in USD on demand in us-east-1, from AWS's public price pages, 2025-06: a region may be a third above them.
# What is paid by use (requests, traffic, logs, storage of objects) has no least and is not counted.
_CLUSTER_HOUR = 0.10
_NAT_HOUR, _ENDPOINT_HOUR, _BALANCER_HOUR, _PUBLIC_ADDRESS_HOUR = 0.045, 0.01, 0.0225, 0.005
_KEY_MONTH, _SECRET_MONTH, _ZONES = 1.0, 0.40, 3
_VOLUME_GIB_MONTH = 0.08
# The endpoints of components/aws/endpoints.py, by what adds the nodes.
_ENDPOINTS = {"cluster_autoscaler": 12, "karpenter": 13}
# Postgres in one zone; a second one costs as much again, machine and storage.
_DATABASE_GIB_MONTH = 0.115
_DATABASE_HOUR: Mapping[str, float] = {
    "db.t4g.micro": 0.016,
    "db.t4g.small": 0.032,
    "db.t4g.medium": 0.065,
    "db.t4g.large": 0.129,
    "db.m7g.large": 0.168,
    "db.m7g.xlarge": 0.337,
    "db.r7g.large": 0.239,
    "db.r7g.xlarge": 0.478,
}
# Nodes of Valkey, which cost a fifth less than those of Redis.
_CACHE_HOUR: Mapping[str, float] = {
    "cache.t4g.micro": 0.0128,
    "cache.t4g.small": 0.0256,
    "cache.t4g.medium": 0.052,
    "cache.m7g.large": 0.1264,
    "cache.m7g.xlarge": 0.252,
    "cache.r7g.large": 0.1752,
    "cache.r7g.xlarge": 0.3496,
}


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
        _hourly("cluster", 1, _CLUSTER_HOUR, "EKS cluster"),
        *_network(aws),
        *_nodes(environment, aws),
        _database("mlflow", aws.mlflow_database, copies),
        _database("feast", aws.feast_database, copies),
        _of_table("online store", 1 + aws.online_store.replicas, _CACHE_HOUR, aws.online_store.node_type),
        Cost("keys", 2 * _KEY_MONTH, f"2 keys x {_KEY_MONTH:g} USD"),
        Cost("secrets", 3 * _SECRET_MONTH, f"3 secrets x {_SECRET_MONTH:g} USD"),
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
    yield _hourly("NAT", ways, _NAT_HOUR + _PUBLIC_ADDRESS_HOUR, "gateways with their address")
    yield _hourly("endpoints", ways * _ENDPOINTS[aws.autoscaler], _ENDPOINT_HOUR, "interfaces")
    yield _hourly("load balancer", 1, _BALANCER_HOUR, "network load balancer")
    if aws.gateway.client_ranges:
        yield _hourly("public addresses", _ZONES, _PUBLIC_ADDRESS_HOUR, "addresses of the load balancer")


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
    disks = nodes * disk_gib * _VOLUME_GIB_MONTH
    usd = nodes * hour * HOURS_PER_MONTH + disks
    return Cost(part, usd, f"{nodes} x {instance_type} x {hour:g} USD/h + {nodes} x {disk_gib} GiB")


def _database(name: str, spec: DatabaseSpec, copies: int) -> Cost:
    machine = _of_table(f"database {name}", copies, _DATABASE_HOUR, spec.instance_class)
    if machine.usd_per_month is None:
        return machine
    storage = copies * spec.storage_gib * _DATABASE_GIB_MONTH
    return Cost(machine.part, machine.usd_per_month + storage, f"{machine.how} + {copies} x {spec.storage_gib} GiB")


def _of_table(part: str, count: int, table: Mapping[str, float], kind: str) -> Cost:
    if kind not in table:
        return Cost(part, None, f"no price of {kind} is known")
    return _hourly(part, count, table[kind], kind)


def _hourly(part: str, count: int, hour: float, what: str) -> Cost:
    return Cost(part, count * hour * HOURS_PER_MONTH, f"{count} x {what} x {hour:g} USD/h")
