"""Asking for a comparison: one child process for each version, which ends and gives its memory back."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.contract.documents import Spec, parse, read_json, write_atomic
from shipway.contract.errors import ShipwayError
from shipway.contract.parity import ParitySpec
from shipway.parity.report import Report

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Question", "cache_folder", "compared", "recorded_by"]

# Feast and a service's code import in ten seconds on a slow machine; a store that hangs must not hold anybody up.
TIMEOUT_SECONDS = 300.0


class Question(Spec):
    """What a child process is asked.

    Args:
        model, version: whose predictions; the version as the short digest of its bundle.
        records: a Parquet file of prediction records of that version.
        bundle: the version's bundle, empty when it is not in the store.
        service: a checkout's folder, whose code is asked instead of the bundle's; empty for the bundle's.
        cache: the plan's folder of derived data.
        features: the environment's feature repository.
        recorded: whether the records bring along the offline values.
        spec: what counts as the same.
    """

    model: str
    version: str
    records: str
    bundle: str = ""
    service: str = ""
    cache: str = ""
    features: str = ""
    recorded: bool = False
    spec: ParitySpec = ParitySpec()


def cache_folder(root: Path, package: str) -> Path:
    """Returns the folder of a plan's derived data, the same as training's."""
    return root / ".shipway" / "cache" / "training" / package


def compared(question: Question, records: "pa.Table") -> Report:
    """Returns the comparison of `records`, made in a process of its own.

    Args:
        question: what to compare; its `records` are these.
        records: the predictions.

    Raises:
        ShipwayError: when it cannot be made, with the child's own last words.
    """
    with tempfile.TemporaryDirectory(prefix="shipway-parity-") as scratch:
        out = Path(scratch) / "report.json"
        _run("compare", question, records, Path(scratch), out)
        return parse(Report, read_json(out), out)


def recorded_by(question: Question, records: "pa.Table", path: Path) -> str:
    """Writes `records` with the offline rows they need into `path`, and returns one sentence about it.

    Raises:
        ShipwayError: as `compared`.
    """
    with tempfile.TemporaryDirectory(prefix="shipway-parity-") as scratch:
        return _run("record", question, records, Path(scratch), path.resolve())


def _run(verb: str, question: Question, records: "pa.Table", scratch: Path, out: Path) -> str:
    """Runs `python -m shipway.parity VERB` until it ends, and returns what it printed."""
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]

    given, asked = scratch / "records.parquet", scratch / "question.json"
    pq.write_table(records, given)  # pyright: ignore[reportUnknownMemberType]
    write_atomic(asked, question.model_copy(update={"records": str(given)}).model_dump_json())
    command = [sys.executable, "-m", "shipway.parity", verb, "--question", str(asked), "--out", str(out)]
    about = f"{question.model} {question.version}"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ShipwayError(f"{about}: the comparison took longer than {TIMEOUT_SECONDS:.0f} s") from None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise ShipwayError(f"{about}: cannot be compared: {last[0].removeprefix('error: ')}")
    return done.stdout.strip()
