"""One simulated rollout under the production decision: counters are read, samples made, `steps.advance` decides."""

import math
from collections import deque
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from shipway.contract.evidence import Judgement, Sample
from shipway.contract.metrics import Outcome, Slot
from shipway.contract.model import RolloutSpec, SloSpec
from shipway.delivery.evidence import steps
from shipway.delivery.evidence.counters import Counters, Delta, Family, Flawed, Reading, read
from shipway.delivery.evidence.gate import NoEvidence, Rules, sample_of
from shipway.delivery.evidence.steps import Move
from shipway.delivery.simulate.scenarios import FAULT_BEGINS_WITHIN_SECONDS, Fault, Scenario
from shipway.delivery.simulate.traffic import SlotTraffic, Traffic

__all__ = ["End", "simulate"]

LOOK_SECONDS = 1.0
_FAMILY = Family("shipway:requests_total", "simulated", "outcome", frozenset(Outcome))
_RESTART_RATIO = 0.02
# How many looks are drawn at once: most of a step, and not too many for a version that is rolled back at once.
_AHEAD_LOOKS = 12
_GAP_RATIO = 0.5
_PENDING = tuple(
    each.name for each in fields(SlotTraffic) if each.name not in ("requests", "errors", "invalid_outputs")
)


@dataclass(frozen=True)
class End:
    """How a rollout ended, after how long, and how many requests and bad requests the candidate had by then."""

    move: Move
    seconds: float
    candidate_requests: int
    candidate_harm: int


@dataclass
class _Wire:
    """The two slots' counters as a scrape shows them, with one fault of the evidence.

    What a look cannot read stays in the counters, and what they do not hold (slowness, units, predictions) waits for
    the look that can.
    """

    fault: Fault
    chance: np.random.Generator
    begins_seconds: float
    _base: Counters = field(default_factory=Counters)
    _totals: dict[Slot, dict[Outcome, int]] = field(default_factory=dict[Slot, dict[Outcome, int]])
    _pending: dict[Slot, SlotTraffic] = field(default_factory=dict[Slot, SlotTraffic])

    def __post_init__(self) -> None:
        for slot in Slot:
            self._restart(slot)
        self._base, _ = read(_FAMILY, self._base, self._readings(0.0))

    def _restart(self, slot: Slot) -> None:
        self._totals[slot] = dict.fromkeys((Outcome.OK, Outcome.ERROR, Outcome.INVALID_OUTPUT), 0)
        self._pending[slot] = SlotTraffic()

    def look(self, at_seconds: float, candidate: SlotTraffic, live: SlotTraffic) -> Sample | NoEvidence:
        """Returns what a look sees of what both slots just did; the candidate is green."""
        for slot, traffic in ((Slot.GREEN, candidate), (Slot.BLUE, live)):
            if self.fault is Fault.RESTARTS and self.chance.random() < _RESTART_RATIO:
                self._restart(slot)
            totals, pending = self._totals[slot], self._pending[slot]
            totals[Outcome.OK] += traffic.requests - traffic.harm
            totals[Outcome.ERROR] += traffic.errors
            totals[Outcome.INVALID_OUTPUT] += traffic.invalid_outputs
            for name in _PENDING[:-1]:
                setattr(pending, name, getattr(pending, name) + getattr(traffic, name))
            pairs = zip(pending.prediction_bins, traffic.prediction_bins, strict=True)
            pending.prediction_bins = tuple([one + other for one, other in pairs])
        if self._silent(at_seconds):
            return NoEvidence(Judgement.INCONCLUSIVE, "Prometheus does not answer")
        self._base, outcome = read(_FAMILY, self._base, self._spoiled(at_seconds))
        if isinstance(outcome, Flawed):
            return NoEvidence(Judgement.ERROR, outcome.sentence)
        if not isinstance(outcome, Delta):
            return NoEvidence(Judgement.INCONCLUSIVE, outcome.sentence)
        counts = self._counts(outcome, Slot.GREEN), self._counts(outcome, Slot.BLUE)
        return sample_of(*counts, restarted=bool(outcome.restarted))

    def _counts(self, delta: Delta, slot: Slot) -> dict[str, Any]:
        pending, self._pending[slot] = self._pending[slot], SlotTraffic()
        counts: dict[str, Any] = {name: getattr(pending, name) for name in _PENDING}
        return counts | {
            "requests": delta.count(slot, Outcome.OK, Outcome.ERROR, Outcome.INVALID_OUTPUT),
            "errors": delta.count(slot, Outcome.ERROR),
            "invalid_outputs": delta.count(slot, Outcome.INVALID_OUTPUT),
        }

    def _silent(self, at_seconds: float) -> bool:
        if self.fault is Fault.GAPS:
            return bool(self.chance.random() < _GAP_RATIO)
        return self.fault is Fault.NO_ANSWER and at_seconds >= self.begins_seconds

    def _readings(self, at_seconds: float) -> list[Reading]:
        return [
            Reading({"model": "simulated", "slot": slot, "instance": slot, "outcome": outcome}, total, at_seconds)
            for slot, totals in self._totals.items()
            for outcome, total in totals.items()
        ]

    def _spoiled(self, at_seconds: float) -> list[Reading]:
        readings = self._readings(at_seconds)
        if at_seconds < self.begins_seconds:
            return readings
        mine = [each for each in readings if each.labels["slot"] == Slot.GREEN]
        rest = [each for each in readings if each.labels["slot"] == Slot.BLUE]
        first = mine[0]
        match self.fault:
            case Fault.CANDIDATE_UNSCRAPED:
                return rest
            case Fault.LIVE_UNSCRAPED:
                return mine
            case Fault.FROZEN:
                return self._readings(math.floor(self.begins_seconds))
            case Fault.OLDER:
                return self._readings(-1.0)
            case Fault.NOT_A_NUMBER:
                return [Reading(first.labels, math.nan, at_seconds), *mine[1:], *rest]
            case Fault.DUPLICATE:
                return [Reading({**first.labels, "job": "again"}, first.value, at_seconds), *readings]
            case Fault.WRONG_LABEL:
                return [Reading({**first.labels, "slot": "canary"}, first.value, at_seconds), *mine[1:], *rest]
            case _:
                return readings


