"""The metrics page of a stand-in slot: the series of the contract, as text, and the ways in which a page can be bad."""

from bisect import bisect_left
from collections import Counter
from enum import StrEnum

from shipway.contract import metrics
from shipway.contract.metrics import LATENCY_EDGES_SECONDS, PREDICTION_BINS, Outcome

BLOCKED, EMPTY = "blocked", "empty"


class Bad(StrEnum):
    """How a page can be wrong."""

    NAN = "nan"
    INF = "inf"
    NEGATIVE = "negative"
    DUPLICATE = "duplicate"
    WRONG_LABEL = "wrong_label"


class Page:
    """What one slot counted.

    Args:
        model, version, slot: the labels of every series.
        references: short digests whose bin edges the predictions are counted on.
    """

    def __init__(self, model: str, version: str, slot: str, references: list[str]) -> None:
        self._who = f'model="{model}",version="{version}",slot="{slot}"'
        self._references = references
        self.reset()

    def reset(self) -> None:
        """Begins at zero, as a process that was started anew."""
        self._outcomes: Counter[str] = Counter()
        self._buckets = [0] * len(LATENCY_EDGES_SECONDS)
        self._timed, self._seconds = 0, 0.0
        self._fallbacks = self._missing = 0
        self._bins = [0] * PREDICTION_BINS
        self._units_total = 0
        self._step = self._rollout = ""
        self._units: set[str] = set()
        self._predicted: set[str] = set()

    def request(self, outcome: Outcome, seconds: float, *, fallback: bool = False, missing: bool = False) -> None:
        """Counts one finished request."""
        self._outcomes[outcome] += 1
        self._fallbacks += fallback
        self._missing += missing
        self._timed += 1
        self._seconds += seconds
        place = bisect_left(LATENCY_EDGES_SECONDS, seconds)
        if place < len(self._buckets):
            self._buckets[place] += 1

    def unit(self, rollout_and_step: str, unit: str, prediction: float) -> None:
        """Counts a unit once a step, and the bin of its first prediction once a rollout."""
        rollout = rollout_and_step.partition("/")[0]
        if rollout != self._rollout:
            self._rollout, self._predicted = rollout, set()
        if rollout_and_step != self._step:
            self._step, self._units = rollout_and_step, set()
        if unit not in self._units:
            self._units.add(unit)
            self._units_total += 1
        if unit not in self._predicted:
            self._predicted.add(unit)
            self._bins[min(int(prediction * PREDICTION_BINS), PREDICTION_BINS - 1)] += 1

    def text(self, bad: str) -> str:
        """Returns the page, wrong in the way that `bad` names; empty for a true one."""
        if bad == EMPTY:
            return "\n"
        lines = [self._line(metrics.REQUESTS_TOTAL, self._outcomes[one], f'outcome="{one}"') for one in Outcome]
        if bad in set(Bad):
            lines += self._wrong(Bad(bad), lines)
        lines += [
            self._line(metrics.FALLBACKS_TOTAL, self._fallbacks, 'source="constant"'),
            self._line(metrics.FEATURE_MISSING_REQUESTS_TOTAL, self._missing),
            self._line(metrics.UNITS_TOTAL, self._units_total),
        ]
        for reference in self._references:
            lines += [
                self._line(metrics.UNIT_PREDICTION_BIN_TOTAL, count, f'reference="{reference}"', f'bin="{number}"')
                for number, count in enumerate(self._bins)
            ]
        below = 0
        for edge, count in zip(LATENCY_EDGES_SECONDS, self._buckets, strict=True):
            below += count
            lines.append(self._line(f"{metrics.REQUEST_SECONDS}_bucket", below, f'le="{edge!r}"'))
        lines.append(self._line(f"{metrics.REQUEST_SECONDS}_bucket", self._timed, 'le="+Inf"'))
        lines.append(self._line(f"{metrics.REQUEST_SECONDS}_count", self._timed))
        lines.append(self._line(f"{metrics.REQUEST_SECONDS}_sum", self._seconds))
        return "\n".join(lines) + "\n"

    def _wrong(self, bad: Bad, lines: list[str]) -> list[str]:
        ok, named = self._outcomes[Outcome.OK], f'outcome="{Outcome.OK}"'
        match bad:
            case Bad.NAN | Bad.INF | Bad.NEGATIVE:
                value = {Bad.NAN: "NaN", Bad.INF: "+Inf", Bad.NEGATIVE: "-1"}[bad]
                lines[0] = self._line(metrics.REQUESTS_TOTAL, value, named)
                return []
            case Bad.DUPLICATE:
                return [self._line(metrics.REQUESTS_TOTAL, ok, named, 'copy="2"')]
            case Bad.WRONG_LABEL:
                return [self._line(metrics.REQUESTS_TOTAL, ok, 'outcome="weird"')]

    def _line(self, name: str, value: object, *labels: str) -> str:
        return f"{name}{{{','.join((self._who, *labels))}}} {value}"
