"""A checkout of its own for the year: what git would commit now, trained on January alone, in a hurry."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from shipway.contract.documents import read_yaml
from tools.copies import change, copy_checkout

__all__ = ["MODEL", "SERVICE", "STARTS", "make_checkout"]

MODEL, SERVICE = "flight-delay", "flight_delay"

# Trained on what was known when January was over: before the blizzard of 8 February.
STARTS = "2013-02-01"

# A day of flights takes seconds: what is said in wall seconds is said for a replay, the rest is the service's own.
_MODEL_CHANGES: Mapping[str, Any] = {
    # The segments whose floors a challenger must hold.
    "segments": ["origin"],
    # Two cores answer, train and judge at once; whether an answer takes 300 ms is another benchmark's question.
    "slo": {"error_ratio": 0.01, "latency_seconds": 5.0, "latency_quantile": 0.95},
    "rollout": {
        "steps_percent": [5, 25, 50, 100],
        "harm_budget_ratio": 0.05,
        "min_step_seconds": 2,
        "max_step_seconds": 600,
        "guard_seconds": 10,
        # A season's model is meant to answer otherwise than the one of the season before.
        "max_prediction_shift_ratio": 0.6,
    },
    "retraining": {
        "release": "auto",
        "cool_down_seconds": 60,
        "minimum_rows": 300,
        "minimum_segment_rows": 150,
        "recent_rows": 5000,
        "first_retry_seconds": 60,
        "last_retry_seconds": 240,
    },
    # Values are published ten times a second, which is once an hour of these: what that does is no news.
    "parity": {"sample_ratio": 0.001},
    # The bars of a model of one month, judged on one week or two.
    "evaluation": {
        "gates": [
            {"metric": "auc", "minimum": 0.58, "champion_tolerance": 0.01},
            {"metric": "log_loss", "champion_tolerance": 0.01},
            {"metric": "calibration_error", "maximum": 0.2, "champion_tolerance": 0.05},
        ]
    },
}

# File -> (what it says, what it says here); each once.
_TEXTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    f"services/{SERVICE}/train.py": (
        ('validate_from: str = "2013-04-01"', 'validate_from: str = "2013-01-25"'),
        ('validate_until: str = "2013-05-01"', f'validate_until: str = "{STARTS}"'),
    ),
    f"services/{SERVICE}/traffic.py": (('START = "2013-05-01T00:00:00-04:00"', f'START = "{STARTS}T00:00:00+00:00"'),),
    # The request that `make up` sends first must not lie in the future.
    f"services/{SERVICE}/tests/request.headers": (
        ("x-event-time: 2013-05-01T03:59:00-04:00", "x-event-time: 2013-01-31T23:59:00+00:00"),
    ),
}


def make_checkout(root: Path, folder: Path, base: int) -> None:
    """Writes the project at `root`, as git would commit it now, into the new folder `folder`, for the year.

    Args:
        root: a checkout.
        folder: where the copy goes.
        base: the first port of its platform.

    Raises:
        ShipwayError: when a file is not what this module knows how to change.
    """
    copy_checkout(root, folder, base)
    for other in (folder / "services").iterdir():
        if other.is_dir() and other.name != SERVICE:
            shutil.rmtree(other)
    # Rows of May: in January nobody has seen them.
    shutil.rmtree(folder / "services" / SERVICE / "tests" / "regression")
    for name, changes in _TEXTS.items():
        for said, instead in changes:
            change(folder / name, re.escape(said), instead)
    path = folder / "services" / SERVICE / "model.yaml"
    path.write_text(yaml.safe_dump(read_yaml(path) | dict(_MODEL_CHANGES), sort_keys=False), encoding="utf-8")
