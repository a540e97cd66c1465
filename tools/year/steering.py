"""The year itself: the replay in a process of its own, event time standing still while a model is trained."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from tools.year.checkout import MODEL, SERVICE
from tools.year.journal import Clock

__all__ = ["Drive", "drive"]

_LOOK_SECONDS = 0.5
_SAY_SECONDS = 10.0


@dataclass(frozen=True)
class Drive:
    """What is replayed.

    Args:
        layout: the stack of the year.
        variables: of a shell that sourced its environment.
        start, until: event time, dates in UTC.
        share: of the flights.
        rate: requests a second.
        clock: takes event time as it goes.
        say: called with one line every ten seconds.
    """

    layout: LocalLayout
    variables: Mapping[str, str]
    start: str
    until: str
    share: float
    rate: float
    clock: Clock
    say: Callable[[str], None]

    @property
    def folder(self) -> Path:
        """Where the replay and this process meet."""
        return self.layout.root / ".shipway" / "year"


def drive(job: Drive) -> dict[str, Any]:
    """Returns what the replay counted.

    A training takes a minute of the wall and, in the real year, would have taken a minute of the flights: event time
    therefore stands still from the moment a run is decided on until its outcome is there. A rollout needs traffic, so
    it goes on then.

    Raises:
        ShipwayError: when the replay ended otherwise than by its end.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    hold, state = job.folder / "hold", job.folder / "state.json"
    hold.unlink(missing_ok=True)
    state.unlink(missing_ok=True)
    python = str(job.layout.root / ".shipway" / "venv" / "bin" / "python")
    command = [python, "-m", "shipway.traffic", "--root", str(job.layout.root), "--service", SERVICE]
    command += ["--start", job.start, "--until", job.until, "--share", str(job.share), "--rate", str(job.rate)]
    command += ["--hold", str(hold), "--state", str(state)]
    log = job.folder / "replay.log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command,
            cwd=job.layout.root,
            env=dict(job.variables),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            _attend(job, process, hold, state)
            printed = process.communicate()[0]
        finally:
            # Also what it started to publish with, which would wait for it for ever.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            hold.unlink(missing_ok=True)
            job.clock.save(job.folder / "clock.jsonl")
    if not printed.strip():
        last = (log.read_text(encoding="utf-8").strip().splitlines() or ["it said nothing"])[-1]
        raise ShipwayError(f"the replay ended with status {process.returncode}: {last}")
    return dict(json.loads(printed.strip().splitlines()[-1]))


def _attend(job: Drive, process: "subprocess.Popen[str]", hold: Path, state: Path) -> None:
    said = 0.0
    while process.poll() is None:
        training = _training(job.layout)
        if training:
            hold.touch()
        else:
            hold.unlink(missing_ok=True)
        known: dict[str, Any] = json.loads(state.read_text(encoding="utf-8")) if state.exists() else {}
        if known.get("now"):
            now = str(known["now"])
            job.clock.note(time.time(), datetime.fromisoformat(now))
            if time.monotonic() - said > _SAY_SECONDS:
                said = time.monotonic()
                standing = f"; event time stands still: {training}" if training else ""
                job.say(f"{now[:16]}, {known['ok']} answered, {known['failed']} failed{standing}")
        time.sleep(_LOOK_SECONDS)


def _training(layout: LocalLayout) -> str:
    """Returns why a model is trained now, empty while none is."""
    path = layout.retraining / MODEL / "schedule.json"
    planned = json.loads(path.read_text(encoding="utf-8"))["planned"] if path.exists() else None
    return str(planned["reason"]) if planned else ""
