"""What an hour of one replica costs: by the environment's own prices, else by the share of a machine that it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import Field

from shipway.contract.documents import Spec
from shipway.contract.machines import AWS_CPU_MACHINES, AWS_GPU_MACHINES

__all__ = ["REFERENCE_MACHINE", "PricesSpec", "ReplicaPrice", "replica_price"]

Usd = Annotated[float, Field(ge=0)]

# Where nobody names a price, what a replica would cost on a plain machine: 4 CPUs with 4 GiB each.
REFERENCE_MACHINE = "m7i.xlarge"


class PricesSpec(Spec):
    """What an environment's machines cost by the hour, for whoever pays for their own.

    Args:
        cpu_core_usd_per_hour: of one core, with the memory that comes with it.
        gpu_usd_per_hour: of one GPU, by its type.
    """

    cpu_core_usd_per_hour: Usd
    gpu_usd_per_hour: dict[str, Usd] = Field(default_factory=dict)


class Replica(Protocol):
    """What a price is asked of: the resources of a model.yaml."""

    @property
    def cpu_millicores(self) -> int: ...

    @property
    def memory_mib(self) -> int: ...

    @property
    def gpu_type(self) -> str | None: ...

    @property
    def gpus(self) -> int: ...


@dataclass(frozen=True)
class ReplicaPrice:
    """What one replica costs an hour.

    Args:
        usd_per_hour: None where nobody knows it.
        how: what it was reckoned from, or what is missing.
    """

    usd_per_hour: float | None
    how: str


def replica_price(replica: Replica, prices: PricesSpec | None, machines: Sequence[str] = ()) -> ReplicaPrice:
    """Returns the price of one replica.

    On a machine it pays for the larger of its shares of CPUs and memory: what is left of the other nobody can use.

    Args:
        replica: what it takes.
        prices: the environment's own, which go before any list.
        machines: instance types of the pools it may run on; the dearest counts. Without one it is the reference.
    """
    if prices is not None:
        return _own(replica, prices)
    if replica.gpu_type is not None:
        machine = AWS_GPU_MACHINES.get(replica.gpu_type)
        if machine is None:
            return ReplicaPrice(None, f"no price of a {replica.gpu_type}; the environment's `prices` can name one")
        usd = machine.usd_per_hour * replica.gpus / machine.gpus
        return ReplicaPrice(usd, f"{replica.gpus} of {machine.gpus} GPUs of {machine.instance_type}")
    shares = {name: _share(replica, name) for name in machines or (REFERENCE_MACHINE,)}
    if unknown := [name for name, usd in shares.items() if usd is None]:
        return ReplicaPrice(None, f"no price of {', '.join(unknown)}; the environment's `prices` can name one")
    known: Mapping[str, float] = {name: usd for name, usd in shares.items() if usd is not None}
    dearest = max(known, key=lambda name: known[name])
    how = f"its share of {dearest}" if machines else f"the environment names no price: its share of {dearest}"
    return ReplicaPrice(known[dearest], how)


def _own(replica: Replica, prices: PricesSpec) -> ReplicaPrice:
    usd = replica.cpu_millicores / 1000 * prices.cpu_core_usd_per_hour
    if replica.gpu_type is None:
        return ReplicaPrice(usd, "by the environment's prices")
    of_gpu = prices.gpu_usd_per_hour.get(replica.gpu_type)
    if of_gpu is None:
        return ReplicaPrice(None, f"the environment's `prices.gpu_usd_per_hour` names no {replica.gpu_type}")
    return ReplicaPrice(usd + replica.gpus * of_gpu, "by the environment's prices")


def _share(replica: Replica, instance_type: str) -> float | None:
    machine = AWS_CPU_MACHINES.get(instance_type)
    if machine is None:
        return None
    cpus, memory_gib = replica.cpu_millicores / 1000, replica.memory_mib / 1024
    return machine.usd_per_hour * max(cpus / machine.cpus, memory_gib / machine.memory_gib)
