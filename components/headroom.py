"""Headroom: whether a pool holds a new version of a model beside the one that serves, and what happens where not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from components.services import Headroom, Service, Way
from shipway.contract.errors import SpecError
from shipway.contract.metrics import Slot

__all__ = ["interruption", "with_headroom"]


def with_headroom(services: Sequence[Service], gpus: Mapping[str, int], pools: Path | str) -> tuple[Service, ...]:
    """Returns the services, each with the way in which a new version of it finds room.

    Every model gets what it serves with before any gets room for a second version. CPU and memory are not counted, for
    their nodes come and go, nor is what an autoscaler adds beyond `min_replicas`.

    Args:
        services: in the order in which what is left is given away: for new versions first, then for pods that change.
        gpus: type -> what all pools of it can hold.
        pools: the document that declares them.

    Raises:
        SpecError: when a model does not fit at all, or only by a way that its model.yaml does not allow.
    """
    left = dict(gpus)
    for service in services:
        spec, model = service.spec.resources, service.folder / "model.yaml"
        if spec.gpu_type is None:
            continue
        needed, free = spec.gpus * spec.min_replicas, left[spec.gpu_type]
        if needed > free:
            fits = (
                f"{service.spec.name} to fit the pools: {spec.min_replicas} replicas need {needed}, {free} of "
                f"{gpus[spec.gpu_type]} {spec.gpu_type} are free ({pools})"
            )
            raise SpecError(model, "resources.gpus", spec.gpus, fits)
        left[spec.gpu_type] -= needed
    found: list[Service] = []
    for service in services:
        room = _headroom(service, left, pools)
        if service.spec.resources.gpu_type is not None:
            left[service.spec.resources.gpu_type] -= room.candidate_replicas * service.spec.resources.gpus
        found.append(replace(service, room=room))
    return tuple(_with_beside(service, left) for service in found)


def interruption(service: Service) -> str:
    """Returns what a change of the pods of `service` means for its callers where one has to end first, else nothing."""
    room, spec = service.room, service.spec
    if room is None or room.beside or spec.resources.min_replicas > 1:
        return ""
    return (
        f"{spec.name}: has one replica a slot and no {spec.resources.gpu_type} free beside it, so where its "
        "pods change the old one ends first and nothing answers until the new one has loaded; empty the idle slot "
        "before, or add a GPU"
    )


def _with_beside(service: Service, left: dict[str, int]) -> Service:
    """Returns the service, told whether its slots' pods can be replaced beside themselves; takes that out of `left`."""
    spec, room = service.spec.resources, service.room
    if spec.gpu_type is None or room is None:
        return service
    filled = sum(bool(service.release.digest(slot)) for slot in Slot)
    # While a slot is idle, what is kept for it is free.
    kept = room.candidate_replicas * spec.gpus if filled < len(Slot) else 0
    more = max(0, filled * spec.gpus - kept)
    beside = more <= left[spec.gpu_type]
    left[spec.gpu_type] -= more if beside else 0
    return replace(service, room=replace(room, beside=beside))


def _headroom(service: Service, left: Mapping[str, int], pools: Path | str) -> Headroom:
    spec, name = service.spec.resources, service.spec.name
    least = spec.min_replicas
    if spec.gpu_type is None:
        return Headroom(Way.CANARY, least, f"{name} asks for no GPU: both versions run side by side")
    free = left[spec.gpu_type]
    fitting = min(least, free // spec.gpus)
    counted = f"{free} {spec.gpu_type} are free beside {name}, {least} replicas need {least * spec.gpus}"
    if fitting == least:
        return Headroom(Way.CANARY, least, f"{counted}: both versions run side by side")
    if fitting:
        return Headroom(Way.SURGE, fitting, f"{counted}: a new version starts with {fitting}, until the old one ends")
    if service.spec.rollout.drain_and_swap != "allowed":
        asked = (
            f"allowed, or room in a pool for a second version ({pools}): {counted}, so the version that serves would "
            "have to end before the new one starts, and nothing answers meanwhile"
        )
        raise SpecError(service.folder / "model.yaml", "rollout.drain_and_swap", "refused", asked)
    return Headroom(Way.DRAIN_AND_SWAP, 0, f"{counted}: a new version waits until the one that serves has ended")
