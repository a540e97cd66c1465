"""What a stack's resources cost a month, by AWS's list prices; what has no price is said, and is never nothing."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from components.aws.gpu_types import AWS_GPU_TABLE
from components.aws.instance_types import CPU_TYPES
from components.aws.price_list import PriceList
from tools.foreseen import Change, Foreseen, Step

__all__ = ["Bill", "Line", "bill_of"]


@dataclass(frozen=True)
class Line:
    """What one resource costs.

    Args:
        resource: its name.
        what: what is paid for.
        least_usd, most_usd: a month, with as few and as many of it as may be; None where nobody knows it beforehand.
        unpriced: why one of them is not known, empty where both are.
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
        prices: the list that they are reckoned by.
    """

    lines: tuple[Line, ...]
    prices: PriceList

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


def bill_of(previews: Sequence[Foreseen], prices: PriceList) -> Bill:
    """Returns what the resources will cost once the previews have been carried out.

    Args:
        previews: one for each stack of an environment.
        prices: the list.
    """
    steps = [step for one in previews for step in one.steps if step.change is not Change.DELETE]
    table = _Table(prices, steps)
    lines = [line for step in steps if step.type in _PRICED for line in _PRICED[step.type](step, table)]
    return Bill(tuple(sorted(lines, key=lambda line: -(line.most_usd or 0.0))), prices)


# Instance type -> price of an hour on demand.
_MACHINES: Mapping[str, float] = {
    **{name: kind.usd_per_hour for name, kind in CPU_TYPES.items()},
    **{row.instance_type: row.usd_per_hour for row in AWS_GPU_TABLE.rows.values()},
}


# Instance type -> what a node of it counts against the limits of a pool of Karpenter's.
_HOLDS: Mapping[str, Mapping[str, float]] = {
    **{name: {"cpu": kind.cpus} for name, kind in CPU_TYPES.items()},
    **{row.instance_type: {row.resource_name: row.gpus_per_node} for row in AWS_GPU_TABLE.rows.values()},
}

_NODE_CLASS, _NODE_POOL = "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass", "kubernetes:karpenter.sh/v1:NodePool"


@dataclass(frozen=True)
class _Table:
    prices: PriceList
    steps: Sequence[Step]

    def hourly(self, step: Step, what: str, usd_per_hour: float | None, least: float, most: float) -> Line:
        """Returns a line of something that is paid for by the hour, `least` to `most` of it."""
        if usd_per_hour is None:
            return Line(step.name, what, None, None, "the list has no price of it")
        month = usd_per_hour * self.prices.hours_per_month
        return Line(step.name, what, least * month, most * month)

    def volumes(self, step: Step, what: str, usd_per_gib_month: float | None, size_gib: Any, count: int) -> Line:
        """Returns a line of `count` disks."""
        if usd_per_gib_month is None or not isinstance(size_gib, int | float):
            return Line(step.name, what, None, None, "its size or its price is not known")
        month = count * size_gib * usd_per_gib_month
        return Line(step.name, what, month, month)


def at(value: Any, *path: str) -> Any:
    """Returns what lies at a path of keys, None where nothing does or what is there is not known yet."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = cast(Mapping[str, Any], value).get(key)
    return value


Pricing = Callable[[Step, _Table], Iterator[Line]]


def _fixed(what: str, price: Callable[[PriceList], float]) -> Pricing:
    def lines(step: Step, table: _Table) -> Iterator[Line]:
        yield table.hourly(step, what, price(table.prices), 1, 1)

    return lines


def _monthly(what: str, price: Callable[[PriceList], float]) -> Pricing:
    def lines(step: Step, table: _Table) -> Iterator[Line]:
        yield Line(step.name, what, price(table.prices), price(table.prices))

    return lines


