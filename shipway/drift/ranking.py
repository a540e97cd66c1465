"""What matters first: how far each field is beyond its threshold, weighed by how much the model leans on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shipway.contract.drift import LABEL, PREDICTION, RELATION
from shipway.drift.result import DriftResult, Status

__all__ = ["Ranked", "effect", "ranked"]

# Predictions, labels and how they hang together are what the model is for: no input weighs more.
_WHOLE = frozenset({PREDICTION, LABEL, RELATION})

_ORDER = {Status.SILENT: 0, Status.DRIFTED: 1, Status.STABLE: 2, Status.TOO_FEW: 3}


@dataclass(frozen=True)
class Ranked:
    """One field's place.

    Args:
        result: what was found.
        importance: the input's share of what the version knows; 1 for predictions, labels and their relation, 0 for an
            input of unknown importance.
        weight: importance times effect; it ranks.
    """

    result: DriftResult
    importance: float
    weight: float


def effect(result: DriftResult) -> float:
    """Returns the score in thresholds: above 1 is beyond chance; 0 where nothing was judged."""
    if result.score is None or not result.threshold or result.threshold <= 0:
        return 0.0
    return max(result.score, 0.0) / result.threshold


def ranked(results: Sequence[DriftResult], importances: Mapping[str, float]) -> list[Ranked]:
    """Returns the results, silent and drifted ones first, within them by importance times effect, then by name."""
    rows = [
        Ranked(one, share, share * effect(one))
        for one in results
        for share in (1.0 if one.feature in _WHOLE else importances.get(one.feature, 0.0),)
    ]
    return sorted(rows, key=lambda row: (_ORDER[row.result.status], -row.weight, row.result.feature))