def simulate(scenario: Scenario, chance: np.random.Generator, rules: Rules | None = None) -> End:
    """Returns how one rollout of `scenario` ends.

    Args:
        scenario: what it meets.
        chance: where its traffic comes from.
        rules: what it is judged by; the defaults, with the scenario's deadline, when not given.
    """
    rules = rules or Rules(RolloutSpec(max_step_seconds=scenario.max_step_seconds), SloSpec())
    progress = steps.begin(rules)
    population = scenario.traffic.population(chance)
    wire = _Wire(scenario.fault, chance, chance.uniform(0, FAULT_BEGINS_WITHIN_SECONDS))
    weight, seconds, requests, harm = rules.rollout.steps_percent[0], 0.0, 0, 0
    ahead: deque[tuple[SlotTraffic, SlotTraffic]] = deque()
    drawn: tuple[Traffic, float] | None = None
    while True:
        # A gateway that sends the candidate nothing, whatever its weight says.
        idle = scenario.fault is Fault.CANDIDATE_IDLE and seconds >= wire.begins_seconds
        share = 0.0 if idle else weight / 100
        traffic = scenario.at(seconds, wire.begins_seconds)
        # What was drawn ahead is thrown away when the weight or the traffic changes.
        if not ahead or drawn != (traffic, share):
            drawn = (traffic, share)
            ahead = deque(traffic.draw_many(chance, population, seconds, LOOK_SECONDS, share, _AHEAD_LOOKS))
        candidate, live = ahead.popleft()
        seconds += LOOK_SECONDS
        requests, harm = requests + candidate.requests, harm + candidate.harm
        decision = steps.advance(rules, progress, wire.look(seconds, candidate, live), LOOK_SECONDS)
        if decision.move in (Move.PROMOTE, Move.ROLL_BACK, Move.PAUSE):
            return End(decision.move, seconds, requests, harm)
        # The simulated counters are read exactly when the weight changes: no look straddles it.
        progress = decision.progress.changed(settling=False)
        weight = decision.weight_percent
