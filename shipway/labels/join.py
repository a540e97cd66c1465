"""Predictions and their late labels, joined by id whichever comes first, and counted; nothing here reads or waits."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from shipway.labels.recent import Entry, Recent

__all__ = ["CAPACITY_RECORDS", "ROLLOUTS_KEPT", "Counts", "Join", "Label", "Prediction", "Series", "key_of"]

# Of predictions, and of labels, this many at least are remembered, and twice as many at most: 11 MiB in all.
CAPACITY_RECORDS = 80_000

# A model's older rollouts are over: nobody judges them any more.
ROLLOUTS_KEPT = 3


class Prediction(NamedTuple):
    """One prediction of a model itself; `rollout` is 0 when only one slot served."""

    prediction_id: str
    prediction: float
    version: str
    rollout: int


class Label(NamedTuple):
    """The truth about one prediction."""

    prediction_id: str
    label: float


class Series(NamedTuple):
    """Who predicted, and in which rollout of the model."""

    model: str
    version: str
    rollout: int


@dataclass(frozen=True)
class Counts:
    """Labelled predictions of one series."""

    right: int = 0
    wrong: int = 0


class Join:
    """Joins and counts; the counts are the same for any order, batching and repetition of the same records.

    That holds while no more than `capacity_records` predictions of rollouts, and as many labels, lie between a
    prediction and its label. Of two different labels for one prediction the first that is seen counts.

    Args:
        capacity_records: how many predictions, and how many labels, are never forgotten; twice as many at most are
            remembered, of all models together.
    """

    def __init__(self, capacity_records: int = CAPACITY_RECORDS) -> None:
        self._predictions, self._labels = Recent(capacity_records), Recent(capacity_records)
        # A record remembers its series by its place in this list.
        self._series: list[Series] = []
        self._numbers: dict[Series, int] = {}
        self._counts: dict[int, Counts] = {}
        self._kept: dict[str, set[int]] = {}
        self._unusable = 0

    def add_predictions(self, model: str, predictions: Iterable[Prediction], wrong_beyond: float) -> None:
        """Takes predictions of `model`; those outside a rollout are passed over.

        Args:
            model: whose.
            predictions: each may have been taken before.
            wrong_beyond: a prediction is wrong when it is farther from its label than this.
        """
        for one in predictions:
            if one.rollout <= 0:
                continue
            if not math.isfinite(one.prediction):
                self._unusable += 1
                continue
            if not self._keep(model, one.rollout):
                continue
            group, key = self._group(Series(model, one.version, one.rollout)), key_of(model, one.prediction_id)
            if self._predictions.add(key, Entry(group, one.prediction, used=False)):
                waiting = self._labels.get(key)
                if waiting is not None:
                    self._labels.use(key)
                    self._count(key, group, abs(one.prediction - waiting.value) > wrong_beyond)

    def add_labels(self, model: str, labels: Iterable[Label], wrong_beyond: float) -> None:
        """Takes labels of `model`; one whose prediction is not known yet waits for it."""
        for one in labels:
            if not math.isfinite(one.label):
                self._unusable += 1
                continue
            key = key_of(model, one.prediction_id)
            known = self._predictions.get(key)
            if known is None:
                self._labels.add(key, Entry(0, one.label, used=False))
            elif not known.used:
                self._count(key, known.group, abs(known.value - one.label) > wrong_beyond)

    def counts(self) -> Mapping[Series, Counts]:
        """Returns what was counted, of the newest rollouts of each model; 0 of both where no label has come."""
        return {self._series[group]: counts for group, counts in self._counts.items()}

    @property
    def predictions_forgotten(self) -> int:
        """Predictions of rollouts that were dropped before a label came."""
        return self._predictions.forgotten

    @property
    def labels_forgotten(self) -> int:
        """Labels that were dropped before their prediction came: those of predictions outside rollouts all end so."""
        return self._labels.forgotten

    @property
    def unusable(self) -> int:
        """Records without a finite number: they say neither right nor wrong."""
        return self._unusable

    def _keep(self, model: str, rollout: int) -> bool:
        """Returns whether `rollout` is among the newest of `model`; a new one lets go of the oldest."""
        kept = self._kept.setdefault(model, set())
        kept.add(rollout)
        if len(kept) > ROLLOUTS_KEPT:
            oldest = min(kept)
            kept.remove(oldest)
            for group in [group for group in self._counts if self._series[group][::2] == (model, oldest)]:
                del self._counts[group]
        return rollout in kept

    def _group(self, series: Series) -> int:
        if series not in self._numbers:
            self._numbers[series] = len(self._series)
            self._series.append(series)
            self._counts[self._numbers[series]] = Counts()
        return self._numbers[series]

    def _count(self, key: int, group: int, wrong: bool) -> None:
        self._predictions.use(key)
        if group in self._counts:
            before = self._counts[group]
            self._counts[group] = Counts(before.right + (not wrong), before.wrong + wrong)


def key_of(model: str, prediction_id: str) -> int:
    """Returns 64 bits that stand for a prediction: two of a million share them once in forty million times."""
    digest = hashlib.blake2b(f"{model}\0{prediction_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1
