"""What Pulumi declares of a model's route, and what delivery writes back onto it."""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self, cast

from pydantic import Field

from shipway.contract.documents import Spec, parse, read_json
from shipway.contract.errors import SpecError
from shipway.contract.evidence import Progress
from shipway.contract.metrics import Slot
from shipway.contract.model import ModelSpec, RolloutSpec, SloSpec
from shipway.contract.release import Digest, MaybeDigest, Release

__all__ = [
    "ROUTE_METADATA_KEY",
    "ROUTE_STATE_ANNOTATION",
    "STATE_FORMAT",
    "Phase",
    "RolloutState",
    "RouteSpec",
    "SlotEndpoint",
    "parse_state",
    "read_rollout_states",
    "served",
]

# Key of Envoy's filter_metadata under which the rollout state rides on a model's route.
ROUTE_METADATA_KEY = "shipway"

# Where it rides on a cluster: this annotation of the model's HTTPRoute.
ROUTE_STATE_ANNOTATION = "shipway/rollout-state"

# Grows when an older controller could not go on with what a newer one wrote.
STATE_FORMAT = 2

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
    # A slot that may be needed keeps at least so many pods; a process has no such number.
    min_replicas: Annotated[int, Field(ge=1)] = 1
    # As many fit beside live; None where there is room for all.
    candidate_replicas: Annotated[int, Field(ge=1)] | None = None
    timeout_seconds: Annotated[float, Field(gt=0)]
    max_body_bytes: Annotated[int, Field(gt=0)]
    rollout: RolloutSpec = RolloutSpec()
    slo: SloSpec = SloSpec()
    escalation: str = ""
    runbook_url: str = ""

    @classmethod
    def declared(cls, model: ModelSpec, release: Release, ports: Mapping[Slot, int]) -> Self:
        """Returns what a target declares of a model and its release, whose slots listen on `ports`."""
        return cls(
            model=model.name,
            owner=model.owner.team,
            blue=SlotEndpoint(port=ports[Slot.BLUE], digest=release.blue),
            green=SlotEndpoint(port=ports[Slot.GREEN], digest=release.green),
            live_hint=release.live,
            min_replicas=model.resources.min_replicas,
            timeout_seconds=model.serving.answer_seconds(model.features),
            max_body_bytes=model.serving.max_body_bytes,
            rollout=model.guarded_rollout,
            slo=model.slo,
            escalation=model.owner.escalation,
            runbook_url=model.owner.runbook_url,
        )

    @property
    def timeout(self) -> str:
        """How long the gateway waits for an answer, as the Gateway API writes it; no number of it has six digits.

        >>> RouteSpec(model="m", owner="o", blue={"port": 1}, green={"port": 1}, timeout_seconds=120.5,
        ...           max_body_bytes=1).timeout
        '120s500ms'
        """
        whole_seconds, milliseconds = divmod(round(self.timeout_seconds * 1000), 1000)
        return (f"{whole_seconds}s" if whole_seconds else "") + (f"{milliseconds}ms" if milliseconds else "")

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
        generation: grows by one with every transition.
        rollout: number of the last rollout of this model; each candidate begins the next one.
        progress: the evidence of the rollout or of its guard, None when neither is under way.
        rejected_digests: rolled back or failed; they take no traffic again unless somebody asks for it.
        format: the version of this document.
    """

    live: Slot | None = None
    live_digest: MaybeDigest = ""
    candidate: Slot | None = None
    candidate_digest: MaybeDigest = ""
    previous_digest: MaybeDigest = ""
    phase: Phase = Phase.SETTLED
    weight_percent: Percent = 0
    generation: Annotated[int, Field(ge=0)] = 0
    rollout: Annotated[int, Field(ge=0)] = 0
    progress: Progress | None = None
    rejected_digests: tuple[Digest, ...] = ()
    format: Annotated[int, Field(ge=1)] = STATE_FORMAT

    @property
    def judged(self) -> Slot | None:
        """The slot that a rollout judges: the candidate's, and after its promotion the live one."""
        return self.live if self.candidate is None else self.candidate

    @property
    def judged_digest(self) -> str:
        """What is judged."""
        return self.live_digest if self.candidate is None else self.candidate_digest

    @property
    def control_digest(self) -> str:
        """What it is judged against: live, and after the promotion the version before; empty where there is none."""
        return self.previous_digest if self.candidate is None else self.live_digest

    @property
    def judged_percent(self) -> int:
        """The judged slot's share of the traffic, where anything is live."""
        return 100 - self.weight_percent if self.candidate is None else self.weight_percent


def parse_state(text: str, path: Path | str) -> RolloutState:
    """Returns the rollout state that `text` holds.

    Raises:
        SpecError: when it is none, or was written by a newer version: what is unknown here must not be thrown away.
    """
    raw = cast(dict[str, Any], json.loads(text))
    written = raw.get("format")
    if isinstance(written, int) and written > STATE_FORMAT:
        expected = f"at most {STATE_FORMAT}: a newer version of Shipway wrote this state, and only it may change it"
        raise SpecError(path, "state.format", written, expected)
    return parse(RolloutState, raw, path)


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
                    states[str(metadata["model"])] = parse_state(metadata["state"], path)
    except (KeyError, IndexError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise SpecError(path, "resources[0].virtual_hosts", repr(error), "the routes that delivery wrote") from None
    return states


def served(states: dict[str, RolloutState]) -> dict[str, tuple[Slot, str]]:
    """Returns model -> the live slot and its digest, for the models that take traffic."""
    return {model: (state.live, state.live_digest) for model, state in states.items() if state.live is not None}