def _endpoint(step: Step, table: _Table) -> Iterator[Line]:
    if step.inputs.get("vpcEndpointType") != "Interface":
        return  # a gateway's is free
    zones = step.inputs.get("subnetIds")
    if isinstance(zones, list):
        count = len(cast(list[Any], zones))
        yield table.hourly(step, "interface endpoint", table.prices.endpoint_hour, count, count)
    else:
        yield Line(step.name, "interface endpoint", None, None, "its number of zones is not known")


def _node_group(step: Step, table: _Table) -> Iterator[Line]:
    least, most = (at(step.inputs, "scalingConfig", key) for key in ("minSize", "maxSize"))
    types = cast(list[str], step.inputs.get("instanceTypes") or ["of the launch template"])
    what = f"nodes, {' or '.join(types)}"
    if not isinstance(least, int) or not isinstance(most, int):
        yield Line(step.name, what, None, None, "its number of nodes is not known")
        return
    if any(one.type == _NODE_POOL for one in table.steps):
        # Nothing moves a managed group where Karpenter makes what pods wait for; what it may make has its own limits.
        most = least
    # Of several types AWS takes what it has: the dearest is what it may cost.
    known = [_MACHINES.get(each) for each in types]
    machines = table.hourly(step, what, None if None in known else max(cast(list[float], known)), least, most)
    if step.inputs.get("capacityType") == "SPOT" and least and not machines.unpriced:
        machines = Line(step.name, what, None, machines.most_usd, "on spot; the most is the price on demand")
    yield machines
    size_gib, kind = _disk(step, table)
    one = table.volumes(step, "node volumes", table.prices.volume_gib_month.get(kind), size_gib, 1)
    yield one if one.most_usd is None else Line(step.name, one.what, least * one.most_usd, most * one.most_usd)


def _node_pool(step: Step, table: _Table) -> Iterator[Line]:
    """Nodes that Karpenter makes for pods that wait: none at least, and at most what the pool's limits hold."""
    template = at(step.inputs, "spec", "template", "spec")
    types = _required(at(template, "requirements"), "node.kubernetes.io/instance-type")
    what = f"nodes of Karpenter, {' or '.join(types) or 'of any type'}"
    limits = at(step.inputs, "spec", "limits")
    # Node by node of the type that makes most of the limits: the dearest is what it may cost.
    counts = [_nodes_within(limits, one) for one in types]
    if not types or None in counts:
        yield Line(step.name, what, None, None, "its limits say of no known type how many nodes they hold")
        return
    most = max(cast(float, count) * _MACHINES[one] for one, count in zip(types, counts, strict=True))
    if not most:
        return  # the managed nodes are all that may be
    yield table.hourly(step, what, most, 0, 1)
    size_gib = _pool_disk_gib(str(at(template, "nodeClassRef", "name") or ""), table)
    nodes = max(cast(list[float], counts))
    one = table.volumes(step, "volumes of Karpenter's nodes", table.prices.volume_gib_month.get("gp3"), size_gib, 1)
    yield one if one.most_usd is None else Line(step.name, one.what, 0.0, nodes * one.most_usd)


def _required(requirements: Any, key: str) -> list[str]:
    """Returns the values that a node pool's requirement of a label allows."""
    found = [one for one in cast(list[Any], requirements or []) if (at(one, "key"), at(one, "operator")) == (key, "In")]
    return [str(value) for one in found for value in cast(list[Any], at(one, "values") or [])]


def _nodes_within(limits: Any, instance_type: str) -> float | None:
    """Returns how many nodes of a type the limits of a pool hold, None where they or the type are not known."""
    if not isinstance(limits, Mapping) or instance_type not in _MACHINES:
        return None
    found = [
        amount / _HOLDS[instance_type][name]
        for name, amount in cast(Mapping[str, Any], limits).items()
        if isinstance(amount, int | float) and _HOLDS[instance_type].get(name)
    ]
    return min(found, default=None)


