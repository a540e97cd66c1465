"""One way to the drift of the same rows, in a process of its own: `python benchmarks/drift_peer.py WAY ROWS`.

WAY is shipway, evidently_psi, evidently or nannyml; each makes the same rows from the same seed, measures, and prints
one line of JSON: seconds of processor time, which a busy machine does not change, and by how many MiB the process grew
at most while it measured. A peer's process has the peer's packages alone, so nothing is imported before it is needed.
"""

import importlib
import json
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIELDS", "SHIFT", "WAYS", "made"]

FIELDS = 50
SHIFT = 0.1
_NAMES = [f"f{number:02d}" for number in range(FIELDS)]
_SEED = 20261127
_MIB_KIB = 1024


def made(rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns reference and current rows, (rows, FIELDS): normal ones, the current ones a tenth higher."""
    chance = np.random.default_rng(_SEED)
    return chance.normal(size=(rows, FIELDS)), chance.normal(SHIFT, size=(rows, FIELDS))


def _grown(measure: Callable[[], object]) -> dict[str, float]:
    """Returns how long it takes, and by how much the process grows at most meanwhile."""
    # What was the greatest size before is forgotten: the rows were made, which took more than they are.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _mib("VmRSS")
    began = time.process_time()
    measure()
    seconds = time.process_time() - began
    return {"seconds": seconds, "extra_mib": _mib("VmHWM") - before}


def _mib(name: str) -> float:
    (line,) = (one for one in Path("/proc/self/status").read_text("ascii").splitlines() if one.startswith(name))
    return int(line.split()[1]) / _MIB_KIB


def _shipway(rows: int) -> dict[str, float]:
    """PSI, KS, W1, chi2 and three more of raw rows against the bins of a reference; also from live counters."""
    months, raw, judging, calibration, persistence, references, contract = (
        importlib.import_module(name)
        for name in (
            "benchmarks.drift_months",
            "shipway.drift.raw",
            "shipway.drift.judge",
            "shipway.drift.calibration",
            "shipway.drift.persistence",
            "shipway.drift.reference",
            "shipway.contract.drift",
        )
    )
    trained, current = made(rows)
    bins = months.bins_of(trained)
    reference = references.Reference.of(bins)
    raw.from_raw(reference, bins, current[:1000])
    found = _grown(lambda: raw.from_raw(reference, bins, current))
    # Memory that was free already does not show as growth; what is allocated does, to the byte.
    tracemalloc.start()
    raw.from_raw(reference, bins, current)
    found["extra_mib"] = max(found["extra_mib"], tracemalloc.get_traced_memory()[1] / _MIB_KIB**2)
    tracemalloc.stop()
    counted = bins.count(current)
    window, spec = judging.Window(counted.counts, counted.excess), contract.DriftSpec()
    drawn, history = calibration.Calibration(np.random.default_rng(_SEED)), persistence.History()
    took: list[float] = []
    for _ in range(101):
        began = time.process_time()
        judging.judge(reference, window, spec, history, drawn)
        took.append(time.process_time() - began)
    return found | {"live_seconds": float(np.median(took[1:])), "first_live_seconds": took[0]}


def _frames(rows: int) -> tuple[Any, Any]:
    pandas: Any = importlib.import_module("pandas")
    reference, current = made(rows)
    return pandas.DataFrame(reference, columns=_NAMES), pandas.DataFrame(current, columns=_NAMES)


def _evidently(rows: int, methods: tuple[str, ...]) -> dict[str, float]:
    peer: Any = importlib.import_module("evidently")
    metrics: Any = importlib.import_module("evidently.metrics")
    reference, current = _frames(rows)
    definition = peer.DataDefinition(numerical_columns=_NAMES)
    # What a first report loads and sets up is not its measuring.
    small = [peer.Dataset.from_pandas(frame[:100], definition) for frame in (current, reference)]
    report = peer.Report([metrics.ValueDrift(column=name, method=method) for name in _NAMES for method in methods])
    report.run(*small)
    return _grown(
        lambda: report.run(
            peer.Dataset.from_pandas(current, definition), peer.Dataset.from_pandas(reference, definition)
        )
    )


def _nannyml(rows: int) -> dict[str, float]:
    peer: Any = importlib.import_module("nannyml")
    reference, current = _frames(rows)
    methods = ["kolmogorov_smirnov", "jensen_shannon", "wasserstein"]

    def measure(reference: Any, current: Any) -> object:
        calculator = peer.UnivariateDriftCalculator(column_names=_NAMES, continuous_methods=methods, chunk_number=1)
        return calculator.fit(reference).calculate(current)

    measure(reference[:1000], current[:1000])
    return _grown(lambda: measure(reference, current))


WAYS: dict[str, Callable[[int], dict[str, float]]] = {
    "shipway": _shipway,
    "evidently_psi": lambda rows: _evidently(rows, ("psi",)),
    "evidently": lambda rows: _evidently(rows, ("psi", "ks", "wasserstein")),
    "nannyml": _nannyml,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(WAYS[sys.argv[1]](int(sys.argv[2]))))
