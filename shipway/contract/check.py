"""What model.yaml says about the checks that ship with a model, and the latency budgets of kinds of applications."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from shipway.contract.documents import Spec

__all__ = [
    "LATENCY_BUDGETS",
    "LEAST_LATENCY_REQUESTS",
    "Application",
    "Behaviour",
    "CheckName",
    "ChecksSpec",
    "FairnessSpec",
    "LatencyBudget",
    "RelationSpec",
]

Positive = Annotated[float, Field(gt=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1)]


# With fewer requests the 99th percentile is one of the slowest two.
LEAST_LATENCY_REQUESTS = 200


class CheckName(StrEnum):
    """Which check, in the order in which they run."""

    SCHEMA = "schema"
    UNIT = "unit"
    REGRESSION = "regression"
    METAMORPHIC = "metamorphic"
    FAIRNESS = "fairness"
    ADVERSARIAL = "adversarial"
    PARITY = "parity"
    LATENCY = "latency"
    COST = "cost"


class Application(StrEnum):
    """What the answers are used for; it says how long one may take."""

    FRAUD = "fraud"
    ADS = "ads"
    RECOMMENDATION = "recommendation"
    SEARCH = "search"
    CHAT = "chat"
    BATCH = "batch"


class LatencyBudget(Spec):
    """How long 95 and 99 of 100 answers may take at most, and where that comes from.

    Args:
        p95_seconds, p99_seconds: None of both where nobody waits for a single answer.
        source: of the figures; what is our choice is called so.
    """

    p95_seconds: Positive | None
    p99_seconds: Positive | None
    source: Text


# What the model's own slot may use of the time its caller has; the network's and the caller's come on top.
LATENCY_BUDGETS: Mapping[Application, LatencyBudget] = {
    Application.FRAUD: LatencyBudget(
        p95_seconds=0.05,
        p99_seconds=0.1,
        source="our choice: an authorisation of a card leaves its score tens of milliseconds",
    ),
    Application.ADS: LatencyBudget(
        p95_seconds=0.05,
        p99_seconds=0.08,
        source="our choice, of a usual `tmax` of 100 ms; OpenRTB 2.6 counts the network's time in it",
    ),
    Application.RECOMMENDATION: LatencyBudget(
        p95_seconds=0.04,
        p99_seconds=0.06,
        source="p99 of DLRMv2, server scenario, MLPerf Inference v5.0; p95 is our choice",
    ),
    Application.SEARCH: LatencyBudget(
        p95_seconds=0.1,
        p99_seconds=0.2,
        source="our choice: 100 ms more cost 0.2 % of the searches (Brutlag, Speed Matters, Google 2009)",
    ),
    Application.CHAT: LatencyBudget(
        p95_seconds=1.0,
        p99_seconds=2.0,
        source="p99 to the first token of Llama 2 70B, server scenario, MLPerf Inference v5.0; p95 is our choice",
    ),
    Application.BATCH: LatencyBudget(
        p95_seconds=None, p99_seconds=None, source="nobody waits for one answer; what counts is what a thousand cost"
    ),
}


class Behaviour(StrEnum):
    """What the answer does when a field changes: as it grows, or whatever it becomes."""

    NOT_LOWER = "not_lower"
    NOT_HIGHER = "not_higher"
    SAME = "same"


class RelationSpec(Spec):
    """What every version of the model must keep to, whatever its metrics say.

    Args:
        field: a field of the request, or a feature as `view:feature`; a number, unless the answer is the same.
        answer: what it is when the field grows (`not_lower`, `not_higher`), or becomes another value (`same`).
        tolerance: by how much it may miss that, in the answer's own unit.
    """

    field: Text
    answer: Behaviour
    tolerance: Annotated[float, Field(ge=0)] = 0.0


class FairnessSpec(Spec):
    """How far the segments of the model may lie apart, beyond what chance explains; a bound that is null is none.

    Args:
        decision_threshold: a probability from which the answer is taken for a yes.
        selection_ratio: the least share of a segment's rate of yes in that of the segment with the highest.
        true_positive_gap_ratio: how much fewer of its true cases a segment may be told than all others.
        metric_gap_ratio: how much worse a segment's metric may be, relative to that of all others.
        minimum_rows: a segment with fewer labelled rows is named and not judged.
        alpha: how likely at most all comparisons together find one that is not there.
    """

    decision_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    selection_ratio: Annotated[float, Field(gt=0, le=1)] | None = 0.8
    true_positive_gap_ratio: Ratio | None = 0.1
    metric_gap_ratio: Ratio | None = 0.1
    minimum_rows: Annotated[int, Field(ge=2)] = 200
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05


class ChecksSpec(Spec):
    """How the model is checked before it is released; the defaults suit someone who tunes nothing.

    Args:
        required: checks that need evidence: where there is none they fail. What is declared here or by `application`
            needs it anyway.
        sample_rows: on so many rows the model is asked in several ways.
        relations: what the answer does when a field changes.
        noise_ratio: how far each number is moved, relative to the spread of its values, to see whether the answers
            stay.
        stable_change_ratio: how far answers may then move, relative to their own spread, for 95 of 100 rows; of
            classes, how many may change.
        fairness: how far segments may lie apart.
        usd_per_1000_predictions: what a thousand answers may cost; nothing is demanded by default.
        unit_timeout_seconds: how long the service's own tests may take.
    """

    required: tuple[CheckName, ...] = ()
    sample_rows: Annotated[int, Field(ge=2, le=1000)] = 64
    relations: tuple[RelationSpec, ...] = ()
    noise_ratio: Annotated[float, Field(gt=0, le=1)] = 0.001
    stable_change_ratio: Annotated[float, Field(gt=0, le=1)] = 0.05
    fairness: FairnessSpec = FairnessSpec()
    usd_per_1000_predictions: Positive | None = None
    unit_timeout_seconds: Positive = 600

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.required)) != len(self.required):
            raise ValueError(f"each check once in required, not {', '.join(self.required)}")
        said = [(one.field, one.answer) for one in self.relations]
        if twice := sorted({f"{field} {answer}" for field, answer in said if said.count((field, answer)) > 1}):
            raise ValueError(f"each relation once, not {', '.join(twice)} again")
        return self
