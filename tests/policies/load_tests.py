"""A passed load test, as the record of a bundle keeps it."""

import random
from typing import Any

__all__ = ["load_test"]


def load_test(draw: random.Random, model: str, tested: str) -> dict[str, Any]:
    """Returns what a record keeps of a passed load test: from before the release, or repeated after it."""
    return {
        "version": draw.choice([1, 1.0]),
        "model": model,
        "digest": tested,
        "profile": "load",
        "environment": draw.choice(["local", "staging"]),
        "measured": "slot",
        "started_at": draw.choice(["2026-10-20T09:00:00Z", "2026-11-09T23:00:00+01:00", "2026-11-20T09:00:00Z"]),
        "duration_seconds": 65.2,
        "arrivals_per_second": draw.choice([20, 50.0]),
        "whole": True,
        "requests": draw.choice([1200, 1187.0]),
        "failures": 0,
        "latency": {"p50": 0.01, "p90": 0.02, "p95": 0.03, "p99": 0.04, "p999": 0.05},
        "objective_latency_seconds": 0.3,
        "objective_quantile": 0.95,
        "objective_error_ratio": 0.01,
        "seed": 1,
        "stages": [],
        "judgement": "pass",
        "sentence": "meets its objective",
    }
