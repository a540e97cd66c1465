"""What a comparison found: the document that goes from the process that compared to whoever shows or counts it."""

from typing import Annotated

from pydantic import Field

from shipway.contract.documents import Spec
from shipway.contract.parity import ParityOutcome

__all__ = ["CauseFound", "FeatureParity", "Report", "Worst"]

Count = Annotated[int, Field(ge=0)]


class CauseFound(Spec):
    """A likely cause; see `causes.Cause`."""

    name: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    rows: Count
    sentence: str


class Worst(Spec):
    """One of the rows that differ most; times are ISO 8601 in UTC, empty where there is none.

    Args:
        prediction_id: of the prediction log.
        event_time: when it was asked for.
        keys: the keys as JSON text, personal ones hashed as in the log.
        outcome: how the sides compare.
        served, offline: null where a side had no value.
        served_at, offline_at: from when each side's value is.
    """

    prediction_id: str
    event_time: str
    keys: str
    outcome: ParityOutcome
    served: float | None
    offline: float | None
    served_at: str = ""
    offline_at: str = ""


class FeatureParity(Spec):
    """One feature, or one way in which predictions were compared.

    Args:
        name: `view:feature`; `prediction:served` for the model's answer to what was served, which says whether serving
            computes as training does, `prediction:offline` for its answer to what the offline store knew.
        outcomes: how many rows ended how.
        skewed_ratio: the share of the compared rows that differ, null when none could be compared.
        skewed: whether that is more than model.yaml allows.
        causes: what it looks like, the likeliest first.
        worst: the rows that differ most.
    """

    name: str
    outcomes: dict[ParityOutcome, Count]
    skewed_ratio: float | None
    skewed: bool
    causes: tuple[CauseFound, ...] = ()
    worst: tuple[Worst, ...] = ()


class Report(Spec):
    """One version's comparison.

    Args:
        model, version: whose; the version as the short digest of its bundle.
        rows: how many predictions were looked at.
        first, last: event times of the oldest and the newest of them.
        offline: where the offline values come from.
        features: one for each read of the model, in the order of model.yaml.
        predictions: `prediction:served`, then `prediction:offline` for a model with features; empty when the version's
            bundle is not in the store.
        notes: what could not be compared, and why.
    """

    model: str
    version: str
    rows: Count
    first: str
    last: str
    offline: str
    features: tuple[FeatureParity, ...]
    predictions: tuple[FeatureParity, ...]
    notes: tuple[str, ...] = ()

    @property
    def compared(self) -> tuple[FeatureParity, ...]:
        """Everything of which at least one row could be compared."""
        return tuple(one for one in (*self.features, *self.predictions) if one.skewed_ratio is not None)

    @property
    def skewed(self) -> tuple[FeatureParity, ...]:
        """What differs more than model.yaml allows."""
        return tuple(one for one in self.compared if one.skewed)
