"""Seeded traffic of two slots: how many requests, how they ended, how slow they were, what they predicted."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from shipway.contract.metrics import PREDICTION_BINS

__all__ = ["Baseline", "Events", "Population", "SlotTraffic", "Traffic", "constant", "daily", "steep"]

# Of requests, how many come from a unit (a caller) that this step has not seen yet.
_NEW_UNIT_RATIO = 0.3
# Live's tail beyond the SLO edge and beyond its own p95 edge.
_SLOW_SLO_RATIO, _SLOW_LIVE_RATIO = 0.02, 0.05
# Spread of the log of a request's time.
_LOG_SECONDS_SPREAD = 0.5
_UNITS = 5_000
_PRONE_UNIT_RATIO = 0.02
_PRONE_ERROR_RATIO = 0.4

Baseline = Callable[[float], float]


def constant(at_seconds: float) -> float:
    """Returns 1: the error ratio does not move."""
    del at_seconds
    return 1.0


def daily(at_seconds: float) -> float:
    """Returns 0.25 to 4, in waves of two minutes: a day, hurried."""
    return 4.0 ** math.sin(2 * math.pi * at_seconds / 120)


def steep(at_seconds: float) -> float:
    """Returns 1, and 5 from the first minute on: what both slots depend on became worse."""
    return 5.0 if at_seconds >= 60 else 1.0


@dataclass(frozen=True)
class Events:
    """Of the requests of one slot, the ratio that is bad in each way."""

    errors: float = 0.01
    invalid_outputs: float = 0.0
    slow_slo: float = _SLOW_SLO_RATIO
    slow_live: float = _SLOW_LIVE_RATIO
    fallbacks: float = 0.001
    missing_features: float = 0.01

    def slower(self, factor: float) -> "Events":
        """Returns the ratios of a version whose requests take `factor` times as long."""
        normal = NormalDist()
        shift = math.log(factor) / _LOG_SECONDS_SPREAD
        return replace(
            self,
            slow_slo=1 - normal.cdf(normal.inv_cdf(1 - self.slow_slo) - shift),
            slow_live=1 - normal.cdf(normal.inv_cdf(1 - self.slow_live) - shift),
        )


@dataclass
class SlotTraffic:
    """What one slot did in a stretch of time, as plain counts."""

    requests: int = 0
    errors: int = 0
    invalid_outputs: int = 0
    slow_slo: int = 0
    slow_live: int = 0
    fallbacks: int = 0
    missing_features: int = 0
    units: int = 0
    prediction_bins: tuple[int, ...] = (0,) * PREDICTION_BINS

    @property
    def harm(self) -> int:
        """Requests that hurt their caller."""
        return self.errors + self.invalid_outputs


@dataclass(frozen=True)
class Population:
    """Callers of very different activity, few of which cause most errors; each stays in its slot as weights grow."""

    busy: NDArray[np.float64]
    place: NDArray[np.float64]
    error_ratio: NDArray[np.float64]

    @classmethod
    def drawn(cls, chance: np.random.Generator, mean_error_ratio: float) -> "Population":
        """Returns a population whose error ratio, averaged over its requests, is the given one."""
        activity = chance.pareto(1.5, _UNITS) + 0.1
        prone = np.where(chance.random(_UNITS) < _PRONE_UNIT_RATIO, _PRONE_ERROR_RATIO, 0.002)
        scaled = prone * mean_error_ratio / np.average(prone, weights=activity)
        return cls(np.cumsum(activity) / activity.sum(), chance.random(_UNITS), np.minimum(scaled, 1.0))

    def split(
        self, chance: np.random.Generator, requests: int, share: float
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Returns requests and errors, of the candidate and of live."""
        unit = np.minimum(np.searchsorted(self.busy, chance.random(requests)), _UNITS - 1)
        chosen = self.place[unit] < share
        bad = chance.random(requests) < self.error_ratio[unit]
        mine, errors = int(chosen.sum()), int(bad.sum())
        my_errors = int((chosen & bad).sum())
        return (mine, my_errors), (requests - mine, errors - my_errors)


