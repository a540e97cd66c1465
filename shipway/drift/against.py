"""What the windows of one version are compared with: the reference of all rows, or of the rows of one segment."""

import dataclasses
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import special  # pyright: ignore[reportMissingTypeStubs] - scipy brings none

from shipway.contract.drift import ALL_ROWS, LABEL, PREDICTION, RELATION, DriftSpec
from shipway.drift.bins import Bins, FieldBins
from shipway.drift.calibration import Calibration
from shipway.drift.judge import Judgement, Window, deciding, judge
from shipway.drift.persistence import History
from shipway.drift.reference import Reference
from shipway.drift.relation import relation
from shipway.drift.result import DriftResult, Status
from shipway.drift.tally import Vector, Watch

__all__ = ["LABEL_REST", "LABEL_SHIFT", "Against", "Shape"]

# The statistics of labels within bins of predictions.
LABEL_SHIFT, LABEL_REST = "label_shift", "label_rest"


@dataclass(frozen=True)
class Shape:
    """What a person wants to know of a field's values in a window.

    Args:
        mean: of the numbers; None for categories and without numbers. Of the relation: by how many bins labels lie
            higher than after the same predictions in the reference.
        reference_mean: the same of the reference; None where unknown, and of the relation.
        reference_deviation: of all rows of the reference, whatever the segment; None where unknown.
        null_ratio, reference_null_ratio: shares of nulls.
        mover: the category whose share changed most; None for numbers.
        mover_ratio, reference_mover_ratio: its shares.
    """

    mean: float | None
    reference_mean: float | None
    reference_deviation: float | None
    null_ratio: float
    reference_null_ratio: float
    mover: str | None
    mover_ratio: float
    reference_mover_ratio: float