def _pool_disk_gib(node_class: str, table: _Table) -> float | None:
    """Returns the size of the volumes of a node of this class together."""
    classes = [one for one in table.steps if one.type == _NODE_CLASS]
    found = [one for one in classes if at(one.inputs, "metadata", "name") == node_class]
    mappings = at(found[0].inputs, "spec", "blockDeviceMappings") if found else None
    sizes = [str(at(one, "ebs", "volumeSize")) for one in cast(list[Any], mappings or [])]
    if not sizes or not all(re.fullmatch(r"\d+Gi", size) for size in sizes):
        return None
    return sum(float(size.removesuffix("Gi")) for size in sizes)


def _disk(step: Step, table: _Table) -> tuple[Any, str]:
    """Returns size and type of each node's volume: its launch template's, or its own."""
    if (template := at(step.inputs, "launchTemplate", "id")) is None:
        return step.inputs.get("diskSize", 20), "gp2"
    named = [one for one in table.steps if one.id == template]
    mappings = at(named[0].inputs, "blockDeviceMappings") if named else None
    # The last is the one that pods' data lies on; before it may be a system volume that is never written.
    volume = at(cast(list[Any], mappings)[-1], "ebs") if isinstance(mappings, list) and mappings else None
    return at(volume, "volumeSize"), str(at(volume, "volumeType") or "gp2")


def _database(step: Step, table: _Table) -> Iterator[Line]:
    kind, engine = str(step.inputs.get("instanceClass")), step.inputs.get("engine")
    copies = 2 if step.inputs.get("multiAz") else 1
    price = table.prices.database_hour.get(kind) if engine == "postgres" else None
    yield table.hourly(step, f"database, {engine} on {kind}", price, copies, copies)
    prices = table.prices.database_gib_month
    smallest = table.volumes(step, "database volume", prices, step.inputs.get("allocatedStorage"), copies)
    largest = table.volumes(step, "database volume", prices, step.inputs.get("maxAllocatedStorage"), copies)
    yield smallest if largest.unpriced else Line(step.name, smallest.what, smallest.least_usd, largest.most_usd)
    if step.inputs.get("manageMasterUserPassword"):
        yield Line(step.name, "secret of its owner", table.prices.secret_month, table.prices.secret_month)


def _cache(step: Step, table: _Table) -> Iterator[Line]:
    kind, engine = str(step.inputs.get("nodeType")), step.inputs.get("engine")
    nodes = step.inputs.get("numCacheClusters")
    if nodes is None:
        nodes = step.inputs.get("numNodeGroups", 1) * (1 + step.inputs.get("replicasPerNodeGroup", 0))
    price = table.prices.cache_hour.get(kind) if engine == "valkey" else None
    yield table.hourly(step, f"online store, {engine} on {kind}", price, nodes, nodes)


# Type -> what it costs. Anything else is free, or is paid for by use, which no preview knows.
_PRICED: Mapping[str, Pricing] = {
    "aws:ec2/eip:Eip": _fixed("public address", lambda prices: prices.public_address_hour),
    "aws:ec2/natGateway:NatGateway": _fixed("NAT gateway", lambda prices: prices.nat_hour),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:eks/cluster:Cluster": _fixed("EKS control plane", lambda prices: prices.cluster_hour),
    "aws:eks/nodeGroup:NodeGroup": _node_group,
    "aws:elasticache/replicationGroup:ReplicationGroup": _cache,
    "aws:kms/key:Key": _monthly("KMS key", lambda prices: prices.key_month),
    "aws:lb/loadBalancer:LoadBalancer": _fixed("load balancer", lambda prices: prices.balancer_hour),
    "aws:rds/instance:Instance": _database,
    _NODE_POOL: _node_pool,
    "aws:secretsmanager/secret:Secret": _monthly("secret", lambda prices: prices.secret_month),
    # What stands before it is made by a controller in the cluster, and paid for all the same.
    "kubernetes:gateway.networking.k8s.io/v1:Gateway": _fixed("load balancer", lambda prices: prices.balancer_hour),
}
