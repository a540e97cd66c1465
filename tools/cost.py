"""What a stack's resources cost a month, by a table of list prices; what has no price is said, and is never nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

from shipway.contract.documents import Spec, parse, read_yaml
from tools.foreseen import Change, Foreseen, Step

__all__ = ["Bill", "Line", "Prices", "bill_of", "load_prices"]

PRICES = Path(__file__).with_name("prices.yaml")


class Prices(Spec):
    """List prices of one region in USD; prices.yaml says where each is from."""

    region: str
    as_of: date
    source: str
    hours_per_month: float
    per_hour: dict[str, float]
    per_month: dict[str, float]
    per_gib_month: dict[str, float]
    instances_per_hour: dict[str, float]
    databases_per_hour: dict[str, float]
    caches_per_hour: dict[str, float]


@dataclass(frozen=True)
class Line:
    """What one resource costs.

    Args:
        resource: its name.
        what: what is paid for.
        least_usd, most_usd: a month, with as few and as many of it as may be; None where the table has no price.
        unpriced: why there is none, empty where there is one.
    """

    resource: str
    what: str
    least_usd: float | None
    most_usd: float | None
    unpriced: str = ""


@dataclass(frozen=True)
class Bill:
    """What all resources cost together.

    Args:
        lines: each of them, the dearest first.
        region: whose prices these are.
        as_of: and of which day.
    """

    lines: tuple[Line, ...]
    region: str
    as_of: date

    @property
    def least_usd(self) -> float:
        """The sum of what is known, with as few nodes as may be."""
        return sum(line.least_usd or 0.0 for line in self.lines)

    @property
    def most_usd(self) -> float:
        """The sum of what is known, with as many nodes as may be."""
        return sum(line.most_usd or 0.0 for line in self.lines)

    @property
    def unpriced(self) -> tuple[Line, ...]:
        """What costs and has no price here."""
        return tuple(line for line in self.lines if line.unpriced)

    def against(self, budget_usd: float | None) -> str:
        """Returns in words how the bill stands against a month's budget."""
        if budget_usd is None:
            return "no budget is declared"
        said = f"the budget of {budget_usd:,.0f} USD"
        if self.least_usd > budget_usd:
            return f"above {said} with the fewest nodes already"
        if self.most_usd > budget_usd:
            return f"above {said} with the most nodes"
        return f"within {said}" + (", without what has no price" if self.unpriced else "")


def load_prices(path: Path = PRICES) -> Prices:
    """Returns the price table.

    Raises:
        SpecError: when the document is wrong.
    """
    document = read_yaml(path)
    return parse(Prices, {**document, "as_of": str(document.get("as_of"))}, path)


def bill_of(previews: Sequence[Foreseen], prices: Prices, gpu_usd_per_hour: Mapping[str, float]) -> Bill:
    """Returns what the resources will cost once the previews have been carried out.

    Args:
        previews: one for each stack of an environment.
        prices: the table.
        gpu_usd_per_hour: instance type -> price, of the target's GPU types.
    """
    steps = [step for one in previews for step in one.steps if step.change is not Change.DELETE]
    table = _Table(prices, {**prices.instances_per_hour, **gpu_usd_per_hour}, steps)
    lines = [line for step in steps if step.type in _PRICED for line in _PRICED[step.type](step, table)]
    return Bill(tuple(sorted(lines, key=lambda line: -(line.most_usd or 0.0))), prices.region, prices.as_of)


@dataclass(frozen=True)
class _Table:
    prices: Prices
    instances_per_hour: Mapping[str, float]
    steps: Sequence[Step]

    def hourly(self, step: Step, what: str, usd_per_hour: float | None, least: float, most: float, no: str) -> Line:
        """Returns a line of something that is paid for by the hour, `least` to `most` of it."""
        if usd_per_hour is None:
            return Line(step.name, what, None, None, f"no price of {no} in {self.prices.region}")
        month = usd_per_hour * self.prices.hours_per_month
        return Line(step.name, what, least * month, most * month)

    def volumes(self, step: Step, what: str, kind: str, size_gib: Any, least: float, most: float) -> Line:
        """Returns a line of disks."""
        price = self.prices.per_gib_month.get(kind)
        if not isinstance(size_gib, int | float):
            return Line(step.name, what, None, None, "its size is not known")
        if price is None:
            return Line(step.name, what, None, None, f"no price of {kind} in {self.prices.region}")
        return Line(step.name, what, least * size_gib * price, most * size_gib * price)