@dataclass(frozen=True)
class Traffic:
    """What a rollout meets.

    Args:
        candidate, live: how often each slot's requests are bad.
        requests_per_second: of both slots together.
        baseline: by what both error ratios are multiplied at a time.
        unit_factor: by what the candidate's units differ from its weight; 1 for a true split.
        shift_ratio: total variation between the slots' predictions.
        clustered: whether few callers cause most errors.
    """

    candidate: Events = Events()
    live: Events = Events()
    requests_per_second: float = 200.0
    baseline: Baseline = constant
    unit_factor: float = 1.0
    shift_ratio: float = 0.0
    clustered: bool = False

    def population(self, chance: np.random.Generator) -> Population | None:
        """Returns the callers of one rollout, None when requests are independent."""
        return Population.drawn(chance, self.live.errors) if self.clustered else None

    def draw(
        self,
        chance: np.random.Generator,
        population: Population | None,
        at_seconds: float,
        seconds: float,
        weight_ratio: float,
    ) -> tuple[SlotTraffic, SlotTraffic]:
        """Returns what the candidate and live did in `seconds` from `at_seconds` on, at one weight."""
        return self.draw_many(chance, population, at_seconds, seconds, weight_ratio, 1)[0]

    def draw_many(
        self,
        chance: np.random.Generator,
        population: Population | None,
        at_seconds: float,
        seconds: float,
        weight_ratio: float,
        number: int,
    ) -> list[tuple[SlotTraffic, SlotTraffic]]:
        """Returns `number` such stretches, one after the other, for little more than the price of one."""
        totals = chance.poisson(self.requests_per_second * seconds, number)
        factors = np.ones(number)
        errors: list[tuple[int, int]] | None = None
        if population is not None:
            split = [population.split(chance, int(total), weight_ratio) for total in totals]
            mine = np.array([candidate[0] for candidate, _ in split])
            errors = [(candidate[1], live[1]) for candidate, live in split]
        else:
            mine = chance.binomial(totals, weight_ratio)
            factors = np.array([self._factor(at_seconds + look * seconds, seconds) for look in range(number)])
        candidates = self._slots(chance, self.candidate, mine, factors)
        lives = self._slots(chance, self.live, totals - mine, factors)
        units = np.array([one.units + other.units for one, other in zip(candidates, lives, strict=True)])
        mine_units = chance.binomial(units, min(1.0, weight_ratio * self.unit_factor))
        moved = self._bins(chance, mine_units, self.shift_ratio)
        still = self._bins(chance, units - mine_units, 0.0)
        for look, (candidate, live) in enumerate(zip(candidates, lives, strict=True)):
            candidate.units, live.units = int(mine_units[look]), int(units[look] - mine_units[look])
            candidate.prediction_bins, live.prediction_bins = tuple(moved[look]), tuple(still[look])
            if errors is not None:
                candidate.errors, live.errors = errors[look]
        return list(zip(candidates, lives, strict=True))

    def _factor(self, at_seconds: float, seconds: float) -> float:
        # The mean over the stretch: an interval of a minute meets all of a wave, not one point of it.
        return sum(self.baseline(at_seconds + seconds * part) for part in (0.1, 0.3, 0.5, 0.7, 0.9)) / 5

    def _slots(
        self, chance: np.random.Generator, events: Events, requests: NDArray[np.int64], factors: NDArray[np.float64]
    ) -> list[SlotTraffic]:
        others = (
            events.invalid_outputs,
            events.slow_slo,
            events.slow_live,
            events.fallbacks,
            events.missing_features,
            _NEW_UNIT_RATIO,
        )
        errors = chance.binomial(requests, np.minimum(1.0, events.errors * factors)).tolist()
        rows = chance.binomial(requests[:, None], others).tolist()
        return [
            SlotTraffic(total, bad, min(row[0], total - bad), *row[1:])
            for total, bad, row in zip(requests.tolist(), errors, rows, strict=True)
        ]

    def _bins(self, chance: np.random.Generator, predictions: NDArray[np.int64], shift_ratio: float) -> list[list[int]]:
        half = PREDICTION_BINS // 2
        moved = shift_ratio / half
        even = 1 / PREDICTION_BINS
        return chance.multinomial(predictions, [even + moved] * half + [even - moved] * half).tolist()
