"""What Pulumi declares of a model's route, and what delivery writes back onto it."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field

from shipway.contract.documents import Spec, parse, read_json
from shipway.contract.errors import SpecError
from shipway.contract.metrics import Slot
from shipway.contract.release import MaybeDigest

__all__ = ["ROUTE_METADATA_KEY", "Phase", "RolloutState", "RouteSpec", "SlotEndpoint", "read_rollout_states", "served"]

# Key of Envoy's filter_metadata under which the rollout state rides on a model's route.
ROUTE_METADATA_KEY = "shipway"

Port = Annotated[int, Field(ge=1, le=65_535)]
Percent = Annotated[int, Field(ge=0, le=100)]


class SlotEndpoint(Spec):
    """Where a slot listens and what was released into it; an empty digest is an empty slot."""

    port: Port
    digest: MaybeDigest = ""


class RouteSpec(Spec):
    """One model's route as Pulumi declares it, in routes/<model>.json; weights are not in it, delivery owns them."""

    model: str
    owner: str
    blue: SlotEndpoint
    green: SlotEndpoint
    live_hint: Slot | None = None
    timeout_seconds: Annotated[float, Field(gt=0)]
    max_body_bytes: Annotated[int, Field(gt=0)]

    def endpoint(self, slot: Slot) -> SlotEndpoint:
        """Returns the endpoint of `slot`."""
        return self.blue if slot is Slot.BLUE else self.green


class Phase(StrEnum):
    """Where a rollout stands."""

    SETTLED = "settled"
    PREPARING = "preparing"
    STEPPING = "stepping"
    GUARDING = "guarding"
    PAUSED = "paused"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


class RolloutState(Spec):
    """The state of one model's rollout; it is written together with the weights in one atomic step.

    Args:
        live: the slot that takes traffic, None before the first release was ready.
        live_digest: what that slot served when it took the traffic.
        candidate: the slot whose digest is on its way, None when nothing is.
        candidate_digest: its digest.
        previous_digest: what the idle slot served before the last promotion: where a rollback goes.
        weight_percent: the candidate's share of the traffic.
        generation: grows by one with every write.
    """

    live: Slot | None = None
    live_digest: MaybeDigest = ""
    candidate: Slot | None = None
    candidate_digest: MaybeDigest = ""
    previous_digest: MaybeDigest = ""
    phase: Phase = Phase.SETTLED
    weight_percent: Percent = 0
    generation: Annotated[int, Field(ge=0)] = 0


def read_rollout_states(path: Path) -> dict[str, RolloutState]:
    """Returns model -> rollout state from the served route configuration; empty when none was ever written.

    Raises:
        SpecError: when the file is there but is not a route configuration written by delivery.
    """
    if not path.exists():
        return {}
    states: dict[str, RolloutState] = {}
    try:
        document: Any = read_json(path)
        for host in document["resources"][0]["virtual_hosts"]:
            for route in host["routes"]:
                metadata = route.get("metadata", {}).get("filter_metadata", {}).get(ROUTE_METADATA_KEY)
                if metadata is not None:
                    raw = cast(object, json.loads(metadata["state"]))
                    states[str(metadata["model"])] = parse(RolloutState, raw, path)
    except (KeyError, IndexError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise SpecError(path, "resources[0].virtual_hosts", repr(error), "the routes that delivery wrote") from None
    return states


def served(states: dict[str, RolloutState]) -> dict[str, tuple[Slot, str]]:
    """Returns model -> the live slot and its digest, for the models that take traffic."""
    return {model: (state.live, state.live_digest) for model, state in states.items() if state.live is not None}
