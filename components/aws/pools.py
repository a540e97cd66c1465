"""What is wrong with the pools of an environment, and with a model that none of them can hold."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from components.aws.account import Account
from components.aws.gpu_types import AWS_GPU_TABLE
from components.aws.instance_types import CPU_TYPES, offered_in
from components.services import Service
from shipway.contract.environment import EnvironmentSpec, environment_path
from shipway.contract.errors import SpecError

__all__ = ["OWNER", "refuse_oversized_models", "refuse_unfit_pools", "refuse_unknown_machines", "refuse_unowned"]

# What the kubelet and the pods of every node keep for themselves, rounded up.
_SYSTEM_CPU_MILLICORES = 500
_SYSTEM_MEMORY_MIB = 1536
# Blue and green both run while a version rolls out, and the idle one stays warm for the way back.
_SLOTS = 2

OWNER = "owner"


def refuse_unowned(root: Path, environment: EnvironmentSpec) -> None:
    """Refuses an environment that nobody answers for: everything that costs carries the tag.

    Raises:
        SpecError: naming the tags there are.
    """
    if OWNER not in environment.tags:
        path = environment_path(root, environment.name)
        raise SpecError(path, "tags", environment.tags, f"an {OWNER} among them: everything that costs carries it")


def refuse_unfit_pools(root: Path, environment: EnvironmentSpec) -> None:
    """Refuses machines that AWS does not have, or not in this region, and pools that nothing could make.

    GPU types are known already.

    Raises:
        SpecError: naming the key, what was asked for and what there is.
    """
    path, account = environment_path(root, environment.name), Account.of(environment)
    names = [pool.name for pool in (*account.spec.cpu_pools, *environment.gpu_pools)]
    for number, pool in enumerate(environment.gpu_pools):
        key = f"gpu_pools.{number}"
        if names.count(pool.name) > 1:
            raise SpecError(path, f"{key}.name", pool.name, "a name that no other pool has, with GPUs or without")
        if account.spec.autoscaler == "karpenter" and pool.min_nodes:
            raise SpecError(path, f"{key}.min_nodes", pool.min_nodes, "0: Karpenter keeps no least number of nodes")
    for key, instance_type in _machines(environment):
        regions = offered_in(instance_type)
        if account.region not in regions:
            some = ", ".join(regions) or "none that components/aws/instance_types.py knows of"
            raise SpecError(path, key, instance_type, f"a machine that {account.region} has; it is in {some}")


def _machines(environment: EnvironmentSpec) -> Iterator[tuple[str, str]]:
    """Returns where a machine is named, and which."""
    for number, pool in enumerate(environment.gpu_pools):
        yield f"gpu_pools.{number}.gpu_type", AWS_GPU_TABLE.rows[pool.gpu_type].instance_type
    for number, nodes in enumerate(Account.of(environment).spec.cpu_pools):
        for instance_type in nodes.instance_types:
            yield f"aws.cpu_pools.{number}.instance_types", instance_type


def refuse_unknown_machines(root: Path, environment: EnvironmentSpec) -> None:
    """Refuses a machine without GPUs that the table lacks: its price and size are unknown.

    Raises:
        SpecError: naming the key and the machines there are.
    """
    path = environment_path(root, environment.name)
    for number, pool in enumerate(Account.of(environment).spec.cpu_pools):
        for instance_type in pool.instance_types:
            if instance_type not in CPU_TYPES:
                expected = f"one of {', '.join(CPU_TYPES)}"
                raise SpecError(path, f"aws.cpu_pools.{number}.instance_types", instance_type, expected)


def refuse_oversized_models(root: Path, environment: EnvironmentSpec, services: Sequence[Service]) -> None:
    """Refuses the first model without GPUs of which no node can hold a replica, or the pools not all at their least.

    A pool counts with the smallest of its machines: which one it gets is AWS's choice.

    Raises:
        SpecError: naming the model's file, the key, what was asked for and what there is.
    """
    path = environment_path(root, environment.name)
    pools = [
        (pool.max_nodes, min((CPU_TYPES[one] for one in pool.instance_types), key=lambda one: one.cpus))
        for pool in Account.of(environment).spec.cpu_pools
    ]
    needs = {
        "cpu_millicores": [(count, 1000 * row.cpus - _SYSTEM_CPU_MILLICORES) for count, row in pools],
        "memory_mib": [(count, 1024 * row.memory_gib - _SYSTEM_MEMORY_MIB) for count, row in pools],
    }
    for key, nodes in needs.items():
        largest, left = max(size for _, size in nodes), sum(count * size for count, size in nodes)
        for service in services:
            if service.spec.resources.gpu_type is not None:
                continue
            asked, model = int(getattr(service.spec.resources, key)), service.folder / "model.yaml"
            if asked > largest:
                raise SpecError(model, f"resources.{key}", asked, f"at most {largest}: no node of {path} offers more")
            needed = asked * service.spec.resources.min_replicas * _SLOTS
            if needed > left:
                fits = (
                    f"two slots of {service.spec.name} to fit the pools: they need {needed}, {left} are free ({path})"
                )
                raise SpecError(model, f"resources.{key}", asked, fits)
            left -= needed
