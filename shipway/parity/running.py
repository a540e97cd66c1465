"""Asking for a comparison: one child process for each version, which ends and gives its memory back."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from shipway.contract.documents import Spec, parse, read_json, write_atomic
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.contract.model import ModelSpec
from shipway.contract.parity import ParitySpec
from shipway.parity.report import Report

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["UNANSWERED", "Question", "Unanswered", "asked_of", "compared", "question_of", "recorded_by"]

# What a child ends with where something did not answer: EX_TEMPFAIL of sysexits.h.
UNANSWERED = 75

# Feast and a service's code import in ten seconds on a slow machine; a store that hangs must not hold anybody up.
TIMEOUT_SECONDS = 300.0


class Unanswered(OSError):
    """What a version is compared with cannot be had now: no fault of the version, and asked for again."""


class Question(Spec):
    """What a child process is asked.

    Args:
        model, version: whose predictions; the version as the short digest of its bundle.
        records: a Parquet file of prediction records of that version.
        bundle: the version's bundle, empty when it is not in the store.
        service: a checkout's folder, whose code is asked instead of the bundle's; empty for the bundle's.
        cache: the plan's folder of derived data.
        features: the environment's feature repository: its folder, or `s3://...`, below which the files of views lie.
        features_endpoint_url: of an object store that is not AWS's; by default what the environment's variables say.
        recorded: whether the records bring along the offline values.
        spec: what counts as the same.
        max_skewed_ratio: the share of the compared values of a feature that may differ.
    """

    model: str
    version: str
    records: str
    bundle: str = ""
    service: str = ""
    cache: str = ""
    features: str = ""
    features_endpoint_url: str | None = None
    recorded: bool = False
    spec: ParitySpec = ParitySpec()
    max_skewed_ratio: Annotated[float, Field(ge=0, le=1)] = 0.0


def asked_of(spec: ModelSpec, version: str) -> Question:
    """Returns what is asked about a version wherever it runs; neither its bundle nor its records are known yet.

    Args:
        spec: the model as model.yaml says now: a changed tolerance holds for what was served before.
        version: the short digest.
    """
    return Question(
        model=spec.name,
        version=version,
        records="",
        spec=spec.parity,
        # Where nobody is to be told, whoever asks still is.
        max_skewed_ratio=spec.alerts.parity_difference_ratio or 0.0,
    )


def question_of(layout: LocalLayout, spec: ModelSpec, version: str, bundle: Path | None) -> Question:
    """Returns the question about a version of a local stack; its records are not known yet.

    Args:
        layout: the stack.
        spec, version: see `asked_of`.
        bundle: the version's, None when it is not there.
    """
    return asked_of(spec, version).model_copy(
        update={
            "bundle": str(bundle or ""),
            "cache": str(layout.root / ".shipway" / "cache" / "training" / spec.package),
            "features": str(layout.features),
        }
    )


def compared(question: Question, records: "pa.Table") -> Report:
    """Returns the comparison of `records`, made in a process of its own.

    Args:
        question: what to compare; its `records` are these.
        records: the predictions.

    Raises:
        ShipwayError: when it cannot be made, with the child's own last words.
        Unanswered: when what it is made with cannot be had now.
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
    import pyarrow.parquet as pq

    given, asked = scratch / "records.parquet", scratch / "question.json"
    pq.write_table(records, given)
    write_atomic(asked, question.model_copy(update={"records": str(given)}).model_dump_json())
    command = [sys.executable, "-m", "shipway.parity", verb, "--question", str(asked), "--out", str(out)]
    about = f"{question.model} {question.version}"
    # What is killed removes nothing: all its temporary files lie in `scratch`.
    env = os.environ | {"TMPDIR": str(scratch)}
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ShipwayError(f"{about}: the comparison took longer than {TIMEOUT_SECONDS:.0f} s") from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith(" ")]
        last = said[-1:] or [f"exit code {done.returncode}"]
        words = f"{about}: cannot be compared: {last[0].removeprefix('error: ')}"
        raise Unanswered(0, words) if done.returncode == UNANSWERED else ShipwayError(words)
    return done.stdout.strip()
