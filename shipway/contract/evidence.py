"""Evidence and verdicts: what a rollout has seen, what each gate made of it, and why, in one sentence."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from shipway.contract.documents import Spec
from shipway.contract.metrics import PREDICTION_BINS

__all__ = [
    "ABSOLUTE_GATES",
    "LATE_GATES",
    "QUALITY_GATES",
    "RELATIVE_GATES",
    "EvidenceState",
    "Gate",
    "GateAction",
    "GuardrailState",
    "Judgement",
    "Pause",
    "Progress",
    "QualityDrop",
    "Sample",
    "ShiftState",
    "SlotCounts",
    "UnitState",
    "Verdict",
]

Count = Annotated[int, Field(ge=0)]
Bins = Annotated[tuple[Count, ...], Field(min_length=PREDICTION_BINS, max_length=PREDICTION_BINS)]
LogWeights = tuple[float, ...]
# slot, instance, event, value, scraped at (seconds since the epoch)
CounterRow = tuple[str, str, str, Count, float]

_NO_BINS = (0,) * PREDICTION_BINS


class Judgement(StrEnum):
    """How one judgement ends; what is missing is never a pass."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


class Gate(StrEnum):
    """What a rollout is judged by."""

    ERRORS = "errors"
    INVALID_OUTPUTS = "invalid_outputs"
    SLOW_SLO = "slow_slo"
    SLOW_LIVE = "slow_live"
    FALLBACKS = "fallbacks"
    MISSING_FEATURES = "missing_features"
    LABEL_ERRORS = "label_errors"
    ACCURACY_DROP = "accuracy_drop"
    SLO_ERRORS = "slo_errors"
    SLO_LATENCY = "slo_latency"
    SAMPLE_RATIO = "sample_ratio"
    PREDICTION_SHIFT = "prediction_shift"
    EVIDENCE = "evidence"
    HARM_BUDGET = "harm_budget"


# The candidate against live, which takes its traffic at the same time.
RELATIVE_GATES = (
    Gate.ERRORS,
    Gate.INVALID_OUTPUTS,
    Gate.SLOW_SLO,
    Gate.SLOW_LIVE,
    Gate.FALLBACKS,
    Gate.MISSING_FEATURES,
)
# The candidate against live, on predictions both made at the same time and whose labels came later.
LATE_GATES = (Gate.LABEL_ERRORS,)
# A promoted version against what it was when it was evaluated, by all labels that have come.
QUALITY_GATES = (Gate.ACCURACY_DROP,)
# One slot against the service level objective itself.
ABSOLUTE_GATES = (Gate.SLO_ERRORS, Gate.SLO_LATENCY)


# What of a slot's counts is bad for each of them.
_EVENTS = {gate: str(gate) for gate in (*RELATIVE_GATES, *LATE_GATES)} | {
    Gate.SLO_ERRORS: "harm",
    Gate.SLO_LATENCY: "slow_slo",
}
_REQUEST_EVENTS = tuple(name for gate, name in _EVENTS.items() if gate not in LATE_GATES)


class GateAction(StrEnum):
    """What a gate that fails does: what model.yaml may say under `rollout.gates`."""

    ROLLBACK = "rollback"
    PAUSE = "pause"
    OFF = "off"


class Pause(StrEnum):
    """Why a rollout waits for a person."""

    MANUAL = "manual"
    GUARDRAIL = "guardrail"
    PREDICTION_SHIFT = "prediction_shift"
    SAMPLE_RATIO = "sample_ratio"
    BOTH_SLOTS_BAD = "both_slots_bad"
    LIVE_BAD = "live_bad"


class SlotCounts(Spec):
    """What one slot did between two looks; every event is counted once a request, so that a ratio is one.

    Args:
        requests: completed requests that were not the caller's fault.
        errors: of these, the ones that ended in an error or a timeout.
        invalid_outputs: of these, the ones whose answer broke the schema.
        slow_slo: of these, the ones slower than the SLO's edge of the latency grid.
        slow_live: of these, the ones slower than live's p95 edge, which is frozen before the first step.
        fallbacks: of these, the ones a fallback answered.
        missing_features: of these, the ones that got the default of at least one feature.
        units: distinct units (callers) seen for the first time in this step.
        prediction_bins: predictions by bin of live's edges, one for each unit.
        labelled: predictions made while both slots served whose label has come.
        label_errors: of these, the ones that were wrong.
    """

    requests: Count = 0
    errors: Count = 0
    invalid_outputs: Count = 0
    slow_slo: Count = 0
    slow_live: Count = 0
    fallbacks: Count = 0
    missing_features: Count = 0
    units: Count = 0
    prediction_bins: Bins = _NO_BINS
    labelled: Count = 0
    label_errors: Count = 0

    @model_validator(mode="after")
    def _events_are_requests(self) -> Self:
        worst = max(self.harm, self.slow_slo, self.slow_live, self.fallbacks, self.missing_features)
        if worst > self.requests:
            name = next(name for name in _REQUEST_EVENTS if getattr(self, name) == worst)
            raise ValueError(f"{name} ({worst}) to be at most requests ({self.requests})")
        if self.label_errors > self.labelled:
            raise ValueError(f"label_errors ({self.label_errors}) to be at most labelled ({self.labelled})")
        return self

    @property
    def harm(self) -> int:
        """The requests that hurt their caller; no request is both an error and an invalid output."""
        return self.errors + self.invalid_outputs

    def events(self, gate: Gate) -> int:
        """Returns how many requests count against `gate`, one of the relative, late or absolute gates."""
        count: int = getattr(self, _EVENTS[gate])
        return count

    def trials(self, gate: Gate) -> int:
        """Returns how many requests `gate` judges; late labels have their own."""
        return self.labelled if gate in LATE_GATES else self.requests


