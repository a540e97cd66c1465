"""The rendered service tried out before it takes its place: `python -m shipway.scaffold.inferred.measuring FOLDER`.

In a process of its own, because one process holds one version of a service's code. It goes the way of `shipway train`
up to the gates, by the service's own code, and prints a `Measured` as one line of JSON.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from shipway.bundle.source import import_from
from shipway.contract.documents import parse, parse_json
from shipway.contract.errors import ShipwayError
from shipway.scaffold.inferred.gates import METRICS, Measured
from shipway.training.artifact import restore, save
from shipway.training.metrics import base_rate_predictions, evaluate
from shipway.training.plan import Task, TrainingData
from shipway.training.quality import check_data

__all__ = ["deviation", "main", "measure"]

# A million rows of two hundred columns.
_TIMEOUT_SECONDS = 1800

# Draws of the validation rows; of so many of them at most, for a deviation shrinks as the root of their number.
_DRAWS = 100
_MOST_DRAWN = 20_000


def measure(service: Path) -> Measured:
    """Returns what the baseline of the service in `service` reaches.

    Raises:
        ShipwayError: when its data fails a check, or it cannot be trained or saved, with its own last words.
    """
    command = [sys.executable, "-m", "shipway.scaffold.inferred.measuring", str(service)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise ShipwayError(f"the baseline cannot be trained, nothing was made: {last[0].removeprefix('error: ')}")
    line = done.stdout.strip().splitlines()[-1]
    return parse(Measured, parse_json(line, "the baseline"), "the baseline")


def deviation(
    task: Task, labels: NDArray[Any], predictions: NDArray[np.float64], base: NDArray[np.float64], seed: int = 0
) -> tuple[float, float]:
    """Returns by how much the metric that decides, and its gain on the base rate, differ between draws of the rows.

    One standard deviation each, by a bootstrap (Efron 1979) over the validation rows; a draw of one class only says
    nothing and is left out. The gain differs less than the metric: the same rows are hard for both.

    Args:
        task: decides the metric.
        labels, predictions, base: of the validation rows; `base` is what one who knows no input would predict.
        seed: of the draws.
    """
    chance = np.random.default_rng(seed)
    drawn = min(len(labels), _MOST_DRAWN)
    found: list[tuple[float, float]] = []
    for _ in range(_DRAWS):
        rows = chance.integers(0, len(labels), drawn)
        if task is Task.REGRESSION or len(np.unique(labels[rows])) > 1:
            reached, known = (evaluate(task, labels[rows], one[rows])[METRICS[task]] for one in (predictions, base))
            found.append((reached, reached - known))
    metric, gain = np.std(found, axis=0) * np.sqrt(drawn / len(labels))
    return float(metric), float(gain)


def _measured(service: Path) -> Measured:
    plan: Any = import_from(service.parent, service.name, "train")
    schema = import_from(service.parent, service.name, "schema").SCHEMA
    settings = plan.SETTINGS()
    with tempfile.TemporaryDirectory() as scratch:
        data: TrainingData = plan.load(settings, Path(scratch))
        if findings := check_data(data, schema, [], plan.TASK, {}):
            raise ShipwayError("; ".join(" ".join(str(one).split()) for one in findings))
        started = time.perf_counter()
        with threadpool_limits(limits=1):
            estimator = plan.fit(data.train, data.train_labels, settings)
            fit_seconds = time.perf_counter() - started
            save(plan, estimator, Path(scratch))
            shipped = restore(plan, Path(scratch), plan.TRUSTED_TYPES)
            predictions = np.asarray(plan.predict(shipped, data.validation))
    trained, labels = data.train_labels.to_numpy(), data.validation_labels.to_numpy()
    base = base_rate_predictions(plan.TASK, trained, len(labels))
    metric_deviation, gain_deviation = deviation(plan.TASK, labels, predictions, base)
    return Measured(
        metrics=evaluate(plan.TASK, labels, predictions),
        base_rate=evaluate(plan.TASK, labels, base),
        metric_deviation=metric_deviation,
        gain_deviation=gain_deviation,
        label_mean=float(np.mean(trained)),
        train_rows=len(trained),
        validation_rows=len(labels),
        fit_seconds=fit_seconds,
    )


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 after it has printed what was measured, 1 when the service cannot be tried, with the reason."""
    parser = argparse.ArgumentParser(prog="python -m shipway.scaffold.inferred.measuring", description=main.__doc__)
    parser.add_argument("service", type=Path, help="the service's folder")
    options = parser.parse_args(arguments)
    try:
        print(_measured(options.service.resolve()).model_dump_json())
    except ShipwayError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
