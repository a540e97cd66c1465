"""What matters comes first."""

import pytest

from shipway.drift.ranking import effect, ranked
from shipway.drift.result import DriftResult, Status


def result(feature: str, score: float | None, status: Status = Status.DRIFTED) -> DriftResult:
    threshold = None if score is None else 0.1
    return DriftResult(feature, "psi", score, score, score, "nat", threshold, None, True, status, 1000, 500)


@pytest.mark.parametrize(("score", "times"), [(0.1, 1.0), (0.35, 3.5), (-0.02, 0.0), (None, 0.0)])
def test_the_effect_is_counted_in_thresholds(score: float | None, times: float) -> None:
    """What was not judged, and what is less than chance, has none."""
    assert effect(result("x", score)) == pytest.approx(times)


def test_a_small_drift_of_what_matters_comes_before_a_large_one_of_what_does_not() -> None:
    """Importance times effect, with the predictions above every input."""
    rows = ranked(
        [result("idle", 9.0), result("strong", 0.4), result("weak", 0.5), result("prediction", 0.3)],
        {"strong": 0.7, "weak": 0.1},
    )
    assert [row.result.feature for row in rows] == ["prediction", "strong", "weak", "idle"]
    assert [row.weight for row in rows] == pytest.approx([3.0, 2.8, 0.5, 0.0])


def test_silence_comes_first_and_what_is_not_known_last() -> None:
    """A stable field of great weight is no news."""
    rows = ranked(
        [
            result("unknown", None, Status.TOO_FEW),
            result("quiet", 0.09, Status.STABLE),
            result("moved", 0.2),
            result("gone", None, Status.SILENT),
        ],
        {"quiet": 0.9, "moved": 0.01},
    )
    assert [row.result.feature for row in rows] == ["gone", "moved", "quiet", "unknown"]
