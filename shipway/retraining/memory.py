"""What the scheduler of one model remembers: a killed one neither repeats a run nor loses it."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shipway.contract.documents import Spec, parse, read_json, write_atomic
from shipway.contract.layout import LocalLayout

__all__ = ["Memory", "Place", "Planned", "load_memory", "memory_path", "save_memory"]

Count = Annotated[int, Field(ge=0)]


class Place(Spec):
    """How far verdicts were read.

    Args:
        inode, offset: of a file: which one it was, and to which byte.
        line: of an object, which is written anew each time: the sha256 of the last line.
    """

    inode: Count = 0
    offset: Count = 0
    line: str = ""


class Planned(Spec):
    """A run that was decided on: it is under way, or about to be.

    Args:
        run: its number.
        reason: why.
        started_seconds: when it was decided on, since the epoch.
        starts: how often it was started; one that ends without an outcome is started again, a few times.
    """

    run: str
    reason: str
    started_seconds: float
    starts: Count = 0


class Memory(Spec):
    """All that is known between two rounds; written before a run is started, and after its outcome was taken.

    Args:
        begun_seconds: when this model was seen first; a schedule counts from there. 0 for not yet.
        drift, quality: how far the verdicts were read.
        pending: why a run is wanted, by a verdict; empty for none.
        pending_until: the end of that verdict's window, ISO 8601: a version that knows of it has answered it.
        planned: the run that is under way.
        last_started_seconds, last_ended_seconds, last_success_seconds: since the epoch, 0 for never.
        last_as_of: the newest moment that the last successful run knew of, ISO 8601; empty for none.
        failures: in a row.
        cause: why the failed run was started: what a retry repeats.
        problem: why the last one failed, empty when it did not.
        not_before_seconds: when the next try may start.
        taken: the runs whose outcome was taken, of those that are kept.
    """

    begun_seconds: float = 0
    drift: Place = Place()
    quality: Place = Place()
    pending: str = ""
    pending_until: str = ""
    planned: Planned | None = None
    last_started_seconds: float = 0
    last_ended_seconds: float = 0
    last_success_seconds: float = 0
    last_as_of: str = ""
    failures: Count = 0
    cause: str = ""
    problem: str = ""
    not_before_seconds: float = 0
    taken: tuple[str, ...] = ()


def memory_path(layout: LocalLayout, model: str) -> Path:
    """Returns the file that holds what is remembered of `model`."""
    return layout.retraining / model / "schedule.json"


def load_memory(path: Path) -> Memory:
    """Returns what is remembered, nothing at first.

    Raises:
        SpecError: when the file is damaged: a guess could repeat a run.
    """
    return parse(Memory, read_json(path), path) if path.exists() else Memory()


def save_memory(path: Path, memory: Memory) -> None:
    """Writes `memory`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, memory.model_dump_json(indent=1) + "\n")