def at(value: Any, *path: str) -> Any:
    """Returns what lies at a path of keys, None where nothing does or what is there is not known yet."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = cast(Mapping[str, Any], value).get(key)
    return value


Pricing = Callable[[Step, _Table], Iterator[Line]]


def _fixed(what: str, key: str) -> Pricing:
    def price(step: Step, table: _Table) -> Iterator[Line]:
        yield table.hourly(step, what, table.prices.per_hour[key], 1, 1, key)

    return price


def _key(step: Step, table: _Table) -> Iterator[Line]:
    month = table.prices.per_month["kms_key"]
    yield Line(step.name, "KMS key", month, month)


def _endpoint(step: Step, table: _Table) -> Iterator[Line]:
    if step.inputs.get("vpcEndpointType") != "Interface":
        return  # a gateway's is free
    zones = step.inputs.get("subnetIds")
    count = len(cast(list[Any], zones)) if isinstance(zones, list) else None
    if count is None:
        yield Line(step.name, "interface endpoint", None, None, "its number of zones is not known")
    else:
        yield table.hourly(step, "interface endpoint", table.prices.per_hour["interface_endpoint"], count, count, "")


def _node_group(step: Step, table: _Table) -> Iterator[Line]:
    least, most = (at(step.inputs, "scalingConfig", key) for key in ("minSize", "maxSize"))
    types = cast(list[str], step.inputs.get("instanceTypes") or ["of the launch template"])
    what = f"nodes, {types[0]}" + (" (spot: billed below this)" if step.inputs.get("capacityType") == "SPOT" else "")
    if not isinstance(least, int | float) or not isinstance(most, int | float):
        yield Line(step.name, what, None, None, "its number of nodes is not known")
        return
    # Of several types AWS takes what it has: the dearest is what it may cost.
    known = [table.instances_per_hour.get(each) for each in types]
    dearest = None if None in known else max(cast(list[float], known))
    yield table.hourly(step, what, dearest, least, most, ", ".join(types))
    size_gib, kind = _disk(step, table)
    yield table.volumes(step, "node volumes", kind, size_gib, least, most)


def _disk(step: Step, table: _Table) -> tuple[Any, str]:
    """Returns size and type of each node's volume: of its launch template, found by its part and name, or its own."""
    if step.inputs.get("launchTemplate"):
        beside = [
            one
            for one in table.steps
            if one.type == "aws:ec2/launchTemplate:LaunchTemplate" and one.part == step.part and one.name == step.name
        ]
        mappings = at(beside[0].inputs, "blockDeviceMappings") if beside else None
        # The last is the one that pods' data lies on; before it may be a system volume that is never written.
        volume = at(cast(list[Any], mappings)[-1], "ebs") if isinstance(mappings, list) and mappings else None
        return at(volume, "volumeSize"), str(at(volume, "volumeType") or "gp2")
    return step.inputs.get("diskSize", 20), "gp2"


def _database(step: Step, table: _Table) -> Iterator[Line]:
    kind = str(step.inputs.get("instanceClass"))
    engine, copies = step.inputs.get("engine"), 2 if step.inputs.get("multiAz") else 1
    price = table.prices.databases_per_hour.get(kind) if engine == "postgres" else None
    yield table.hourly(step, f"database, {kind}", price, copies, copies, f"{engine} on {kind}")
    disk = f"database_{step.inputs.get('storageType', 'gp2')}"
    smallest, largest = step.inputs.get("allocatedStorage"), step.inputs.get("maxAllocatedStorage")
    grown = largest / smallest if isinstance(largest, int) and isinstance(smallest, int) and smallest else 1
    yield table.volumes(step, "database volume", disk, smallest, copies, copies * max(grown, 1))


def _cache(step: Step, table: _Table) -> Iterator[Line]:
    kind = str(step.inputs.get("nodeType"))
    nodes = step.inputs.get("numCacheClusters")
    if nodes is None:
        nodes = step.inputs.get("numNodeGroups", 1) * (1 + step.inputs.get("replicasPerNodeGroup", 0))
    yield table.hourly(step, f"online store, {kind}", table.prices.caches_per_hour.get(kind), nodes, nodes, kind)


# Type -> what it costs. Anything else is free, or is paid for by use, which no preview knows.
_PRICED: Mapping[str, Pricing] = {
    "aws:ec2/natGateway:NatGateway": _fixed("NAT gateway", "nat_gateway"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:eks/cluster:Cluster": _fixed("EKS control plane", "eks_cluster"),
    "aws:eks/nodeGroup:NodeGroup": _node_group,
    "aws:elasticache/replicationGroup:ReplicationGroup": _cache,
    "aws:kms/key:Key": _key,
    "aws:lb/loadBalancer:LoadBalancer": _fixed("load balancer", "load_balancer"),
    "aws:rds/instance:Instance": _database,
}
