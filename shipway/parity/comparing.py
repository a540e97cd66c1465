"""One version's logged predictions against its own training side, in a process that imports its code and Feast.

`python -m shipway.parity compare --question question.json --out report.json`. One process holds one version of a
service's code, and Feast costs seconds and 150 MB, so it runs as a child and ends.
"""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from shipway.contract.parity import ParityOutcome
from shipway.contract.serving import FeatureRead
from shipway.parity import causes
from shipway.parity.decoding import decode
from shipway.parity.offline import Offline, ask
from shipway.parity.outcomes import (
    Compared,
    Flags,
    Numbers,
    Outcomes,
    Side,
    compare,
    counts,
    is_mistimed,
    skewed_ratio,
    was_right,
)
from shipway.parity.recorded import restore_offline
from shipway.parity.report import CauseFound, FeatureParity, Report, Worst
from shipway.parity.running import Question
from shipway.parity.versions import environment_of, load_version
from shipway.training.champion import fill_defaults

__all__ = ["answer"]

_WORST = 10


def answer(question: Question) -> Report:
    """Returns what the comparison found.

    Raises:
        ShipwayError: when the version's code, its bundle or the offline store cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="shipway-parity-") as scratch:
        return _Comparison(question, Path(scratch)).report()


class _Comparison:
    def __init__(self, question: Question, scratch: Path) -> None:
        self._question, self._scratch = question, scratch
        self._version = load_version(question)
        self._reads = self._version.reads
        self._records: pa.Table = pq.read_table(question.records)
        self._logged = decode(self._records, [read.name for read in self._reads])

    def report(self) -> Report:
        logged, reads = self._logged, self._reads
        offline, where = dict[str, Offline](), "reads no features: compares predictions only"
        if reads:
            folder = self._offline()
            offline = ask(folder, reads, logged)
            where = "the recorded sample" if self._question.recorded else str(folder)
        features = [self._feature(read, offline[read.name]) for read in reads]
        predictions, notes = self._predictions(offline)
        times = sorted(logged.event_seconds.tolist())
        return Report(
            model=self._question.model,
            version=self._question.version,
            rows=len(logged.ids),
            first=_time(times[0]),
            last=_time(times[-1]),
            offline=where,
            features=tuple(features),
            predictions=tuple(predictions),
            notes=tuple(notes),
        )

    def _offline(self) -> Path:
        if self._question.recorded:
            return restore_offline(self._records, self._version.objects(), self._scratch / "offline")
        return self._version.offline(Path(self._question.cache), environment_of(self._question))

    def _feature(self, read: FeatureRead, offline: Offline) -> FeatureParity:
        served = self._logged.features[read.name]
        compared = Compared(
            feature=read.name,
            default=read.default,
            event_seconds=self._logged.event_seconds,
            served=served.side,
            offline=offline.side,
            outcomes=compare(
                served.side,
                offline.side,
                late=self._late(read.name, offline),
                mistimed=is_mistimed(served.side, offline.side, offline.history, self._question.spec),
                stale=served.stale,
                unavailable=served.unavailable,
                unknown=offline.unknown,
                spec=self._question.spec,
            ),
            spec=self._question.spec,
            history=offline.history,
        )
        return self._parity(read.name, compared, [CauseFound(**asdict(one)) for one in causes.diagnose(compared)])

    def _late(self, name: str, offline: Offline) -> Flags:
        spec = self._question.spec
        return was_right(self._logged.features[name].side, offline.history, self._logged.event_seconds, spec)

    def _parity(self, name: str, compared: Compared, found: list[CauseFound]) -> FeatureParity:
        counted = counts(compared.outcomes)
        ratio = skewed_ratio(counted)
        skewed = ratio is not None and ratio > self._question.max_skewed_ratio
        return FeatureParity(
            name=name,
            outcomes=counted,
            skewed_ratio=ratio,
            skewed=skewed,
            causes=tuple(found),
            worst=tuple(self._worst(compared)),
        )

    def _worst(self, compared: Compared) -> list[Worst]:
        apart = np.abs(compared.served.values - compared.offline.values)
        # A value that one side lacks is worse than any difference.
        apart[np.isnan(apart)] = np.inf
        rows = np.flatnonzero(compared.skewed)
        rows = rows[np.argsort(-apart[rows], kind="stable")][:_WORST]
        return [
            Worst(
                prediction_id=self._logged.ids[row],
                event_time=_time(float(self._logged.event_seconds[row])),
                keys=str(self._records.column("entities")[row].as_py()),
                outcome=ParityOutcome(str(compared.outcomes[row])),
                served=_number(float(compared.served.values[row])),
                offline=_number(float(compared.offline.values[row])),
                served_at=_time(float(compared.served.seconds[row])),
                offline_at=_time(float(compared.offline.seconds[row])),
            )
            for row in map(int, rows)
        ]

    def _predictions(self, offline: dict[str, Offline]) -> tuple[list[FeatureParity], list[str]]:
        if not self._version.model:
            version = self._question.version
            return [], [f"the bundle of {version} is not in the store: predictions were not compared"]
        logged = self._logged
        notes: list[str] = []
        if logged.hashed_fields.any():
            notes.append(f"{int(logged.hashed_fields.sum())} predictions have personal fields, which the log hashes")
        if others := int((~logged.by_model).sum()):
            notes.append(f"{others} predictions were answered by a fallback, not by the model")
        able = logged.by_model & logged.complete & ~logged.hashed_fields
        shown = {name: served.shown for name, served in logged.features.items()}
        ways = [("prediction:served", self._answers(shown, able))]
        if self._reads:
            known = able & ~np.any([one.unknown for one in offline.values()], axis=0)
            values = {
                name: np.where(self._late(name, one), logged.features[name].side.values, one.side.values)
                for name, one in offline.items()
            }
            ways.append(("prediction:offline", self._answers(values, known)))
        return [self._parity(name, self._compared(name, values), []) for name, values in ways], notes

    def _answers(self, features: dict[str, Numbers], rows: Flags) -> Numbers:
        """Returns what the version's own model says of some rows, NaN for the others."""
        found = np.full(len(rows), np.nan)
        if rows.any():
            given = self._logged.fields.join(pd.DataFrame(features, index=self._logged.fields.index))[rows]
            found[rows] = self._version.predict(fill_defaults(given, self._reads))
        return found

    def _compared(self, name: str, recomputed: Numbers) -> Compared:
        logged, none = self._logged, np.full(len(recomputed), np.nan)
        served, other = Side(logged.predictions, none), Side(recomputed, none)
        no = np.zeros(len(recomputed), dtype=bool)
        outcomes: Outcomes = compare(
            served,
            other,
            late=no,
            mistimed=no,
            stale=no,
            unavailable=no,
            unknown=np.isnan(recomputed),
            spec=self._question.spec,
        )
        return Compared(name, 0.0, logged.event_seconds, served, other, outcomes, self._question.spec)


def _time(seconds: float) -> str:
    return "" if np.isnan(seconds) else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