class QualityDrop(Spec):
    """How much worse than the version before it in the same hours a version is for certain, by late labels.

    Args:
        metric: which of its metrics has dropped farthest.
        drop_ratio: by how much at least, relative to that one; 0 when nothing is certain.
        limit_ratio: how much is allowed.
    """

    metric: str
    drop_ratio: Annotated[float, Field(ge=0)]
    limit_ratio: Annotated[float, Field(gt=0, lt=1)]

    @property
    def beyond(self) -> bool:
        """Whether it is more than is allowed."""
        return self.drop_ratio >= self.limit_ratio


class Sample(Spec):
    """What both slots did between two looks.

    Args:
        candidate, live: each slot's counts.
        candidate_drop, live_drop: what late labels say of each version's quality by now; None when they say nothing.
        restarted: whether a process began anew meanwhile: it has forgotten which units it had counted.
    """

    candidate: SlotCounts = SlotCounts()
    live: SlotCounts = SlotCounts()
    candidate_drop: QualityDrop | None = None
    live_drop: QualityDrop | None = None
    restarted: bool = False


class Verdict(Spec):
    """What one gate says at one look.

    Args:
        gate: who says it.
        judgement: what it says.
        metric: what `bound` and `threshold` measure, with its unit.
        bound: the evidence, None when there is none.
        threshold: what the bound is held against.
        sentence: for a person, with the counts.
    """

    gate: Gate
    judgement: Judgement
    metric: str
    candidate_events: Count = 0
    candidate_requests: Count = 0
    live_events: Count = 0
    live_requests: Count = 0
    bound: float | None = None
    threshold: float
    sentence: Annotated[str, Field(min_length=1)]


class _State(Spec):
    """What a look carries over to the next one."""

    def changed(self, **changes: Any) -> Self:
        """Returns the state with other values, which are not validated: they were computed from a valid one.

        A controller and a simulator do this a dozen times a look; pydantic's own `model_copy` and `model_construct`
        take as long as validation does.
        """
        state = type(self).__new__(type(self))
        values = {**self.__dict__, **changes}
        object.__setattr__(state, "__dict__", values)
        object.__setattr__(state, "__pydantic_fields_set__", set(values))
        object.__setattr__(state, "__pydantic_extra__", None)
        object.__setattr__(state, "__pydantic_private__", None)
        return state


class GuardrailState(_State):
    """One e-process and the counts it saw since the rollout began.

    Args:
        gate: what it watches.
        log_weights: its 64 log weights.
        reserve_ratio: the mass that later starts of a guard will get; 0 in a step.
    """

    gate: Gate
    log_weights: LogWeights
    reserve_ratio: Annotated[float, Field(ge=0, le=1)] = 0.0
    candidate_events: Count = 0
    candidate_requests: Count = 0
    live_events: Count = 0
    live_requests: Count = 0


class UnitState(_State):
    """The e-process of the sample ratio; its counts are those of the current step.

    Args:
        forgotten: whether a slot restarted in this step and would count the same units again: the rest of it says
            nothing about the split.
    """

    log_weights: LogWeights
    candidate_units: Count = 0
    live_units: Count = 0
    forgotten: bool = False


class ShiftState(_State):
    """What the bound on the shift between the slots' predictions remembers.

    Args:
        candidate, live: predictions by bin that are already counted.
        open_candidate, open_live: predictions by bin that wait until their batch is large enough.
        weighted_difference: sum of size times difference over the batches.
        size: sum of n_c n_l / (n_c + n_l) over the batches.
    """

    candidate: Bins = _NO_BINS
    live: Bins = _NO_BINS
    open_candidate: Bins = _NO_BINS
    open_live: Bins = _NO_BINS
    weighted_difference: float = 0.0
    size: Annotated[float, Field(ge=0)] = 0.0


class EvidenceState(_State):
    """All that a rollout has seen of one candidate; a new digest starts a new one."""

    guardrails: tuple[GuardrailState, ...]
    live_slo: tuple[GuardrailState, ...]
    units: UnitState
    shift: ShiftState = ShiftState()
    step_candidate_requests: Count = 0
    step_candidate_harm: Count = 0
    step_live_requests: Count = 0
    step_live_harm: Count = 0


class Progress(_State):
    """How far a rollout has come, from the moment its candidate is declared to the end of its guard.

    Args:
        step_index: which of `steps_percent` is served.
        step_elapsed_seconds: sum of monotonic deltas since the step (or the preparation, or the guard) began; a reboot
            adds nothing.
        evidence: what was seen.
        paused: why it waits for a person, None when it does not.
        approved: pauses that a person has lifted; they do not come back for this candidate.
        slow_live_edge_seconds: live's p95 edge on the latency grid, frozen before the first step; None until then.
        counters: the last sound reading, the base of the next delta (`evidence.counters.Counters.rows`), by metric.
        settling: the next increment straddles a change of weight, so it is no evidence about the split or the step.
        unready_seconds: for how long the candidate has not been ready while it should serve.
        silent_seconds: for how long nothing could be read, not even that no request came.
    """

    step_index: Count = 0
    step_elapsed_seconds: Annotated[float, Field(ge=0)] = 0.0
    evidence: EvidenceState
    paused: Pause | None = None
    approved: tuple[Pause, ...] = ()
    slow_live_edge_seconds: float | None = None
    counters: dict[str, tuple[CounterRow, ...]] = Field(default_factory=dict)
    settling: bool = False
    unready_seconds: Annotated[float, Field(ge=0)] = 0.0
    silent_seconds: Annotated[float, Field(ge=0)] = 0.0
