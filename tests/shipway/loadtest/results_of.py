"""Results and stages as the tests want them."""

from datetime import UTC, datetime
from typing import Any

from shipway.contract.evidence import Judgement
from shipway.contract.loadtest import LatencySeconds, LoadTestResult, Measured, Profile, StageResult

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
LATENCY = LatencySeconds(p50=0.01, p90=0.02, p95=0.03, p99=0.04, p999=0.05)


def stage(**changes: Any) -> StageResult:
    """Returns a judged stage of 20 requests a second that met its objective."""
    values: dict[str, Any] = {
        "requests_per_second": 20.0,
        "seconds": 60.0,
        "judged": True,
        "requests": 1200,
        "failures": 0,
        "slow": 0,
        "objective_met": True,
        "latency": LATENCY,
        "lag_p99_seconds": 0.001,
    }
    return StageResult(**values | changes)


def result(**changes: Any) -> LoadTestResult:
    """Returns a fresh and whole pass of the profile `load`."""
    values: dict[str, Any] = {
        "model": "digits",
        "digest": DIGEST,
        "profile": Profile.LOAD,
        "environment": "local",
        "measured": Measured.SLOT,
        "started_at": NOW,
        "duration_seconds": 65.0,
        "arrivals_per_second": 20.0,
        "whole": True,
        "requests": 1200,
        "failures": 0,
        "latency": LATENCY,
        "objective_latency_seconds": 0.1,
        "objective_quantile": 0.95,
        "objective_error_ratio": 0.01,
        "seed": 1,
        "stages": (stage(),),
        "judgement": Judgement.PASS,
        "sentence": "meets its objective",
    }
    return LoadTestResult(**values | changes)
