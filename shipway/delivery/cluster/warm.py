"""How many pods each slot keeps at least: while the idle slot may be needed it is as large as live; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shipway.contract.metrics import Slot
from shipway.contract.route import Phase, RolloutState, RouteSpec
from shipway.delivery.cluster.api import NOTHING, Document

__all__ = ["WARM_REPLICAS", "Autoscaler", "autoscaler", "least_replicas", "resize"]

# What an idle slot that is not needed any more keeps: a rollback by hand still finds a pod that is up.
WARM_REPLICAS = 1

_NEEDED = frozenset({Phase.PREPARING, Phase.STEPPING, Phase.PAUSED, Phase.GUARDING})


@dataclass(frozen=True)
class Autoscaler:
    """What a slot's autoscaler says: its bounds, and how many pods it wants now."""

    min_replicas: int
    max_replicas: int
    desired_replicas: int


def autoscaler(document: Document) -> Autoscaler:
    """Returns what an autoscaler's document says."""
    spec, status = document["spec"], document.get("status", NOTHING)
    least = int(spec.get("minReplicas", 1))
    return Autoscaler(least, int(spec["maxReplicas"]), int(status.get("desiredReplicas", 0)) or least)


def least_replicas(spec: RouteSpec, state: RolloutState, scalers: Mapping[Slot, Autoscaler]) -> dict[Slot, int]:
    """Returns slot -> the least number of pods, for the autoscalers that must be told another one.

    A share that grows from half to all must not wait for pods, and a rollback must not either. While the idle slot is
    needed its number only ever grows: live may scale down and up again within a rollout.

    Args:
        spec: the declared route.
        state: the rollout state.
        scalers: slot -> its autoscaler, where it has one.
    """
    wanted: dict[Slot, int] = {}
    for slot, scaler in scalers.items():
        live = scalers.get(state.live) if state.live is not None else None
        least = spec.min_replicas
        if state.live is not None and slot is not state.live:
            if state.phase not in _NEEDED or (state.candidate is None and not state.previous_digest):
                least = WARM_REPLICAS
            else:
                least = max(least, scaler.min_replicas, live.desired_replicas if live else 0)
                if state.candidate is slot and spec.candidate_replicas is not None:
                    # More would wait for a node that no pool has, and the version would never be ready.
                    least = min(least, max(spec.candidate_replicas, scaler.min_replicas))
        wanted[slot] = min(least, scaler.max_replicas)
    return {slot: least for slot, least in wanted.items() if least != scalers[slot].min_replicas}


def resize(scaler: Autoscaler, least: int) -> list[dict[str, Any]]:
    """Returns the patch that tells an autoscaler its least number of pods, if nobody told it another one."""
    path = "/spec/minReplicas"
    return [
        {"op": "test", "path": path, "value": scaler.min_replicas},
        {"op": "replace", "path": path, "value": least},
    ]
