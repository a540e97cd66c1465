"""One round over what is newly logged: sample it, wait for the offline store, compare what is due."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa

from shipway.contract.errors import ShipwayError
from shipway.contract.model import ModelSpec
from shipway.contract.parity import ParityOutcome
from shipway.parity.found import Found, FoundModel
from shipway.parity.journal import WORST_FILE, keep_worst
from shipway.parity.report import FeatureParity, Report
from shipway.parity.running import Question
from shipway.parity.sampling import by_version
from shipway.parity.stacks import Stack
from shipway.parity.waiting import WAITING_FILE, Counted, Waiting

__all__ = ["look"]

Compare = Callable[[Question, pa.Table], Report]

# A comparison of so many takes a second beyond the ten that the imports take.
_MOST_ROWS = 500
# A version that could not be compared so often is given up: its rows count as unknown, and the next ones come.
_MOST_TRIES = 3


def look(stack: Stack, compare: Compare, say: Callable[[str], None], now_seconds: float) -> Found:
    """Returns what was found about every model; goes on where the last round was, also after a restart.

    Args:
        stack: the models.
        compare: makes a report, in a process of its own.
        say: called with one sentence for each thing that goes wrong.
        now_seconds: since the epoch.

    Raises:
        ShipwayError, OSError: when it cannot be told which models there are.
    """
    return Found(models=tuple(_Look(stack, compare, say, now_seconds).at(model) for model in stack.models()))


class _Look:
    def __init__(self, stack: Stack, compare: Compare, say: Callable[[str], None], now_seconds: float) -> None:
        self._stack, self._compare, self._say, self._now = stack, compare, say, now_seconds
        self._failures = 0

    def at(self, model: str) -> FoundModel:
        waiting, names = None, tuple[str, ...]()
        try:
            spec = self._stack.spec(model)
            if not spec.parity.enabled:
                return FoundModel(model=model, rows={}, failures=0, waiting=0, dropped=0)
            names = _names(spec)
            waiting = Waiting(self._stack.kept(model, WAITING_FILE), self._stack.source(model))
            waiting.take(spec.parity.sample_ratio)
            self._compare_due(spec, waiting)
        except (ShipwayError, OSError, ValueError) as error:
            self._failed(str(error))
        if waiting is None:
            return FoundModel(model=model, rows={}, failures=self._failures, waiting=0, dropped=0)
        none = {name: dict.fromkeys(ParityOutcome, 0) for name in names}
        return FoundModel(
            model=model,
            rows=none | {name: dict(ended) for name, ended in waiting.counted.items()},
            failures=self._failures,
            waiting=waiting.records.num_rows,
            dropped=waiting.dropped,
        )

    def _compare_due(self, spec: ModelSpec, waiting: Waiting) -> None:
        # Without features there is nothing to wait for.
        delay_seconds = spec.parity.offline_delay_seconds if spec.features.reads else 0.0
        for version, records in by_version(waiting.due(self._now, delay_seconds, _MOST_ROWS)).items():
            try:
                report = self._compare(self._stack.question(spec, version), records)
            except ShipwayError as error:
                self._failed(str(error))
                if waiting.tried(version) < _MOST_TRIES:
                    continue
                said = f"{spec.name} {version}: given up after {_MOST_TRIES} tries, "
                self._say(f"{said}{records.num_rows} predictions stay unknown")
                waiting.settle(version, records, _unknown(spec, records.num_rows))
            else:
                self._tell(report)
                # After the worst rows: told again they are the same, and counted again they would not be.
                waiting.settle(version, records, {one.name: one.outcomes for one in _parts(report)})

    def _tell(self, report: Report) -> None:
        for one in report.skewed:
            cause = f", likely cause {one.causes[0].name}: {one.causes[0].sentence}" if one.causes else ""
            self._say(f"{report.model} {report.version}: {one.name}: {one.skewed_ratio:.1%} skewed{cause}")
        stamp = datetime.fromtimestamp(self._now, UTC).isoformat(timespec="seconds")
        keep_worst(self._stack.kept(report.model, WORST_FILE), [report], stamp)

    def _failed(self, sentence: str) -> None:
        self._failures += 1
        self._say(sentence)


def _parts(report: Report) -> tuple[FeatureParity, ...]:
    return (*report.features, *report.predictions)


def _unknown(spec: ModelSpec, rows: int) -> Counted:
    return {name: {ParityOutcome.UNKNOWN: rows} for name in _names(spec)}


def _names(spec: ModelSpec) -> tuple[str, ...]:
    """Returns what rows of a model are counted by."""
    reads = tuple(read.name for read in spec.features.reads)
    return (*reads, "prediction:served", "prediction:offline") if reads else ("prediction:served",)
