"""How one retraining ended: one document, written whole as the last thing that a run does."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field

from shipway.contract.documents import Spec, parse, read_json, write_atomic
from shipway.contract.layout import LocalLayout

__all__ = ["RUN_FORMAT", "Outcome", "Status", "load_outcome", "one_line", "outcome_path", "save_outcome"]

# A run's number is its time, in UTC, so that later ones sort after earlier ones.
RUN_FORMAT = "%Y%m%dT%H%M%S%fZ"


class Status(StrEnum):
    """What became of it; in all but the last two the run did what it was asked."""

    RELEASED = "released"
    PROPOSED = "proposed"
    UNCHANGED = "unchanged"
    REHEARSED = "rehearsed"
    REFUSED = "refused"
    FAILED = "failed"


class Outcome(Spec):
    """One finished retraining.

    Args:
        run: its number among the model's.
        model, environment: whose.
        status: what became of it.
        reason: why it was started.
        as_of: the newest moment that it knew of, ISO 8601.
        started, finished: on the wall clock, ISO 8601.
        sentence: what a person reads first: of a failure, why the old model stays.
        digest, version: what was registered, empty for nothing.
        champion: the digest that was live when it began, empty for none.
        metrics: of the new version on its validation rows.
        findings: what every comparison said.
        next: the command that goes on from here, empty where nothing is left to do.
        branch: that proposes it, empty where none does.
    """

    run: str
    model: str
    environment: str
    status: Status
    reason: str
    as_of: str
    started: str
    finished: str
    sentence: str
    digest: str = ""
    version: str = ""
    champion: str = ""
    metrics: dict[str, float] = Field(default_factory=dict[str, float])
    findings: tuple[str, ...] = ()
    next: str = ""
    branch: str = ""

    @property
    def failed(self) -> bool:
        """Whether the old model stays although a new one was wanted."""
        return self.status in (Status.REFUSED, Status.FAILED)


def outcome_path(layout: LocalLayout, model: str, run: str) -> Path:
    """Returns the file in which a run's outcome is, once there is one."""
    return layout.retraining / model / "runs" / f"{run}.json"


def save_outcome(path: Path, outcome: Outcome) -> None:
    """Writes `outcome` to `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, outcome.model_dump_json(indent=1) + "\n")


def load_outcome(path: Path) -> Outcome | None:
    """Returns the outcome in `path`, None while there is none.

    Raises:
        SpecError: when the file is something else.
    """
    return parse(Outcome, read_json(path), path) if path.exists() else None


def one_line(problem: str) -> str:
    """Returns a sentence of several lines as one.

    >>> one_line("it is refused\\n  auc is low\\n  loss is high")
    'it is refused: auc is low; loss is high'
    """
    first, *rest = [line.strip() for line in problem.splitlines() if line.strip()] or ["no reason given"]
    return f"{first}: {'; '.join(rest)}" if rest else first
