"""Percentiles and the objective of one stage."""
# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from shipway.contract.model import SloSpec
from shipway.loadtest.stages import (
    Planned,
    Sent,
    enough_seconds,
    latency_of,
    least_requests,
    percentile,
    stage_result,
)

SLO = SloSpec(error_ratio=0.01, latency_seconds=0.1, latency_quantile=0.95)
PLANNED = Planned(20, 10)


def met(fast: int, slow: int = 0, failed: int = 0, lag: float = 0.0) -> bool | None:
    sent = Sent(
        latencies_seconds=[0.01] * fast + [0.2] * slow,
        lags_seconds=[lag] * (fast + slow),
        failed_by=Counter({"status 503": failed} if failed else {}),
    )
    return stage_result(PLANNED, sent, SLO).objective_met


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=300), st.floats(0.01, 1))
def test_a_percentile_is_the_nearest_rank(values: list[float], quantile: float) -> None:
    """It is numpy's inverted distribution function, and a value that was observed."""
    ordered = sorted(values)
    # numpy has no margin for what floats add to quantile times count; a rank that is a whole number may differ.
    expected = float(np.quantile(np.array(ordered), quantile, method="inverted_cdf"))
    rank = quantile * len(ordered)
    if abs(rank - round(rank)) > 1e-6:
        assert percentile(ordered, quantile) == expected
    assert percentile(ordered, quantile) in ordered


@settings(deadline=None)
@given(st.floats(0.01, 1000), st.floats(0.5, 0.999))
def test_a_stage_that_lasts_long_enough_has_enough_requests(rate: float, quantile: float) -> None:
    """Fewer than the quantile needs come once in ten thousand stages, unless ten minutes are too short."""
    slo = SLO.model_copy(update={"latency_quantile": quantile})
    least = least_requests(slo)
    seconds = enough_seconds(rate, least)
    assert seconds <= 600
    if seconds < 600:
        assert poisson.cdf(least - 1, rate * seconds) == pytest.approx(1e-4, rel=1e-3)


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=300))
def test_percentiles_grow(values: list[float]) -> None:
    """A higher quantile is never a lower latency, and order of arrival plays no part."""
    found = latency_of(values)
    assert found is not None
    assert found == latency_of(values[::-1])
    assert found.p50 <= found.p90 <= found.p95 <= found.p99 <= found.p999 <= max(values)


def test_nothing_answered_has_no_latency() -> None:
    """A stage in which all failed is no fast one."""
    assert latency_of([]) is None
    result = stage_result(PLANNED, Sent(failed_by=Counter({"ConnectionRefusedError": 100})), SLO)
    assert (result.latency, result.objective_met, result.failures) == (None, False, 100)


@pytest.mark.parametrize(
    ("fast", "slow", "failed", "lag", "expected"),
    [
        (95, 5, 0, 0.0, True),
        (94, 6, 0, 0.0, False),
        (99, 0, 1, 0.0, True),
        (98, 0, 2, 0.0, False),
        (19, 0, 0, 0.0, None),
        (20, 0, 0, 0.0, True),
        (0, 0, 0, 0.0, None),
        # The sender itself was late, by a third of the objective: nobody knows who was slow.
        (90, 10, 0, 0.034, None),
        # It was late, and the objective was met all the same.
        (100, 0, 0, 0.034, True),
        # Failures are failures, however late the sender was.
        (90, 0, 10, 0.034, False),
    ],
)
def test_the_objective_is_met_missed_or_not_known(
    fast: int, slow: int, failed: int, lag: float, expected: bool | None
) -> None:
    """Both bounds are inclusive; too few requests, or a late sender, are no verdict."""
    assert met(fast, slow, failed, lag) is expected
