"""One window of all fields."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from shipway.contract.drift import DriftSpec
from shipway.drift.bins import Bins
from shipway.drift.calibration import Calibration
from shipway.drift.judge import Judgement, Window, deciding, judge
from shipway.drift.persistence import History
from shipway.drift.reference import Reference
from shipway.drift.result import DriftResult, Status
from shipway.drift.statistics import STATISTICS
from tests.shipway.drift.samples import bins_of

FIELDS = 8


class Service:
    """A reference of some normal fields, and windows of as many rows as one likes."""

    def __init__(self, rows: int = 4000) -> None:
        self.chance = np.random.default_rng(1)
        self.bins = bins_of(self.chance.normal(size=(rows, FIELDS)), 20)
        self.reference = Reference.of(self.bins)
        self.calibration = Calibration(np.random.default_rng(2), resamples=500)

    def window(self, rows: int, shift: float = 0.0) -> Window:
        """Returns rows whose first field is shifted."""
        values = self.chance.normal(size=(rows, FIELDS))
        values[:, 0] += shift
        counted = self.bins.count(values)
        return Window(counted.counts, counted.excess)

    def judge(self, window: Window, history: History | None = None, spec: DriftSpec | None = None) -> Judgement:
        return judge(self.reference, window, spec or DriftSpec(), history or History(), self.calibration)


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


def of(judgement: Judgement, feature: str = "f00") -> list[DriftResult]:
    return [one for one in judgement.results if one.feature == feature]


def test_a_shift_is_drift_once_it_stays(service: Service) -> None:
    """One window finds it, the second makes it a verdict, and two quiet ones end it."""
    history, said = History(), []
    for shift in (0.5, 0.5, 0.0, 0.0):
        judged = service.judge(service.window(2000, shift), history)
        history = judged.history
        said.append((of(judged)[0].found, of(judged)[0].status))
    assert said == [
        (True, Status.STABLE),
        (True, Status.DRIFTED),
        (False, Status.DRIFTED),
        (False, Status.STABLE),
    ]


def test_every_statistic_has_its_row_and_its_interval(service: Service) -> None:
    """The rows of a field are the registry's, in its order; scores lie in their intervals, rows are counted."""
    results = of(service.judge(service.window(1000, 1.0)))
    assert [one.statistic for one in results] == list(STATISTICS)
    for one in results:
        assert one.score is not None
        assert one.low is not None
        assert one.high is not None
        assert one.threshold is not None
        assert one.low <= one.score <= one.high < math.inf
        assert one.unit == STATISTICS[one.statistic].unit
        assert (one.n_reference, one.n_current) == (4000, 1000)
        if one.statistic != "missingness":
            assert one.score > one.threshold
            assert one.p_value is not None
            assert one.p_value < 1e-3


def test_no_row_is_silent_and_few_are_too_few(service: Service) -> None:
    """Neither is stable, neither has a score, and the history does not hear of them."""
    before = History({"f00": (True, True)})
    for rows, status in ((0, Status.SILENT), (199, Status.TOO_FEW)):
        judged = service.judge(service.window(rows, 5.0), before)
        assert {one.status for one in judged.results} == {status}
        for one in judged.results:
            assert (one.score, one.low, one.high, one.threshold, one.p_value, one.found) == (None,) * 5 + (False,)
            assert one.n_current == rows
        assert judged.history.found == before.found


def test_rows_that_repeat_are_too_few(service: Service) -> None:
    """Two thousand rows that are nineteen values over and over are nineteen."""
    chance = np.random.default_rng(3)
    days = np.stack([_repeated(service.bins, chance, 24, 100) for _ in range(40)])
    reference = Reference.of(service.bins, days=days)
    assert reference.effect is not None
    assert reference.effect.mean() == pytest.approx(100, rel=0.2)
    window = Window(_repeated(service.bins, chance, 12, 100))
    judged = judge(reference, window, DriftSpec(), History(), service.calibration)
    assert {one.status for one in judged.results} == {Status.TOO_FEW}
    # The same where the reference does not know its days, but the window does.
    assert {one.status for one in service.judge(replace(window, blocks=days)).results} == {Status.TOO_FEW}


def test_nulls_alone_are_drift(service: Service) -> None:
    """A feature of which a hundredth goes missing is found by its nulls; one that is all null has no line to judge."""
    values = np.random.default_rng(4).normal(size=(2000, FIELDS))
    values[:20, 0] = np.nan
    values[:, 1] = np.nan
    counted = service.bins.count(values)
    judged = service.judge(Window(counted.counts, counted.excess))
    decided = {one.feature: one for one in deciding(judged.results)}
    assert decided["f00"].statistic == "missingness"
    assert decided["f00"].found
    assert decided["f01"].found
    assert {one.statistic for one in of(judged, "f01") if one.score is None} == {"ks", "w1_normalised", "w1_raw"}
    assert not decided["f02"].found


def test_without_excess_the_upper_bound_is_open(service: Service) -> None:
    """How far out values lie is not known: infinite, rather than left out."""
    results = {one.statistic: one for one in of(service.judge(replace(service.window(1000, 3.0), excess=None)))}
    assert results["w1_raw"].high == math.inf


def test_one_field_decides_by_its_least_p_value(service: Service) -> None:
    """One row a field, of the statistics that judge, in the order of the fields."""
    results = service.judge(service.window(1000, 1.0)).results
    decided = deciding(results)
    assert [one.feature for one in decided] == list(service.reference.space.names)
    for one in decided:
        p_values = [
            other.p_value
            for other in results
            if other.feature == one.feature and STATISTICS[other.statistic].judges and other.p_value is not None
        ]
        assert one.p_value == min(p_values)
    assert deciding(service.judge(service.window(0)).results)[0].status is Status.SILENT


def test_hours_are_compared_with_the_same_hours_of_the_week(service: Service) -> None:
    """A rhythm of the day is drift against all hours together, and none against the same hours."""
    chance = np.random.default_rng(5)

    def hour(at: int) -> NDArray[np.int64]:
        return service.bins.count(chance.normal(1.5 * (at % 24 < 12), 1, size=(300, FIELDS))).counts

    reference = Reference.of(service.bins, hourly=np.stack([hour(at) for at in range(24 * 7 * 4)]))
    assert reference.effect is not None
    assert reference.effect.max() < 1.3
    window = Window(hour(9))
    found = [
        one.found
        for at in (None, 9)
        for one in judge(
            reference, replace(window, hour_of_week=at), DriftSpec(), History(), service.calibration
        ).results
    ]
    assert all(found[: len(found) // 2])
    assert not any(found[len(found) // 2 :])


def test_what_is_refused(service: Service) -> None:
    """An hour that no week has, one that the reference does not know, and hours that are no days."""
    with pytest.raises(ValueError, match=r"hour_of_week \(3\): .* this one does not know them"):
        service.judge(replace(service.window(300), hour_of_week=3))
    with pytest.raises(ValueError, match=r"hourly \(650 hours from hour 0 of the week\): expected whole days, 4 weeks"):
        Reference.of(service.bins, hourly=np.zeros((650, service.bins.size)))


def _repeated(bins: Bins, chance: np.random.Generator, values: int, repeats: int) -> NDArray[np.int64]:
    """Returns counts of some values, each of them many rows."""
    return bins.count(chance.normal(size=(values, FIELDS))).counts * repeats