@dataclass(frozen=True, eq=False)
class Against:
    """The references of one version and segment.

    Args:
        watch: what is counted of the version.
        segment: empty for all rows.
        inputs: the reference of inputs and predictions.
        labels: that of the labels, None where none are known.
        pairs: reference labels by bin of the prediction and of the label.
    """

    watch: Watch
    segment: str
    inputs: Reference
    labels: Reference | None
    pairs: NDArray[np.int64]

    @classmethod
    def of(cls, watch: Watch, segment: str) -> Self:
        """Returns the references of `segment`, of all rows where it is empty.

        How far days differ is known of all rows only; a segment has fewer rows a day, and what they have in common
        counts for fewer, so that its design effect is at most theirs, which is taken.
        """
        known = watch.reference
        whole = Reference.of(watch.inputs, days=np.array(known.days) if known.days else None)
        if watch.labels is None or known.labels is None:
            labels, pairs = None, np.zeros((0, 0), dtype=np.int64)
        else:
            bins, days = Bins([watch.labels]), known.labels.days
            labels = Reference.of(bins, days=np.array(days) if days else None)
            pairs = np.array(known.labels.relation)
        if segment == ALL_ROWS:
            return cls(watch, segment, whole, labels, pairs)
        part = known.segments[segment]
        inputs = Reference.of(watch.inputs, counts=np.array(part.counts))
        if labels is not None and watch.labels is not None:
            own = Reference.of(Bins([watch.labels]), counts=np.array(part.labels))
            labels, pairs = dataclasses.replace(own, effect=labels.effect), np.array(part.relation)
        return cls(watch, segment, dataclasses.replace(inputs, effect=whole.effect), labels, pairs)

    def judge_inputs(
        self, total: Vector, blocks: list[Vector], spec: DriftSpec, history: History, calibration: Calibration
    ) -> Judgement:
        """Returns what a window says of inputs and predictions.

        Args:
            total: what was counted in the window.
            blocks: the same by day, or of a day by hour.
            spec: model.yaml's `drift`.
            history: of the windows before.
            calibration: one for a process.
        """
        parts = np.array([self.watch.counts(one) for one in blocks]) if blocks else None
        window = Window(self.watch.counts(total), self.watch.excess(total), parts)
        return judge(self.inputs, window, spec, history, calibration)

    def judge_labels(
        self, total: Vector, blocks: list[Vector], spec: DriftSpec, history: History, calibration: Calibration
    ) -> Judgement:
        """Returns what a window says of labels, and of labels where predictions were the same; see `judge_inputs`."""
        if self.labels is None:
            return Judgement([], history)
        parts = np.array([self.watch.label_counts(one) for one in blocks]) if blocks else None
        window = Window(self.watch.label_counts(total), blocks=parts)
        judged = judge(self.labels, window, spec, history, calibration)
        effect = 1.0 if self.labels.effect is None else float(self.labels.effect[0])
        told = self._relation(total, (effect, self._rest_effect(total, blocks)), spec, judged)
        return Judgement([*judged.results, told[0]], told[1])

    def _rest_effect(self, total: Vector, blocks: list[Vector]) -> float:
        """Returns how much more than by chance the blocks of a window differ from the rest of it, at least 1.

        Chi-squared over its degrees of freedom, the shift that all bins share left out: the days of one airport or
        carrier are good or bad together, and so are labels after the same predictions. The overdispersion of
        McCullagh & Nelder, Generalized Linear Models, 2nd edition, 4.5.
        """
        whole = self.watch.relation(total)
        found = [relation(whole - one, one) for one in map(self.watch.relation, blocks)]
        degrees = sum(one.rest_degrees for one in found)
        return max(1.0, sum(one.rest for one in found) / degrees) if degrees else 1.0

    def _relation(
        self, total: Vector, effects: tuple[float, float], spec: DriftSpec, judged: Judgement
    ) -> tuple[DriftResult, History]:
        """Returns the result about labels within bins of predictions, and the history with it.

        Of the two questions (see `drift.relation`) the clearer decides. `label_shift` is by how many bins labels lie
        higher or lower, its interval that of two standard errors; `label_rest` is chi-squared over its degrees of
        freedom: 1 is what chance does on average.
        """
        (label,) = deciding(judged.results)
        n, m = label.n_reference, label.n_current
        found = relation(self.pairs, self.watch.relation(total), *effects)
        if label.status in (Status.SILENT, Status.TOO_FEW) or found.p_value is None:
            unknown = Status.SILENT if label.status is Status.SILENT else Status.TOO_FEW
            left_out = DriftResult(RELATION, LABEL_SHIFT, None, None, None, "bins", None, None, False, unknown, n, m)
            return left_out, judged.history
        # Either of two may decide, so each has half of the level.
        level = spec.false_discovery_ratio / 2
        drifted = found.p_value <= spec.false_discovery_ratio
        history = judged.history.heard({RELATION: drifted}, spec.persistence_windows)
        status = Status.DRIFTED if history.persists(RELATION, spec.persistence_found) else Status.STABLE
        shift, error = abs(found.shift), found.shift_error
        limit = error * float(special.chdtri(1, level)) ** 0.5
        result = DriftResult(
            feature=RELATION,
            statistic=LABEL_SHIFT,
            score=shift,
            low=max(0.0, shift - 2 * error),
            high=shift + 2 * error,
            unit="bins",
            threshold=limit,
            p_value=found.p_value,
            found=drifted,
            status=status,
            n_reference=n,
            n_current=m,
        )
        if found.rest_degrees:
            rest = found.rest / found.rest_degrees
            most = float(special.chdtri(found.rest_degrees, level)) / found.rest_degrees
            if rest / most > shift / limit:
                result = dataclasses.replace(
                    result, statistic=LABEL_REST, score=rest, low=rest, high=rest, unit="1", threshold=most
                )
        return result, history

    def shapes(self, total: Vector) -> dict[str, Shape]:
        """Returns field -> what a person wants to know of its values; fields without rows are left out."""
        found: dict[str, Shape] = {}
        ours, theirs = (self.watch.inputs.split(counts) for counts in (self.watch.counts(total), self.reference_counts))
        sums = self.watch.sums(total).tolist()
        for one, sum_of, mean in zip(self.watch.inputs.fields, sums, self._means(), strict=True):
            if ours[one.name].sum() and theirs[one.name].sum():
                found[one.name or PREDICTION] = _shape(one, ours[one.name], theirs[one.name], (sum_of, mean))
        if self.watch.labels is not None and (counts := self.watch.label_counts(total)).sum():
            expected = self.pairs.sum(axis=0)
            mean = self.watch.labels.mean
            if self.segment != ALL_ROWS:
                mean = _number(self.watch.reference.segments[self.segment].label_mean)
            found[LABEL] = _shape(self.watch.labels, counts, expected, (self.watch.label_sum(total), mean))
            shift = relation(self.pairs, self.watch.relation(total)).shift
            found[RELATION] = Shape(shift, None, None, 0.0, 0.0, None, 0.0, 0.0)
        return found

    def _means(self) -> list[float]:
        """Returns the reference's means of inputs and predictions, NaN where there is none."""
        if self.segment == ALL_ROWS:
            return [one.mean for one in self.watch.inputs.fields]
        return [_number(mean) for mean in self.watch.reference.segments[self.segment].means]

    @property
    def reference_counts(self) -> NDArray[np.int64]:
        """The reference's counts of inputs and predictions, (`Bins.size`,)."""
        if self.segment == ALL_ROWS:
            return self.watch.inputs.expected
        return np.array(self.watch.reference.segments[self.segment].counts)


def _number(mean: float | None) -> float:
    return float("nan") if mean is None else mean


def _shape(
    field: FieldBins, ours: NDArray[np.int64], theirs: NDArray[np.int64], sum_and_mean: tuple[float, float]
) -> Shape:
    """Returns the shape of a field, given the counts of window and reference, the window's sum and the other's mean."""
    sum_of, mean = sum_and_mean
    share, expected = ours / ours.sum(), theirs / theirs.sum()
    numbers = int(ours.sum() - ours[field.null])
    names = {place: name for name, place in (field.codes or {}).items()}
    place = int(np.argmax(np.abs(share - expected)[: field.null])) if field.null else 0
    return Shape(
        mean=sum_of / numbers if field.codes is None and numbers else None,
        reference_mean=mean if np.isfinite(mean) else None,
        reference_deviation=field.deviation if np.isfinite(field.deviation) else None,
        null_ratio=float(share[field.null]),
        reference_null_ratio=float(expected[field.null]),
        mover=None if field.codes is None else names.get(place, "any other"),
        mover_ratio=float(share[place]),
        reference_mover_ratio=float(expected[place]),
    )
