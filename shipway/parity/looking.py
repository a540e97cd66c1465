"""One round over what is newly logged: sample it, wait for the offline store, compare what is due."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout, services
from shipway.contract.model import ModelSpec, load_model
from shipway.contract.parity import ParityOutcome
from shipway.logs.sources import LocalSource
from shipway.parity.found import Found, FoundModel
from shipway.parity.journal import keep_worst
from shipway.parity.report import Report
from shipway.parity.running import Question, question_of
from shipway.parity.sampling import by_version, find_bundle
from shipway.parity.waiting import Waiting

__all__ = ["look"]

Compare = Callable[[Question, pa.Table], Report]

# A comparison of so many takes a second beyond the ten that the imports take.
_MOST_ROWS = 500
# A version that could not be compared so often is given up: its rows count as unknown, and the next ones come.
_MOST_TRIES = 3


def look(layout: LocalLayout, compare: Compare, say: Callable[[str], None], now_seconds: float) -> Found:
    """Returns what was found about every model; goes on where the last round was, also after a restart.

    Args:
        layout: the stack.
        compare: makes a report, in a process of its own.
        say: called with one sentence for each thing that goes wrong.
        now_seconds: since the epoch.
    """
    return Found(models=tuple(_Look(layout, compare, say, now_seconds).at(one) for one in services(layout.root)))


class _Look:
    def __init__(self, layout: LocalLayout, compare: Compare, say: Callable[[str], None], now_seconds: float) -> None:
        self._layout, self._compare, self._say, self._now = layout, compare, say, now_seconds
        self._rows: dict[str, dict[ParityOutcome, int]] = {}
        self._failures = 0

    def at(self, service: Path) -> FoundModel:
        model = service.name.replace("_", "-")
        waiting: Waiting | None = None
        try:
            spec = load_model(service / "model.yaml")
            for name in _names(spec):
                self._rows[name] = dict.fromkeys(ParityOutcome, 0)
            waiting = self._waiting(model)
            waiting.take(spec.parity.sample_ratio)
            self._compare_due(spec, waiting)
        except (ShipwayError, OSError, ValueError) as error:
            self._failed(str(error))
        return FoundModel(
            model=model,
            rows=self._rows,
            failures=self._failures,
            waiting=waiting.records.num_rows if waiting else 0,
            dropped=waiting.dropped if waiting else 0,
        )

    def _compare_due(self, spec: ModelSpec, waiting: Waiting) -> None:
        # Without features there is nothing to wait for.
        delay_seconds = spec.parity.offline_delay_seconds if spec.features.reads else 0.0
        for version, records in by_version(waiting.due(self._now, delay_seconds, _MOST_ROWS)).items():
            try:
                report = self._compare(self._question(spec, version), records)
            except ShipwayError as error:
                self._failed(str(error))
                if waiting.tried(version) < _MOST_TRIES:
                    continue
                self._give_up(spec, version, records.num_rows)
            else:
                self._count(report)
            waiting.settle(version, records)

    def _waiting(self, model: str) -> Waiting:
        source = LocalSource(self._layout.predictions / model, self._say, lambda: int(self._now * 1e9))
        return Waiting(self._layout.parity / model / "waiting.parquet", source)

    def _question(self, spec: ModelSpec, version: str) -> Question:
        bundle = find_bundle(self._layout.artifacts, version)
        if bundle is None:
            raise ShipwayError(f"{spec.name} {version}: no bundle in {self._layout.artifacts}, expected what answered")
        return question_of(self._layout, spec, version, bundle)

    def _count(self, report: Report) -> None:
        for one in (*report.features, *report.predictions):
            mine = self._rows.setdefault(one.name, dict.fromkeys(ParityOutcome, 0))
            for outcome, count in one.outcomes.items():
                mine[outcome] += count
        for one in report.skewed:
            cause = f", likely cause {one.causes[0].name}: {one.causes[0].sentence}" if one.causes else ""
            self._say(f"{report.model} {report.version}: {one.name}: {one.skewed_ratio:.1%} skewed{cause}")
        stamp = datetime.fromtimestamp(self._now, UTC).isoformat(timespec="seconds")
        keep_worst(self._layout.parity / report.model / "worst.jsonl", [report], stamp)

    def _give_up(self, spec: ModelSpec, version: str, rows: int) -> None:
        self._say(f"{spec.name} {version}: given up after {_MOST_TRIES} tries, {rows} predictions stay unknown")
        for name in _names(spec):
            self._rows[name][ParityOutcome.UNKNOWN] += rows

    def _failed(self, sentence: str) -> None:
        self._failures += 1
        self._say(sentence)


def _names(spec: ModelSpec) -> tuple[str, ...]:
    """Returns what rows of a model are counted by."""
    reads = tuple(read.name for read in spec.features.reads)
    return (*reads, "prediction:served", "prediction:offline") if reads else ("prediction:served",)
