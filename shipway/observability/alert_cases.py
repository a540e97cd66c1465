"""Stories about each alert: invented series in which it must fire, and others in which it must keep quiet."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shipway.contract import metrics
from shipway.contract.alerts import AlertName
from shipway.contract.errors import ShipwayError
from shipway.contract.metrics import MODELS_JOB, REQUEST_SECONDS, REQUESTS_TOTAL, Outcome
from shipway.observability.presets import P95_BASELINE, PREDICTION, WINDOW
from shipway.observability.utilisation import UTILISATION

__all__ = ["CASES", "STEP_SECONDS", "Rule", "Story"]

STEP_SECONDS = 60
# Longer than an alert waits; the long ones, for labels, which may come in batches.
_STORY_SECONDS, _LONG_STORY_SECONDS = 750, 4200
# Values go on until the end of the longest story.
_SAMPLES = _LONG_STORY_SECONDS // STEP_SECONDS
# Beyond any threshold.
_HUGE = 1e6

Series = Mapping[str, str]


@dataclass(frozen=True)
class Rule:
    """One alert as a rule file holds it.

    Args:
        document: its own keys.
        records: every record of the file.
    """

    document: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]

    @property
    def alert(self) -> str:
        return str(self.document["alert"])

    @property
    def labels(self) -> dict[str, str]:
        """What tells it from another rule of the same name."""
        return {name: str(value) for name, value in self.document.get("labels", {}).items()}

    @property
    def model(self) -> str:
        return self.labels.get("model", "")

    @property
    def text(self) -> str:
        """Its own expression, then those of the records."""
        return "\n".join(str(each["expr"]) for each in (self.document, *self.records))


@dataclass(frozen=True)
class Story:
    """One story about an alert.

    Args:
        series: what happens, series -> values in promtool's notation.
        fires: whether it must fire at the end.
        seconds: how long it is.
        at_rest: whether it may not even be about to fire.
    """

    series: Series
    fires: bool
    seconds: int = _STORY_SECONDS
    at_rest: bool = False


def _two(trouble: Series, quiet: Series, seconds: int = _STORY_SECONDS) -> list[Story]:
    return [Story(trouble, True, seconds), Story(quiet, False, seconds)]


def _steady(value: float) -> str:
    return f"{value:g}x{_SAMPLES}"


def _growing(each_step: float) -> str:
    return f"0+{each_step:g}x{_SAMPLES}"


def _of(name: str, rule: Rule, **labels: str) -> str:
    """Returns a series of the rule's model."""
    inner = ",".join(f'{key}="{value}"' for key, value in {"model": rule.model, **labels}.items())
    return f"{name}{{{inner}}}"


def _slot(name: str, rule: Rule, **labels: str) -> str:
    return _of(name, rule, slot="blue", instance="a", **{"job": MODELS_JOB, **labels})


def _slot_down(rule: Rule) -> list[Story]:
    up = _slot("up", rule)
    # One that loads its model answers nothing yet.
    loading = Story({up: _steady(0)}, False, 2 * STEP_SECONDS)
    died = Story({up: f"1x3 0x{_SAMPLES}"}, True, 7 * STEP_SECONDS)
    return [*_two({up: _steady(0)}, {up: _steady(1)}), loading, died]


def _not_scraped(rule: Rule) -> list[Story]:
    # One that is down is scraped: this alert is about nobody looking.
    return _two({}, {_slot("up", rule): _steady(0)})


def _outcomes(rule: Rule, *bad: Outcome) -> Series:
    return {_slot(REQUESTS_TOTAL, rule, outcome=str(outcome)): _growing(10_000) for outcome in (Outcome.OK, *bad)}


def _above_slo(rule: Rule) -> list[Story]:
    # A caller's own mistakes are many, and no error of the slot.
    return _two(_outcomes(rule, Outcome.ERROR), _outcomes(rule, Outcome.REJECTED_INPUT))


def _burning(rule: Rule) -> list[Story]:
    if rule.labels["objective"] == "errors":
        bad = {_slot(REQUESTS_TOTAL, rule, outcome=str(Outcome.ERROR)): _growing(10_000)}
        return _two(bad, {**_outcomes(rule, Outcome.REJECTED_INPUT)})
    edge = re.search(r'le=\\?"([0-9.]+)\\?"', rule.text)
    if edge is None:
        raise ShipwayError(f"{rule.alert}: no record counts slow requests")
    fast, every = (_slot(f"{REQUEST_SECONDS}_bucket", rule, le=le) for le in (edge[1], "+Inf"))
    return _two({fast: _steady(0), every: _growing(10_000)}, {fast: _growing(10_000), every: _growing(10_000)})


def _latency_grown(rule: Rule) -> list[Story]:
    # All answers take between half a second and one; the day before they took a tenth of that, or as long.
    edges = {"0.5": _steady(0), "1.0": _growing(1000), "+Inf": _growing(1000)}
    now = {_slot(f"{REQUEST_SECONDS}_bucket", rule, le=edge): values for edge, values in edges.items()}
    baseline = _of(P95_BASELINE, rule)
    return _two({**now, baseline: _steady(0.1)}, {**now, baseline: _steady(1)})


def _utilisation(rule: Rule) -> list[Story]:
    # An alert of a resource of the platform has no model, which is the same as an empty one.
    series = _of(UTILISATION, rule, resource=rule.labels["resource"], slot="blue")
    return _two({series: _steady(0.95)}, {series: _steady(0.5)})


def _answers(rule: Rule) -> list[Story]:
    up = f'up{{job="{rule.labels["part"]}",instance="a"}}'
    # What never answered has had no time to start at first.
    return [*_two({up: _steady(0)}, {up: _steady(1)}), Story({}, True), Story({}, False, STEP_SECONDS)]


def _hindered(_rule: Rule) -> list[Story]:
    problem = f'{metrics.DELIVERY_PROBLEM}{{job="{metrics.DELIVERY_JOB}",subject="first-model"}}'
    # One look that something stood in the way of is no alert.
    return _two({problem: _steady(1)}, {problem: f"1 _x{_STORY_SECONDS // STEP_SECONDS}"})


def _silent(rule: Rule) -> list[Story]:
    part = rule.labels["part"]
    if rule.model:
        return _OF_MODEL[part](rule)
    limit = re.search(r"> ([0-9.e+]+)$", str(rule.document["expr"]))
    record = next((str(one["expr"]) for one in rule.records if one.get("labels") == {"part": part}), "")
    # The scrapes' own heartbeat is the time of what they brought.
    of_scrapes = "timestamp(up" in record
    beat = None if of_scrapes else re.match(r"max\((\w+\{[^}]*\})\)", record)
    if limit is None or (beat is None and not of_scrapes):
        raise ShipwayError(f"{rule.alert} of {part}: no record of its heartbeat, or no limit of its age")
    listens = int(str(rule.document.get("for", "0s")).removesuffix("s"))
    told = ((int(float(limit[1])) + listens) // STEP_SECONDS + 3) * STEP_SECONDS
    # A scrape's own time goes on for five minutes after the last one: so long Prometheus takes a sample for now's.
    after = told + 5 * STEP_SECONDS + (300 if beat is None else 0)
    steps = after // STEP_SECONDS
    if beat is None:
        up = 'up{job="a",instance="a"}'
        alive, dead, stuck = {up: f"1x{steps}"}, {up: "1x3"}, {up: f"1x3 0x{steps}"}
    else:
        alive, dead = {beat[1]: f"0+{STEP_SECONDS}x{steps}"}, {beat[1]: f"0+{STEP_SECONDS}x3 stale"}
        stuck = {beat[1]: f"0+{STEP_SECONDS}x3 {3 * STEP_SECONDS}x{steps}"}
    return [
        Story({}, True, told),
        Story(dead, True, after),
        Story(stuck, True, after),
        Story(alive, False, after),
        # A new stack has had no time yet.
        Story({}, False, int(float(limit[1])) // 2 // STEP_SECONDS * STEP_SECONDS, at_rest=True),
    ]


def _serving_silent(rule: Rule) -> list[Story]:
    up, beat = _slot("up", rule), _slot(metrics.HEARTBEAT_TIMESTAMP_SECONDS, rule, job=metrics.SERVING_JOB)
    return [
        *_two({up: _steady(1), beat: _steady(0)}, {up: _steady(1), beat: _growing(STEP_SECONDS)}),
        Story({up: _steady(1)}, True),
    ]


def _log_silent(rule: Rule) -> list[Story]:
    answered = _slot(REQUESTS_TOTAL, rule, outcome=str(Outcome.OK))
    written = _slot(metrics.PREDICTION_LOG_WRITTEN_TOTAL, rule, log="predictions")
    return [
        *_two({answered: _growing(10), written: _steady(7)}, {answered: _growing(10), written: _growing(10)}),
        # Without traffic there is nothing to log.
        Story({answered: _steady(7), written: _steady(7)}, False),
    ]


_OF_MODEL: Mapping[str, Callable[[Rule], list[Story]]] = {
    metrics.SERVING_JOB: _serving_silent,
    metrics.PREDICTIONS_LOG_JOB: _log_silent,
}


def _watchdog(_rule: Rule) -> list[Story]:
    # By design there is no story in which it is quiet.
    return [Story({}, True)]


def _features_stale(rule: Rule) -> list[Story]:
    found = re.search(rf"{metrics.FEATURE_AGE_SECONDS}_bucket{{([^}}]*)}}.*> ([0-9.]+)", rule.text)
    if found is None:
        raise ShipwayError(f"{AlertName.FEATURES_STALE}: it compares no age with an objective")
    of, objective = found[1], float(found[2])

    def ages(*, within: bool) -> Series:
        counts = {f"{objective:g}": within, f"{2 * objective:g}": True, "+Inf": True}
        bucket = f"{metrics.FEATURE_AGE_SECONDS}_bucket{{{of},le="
        return {f'{bucket}"{edge}"}}': _growing(100) if grows else _steady(0) for edge, grows in counts.items()}

    def defaults(each_step: float) -> Series:
        # Many rows a request: most of them are fresh.
        requests = {_slot(REQUESTS_TOTAL, rule, version="v", outcome=str(Outcome.OK)): _growing(10)}
        missing = f'{metrics.FEATURE_MISSING_TOTAL}{{job="{MODELS_JOB}",version="v",{of}}}'
        count = f"{metrics.FEATURE_AGE_SECONDS}_count{{{of}}}"
        return {**requests, missing: _growing(each_step), count: _growing(1000)}

    return [*_two(ages(within=False), ages(within=True)), *_two(defaults(6), defaults(4))]


def _gauge(
    name: str, bad: float, good: float, seconds: int = _STORY_SECONDS, **labels: str
) -> Callable[[Rule], list[Story]]:
    def stories(rule: Rule) -> list[Story]:
        series = _slot(name, rule, **labels)
        return _two({series: _steady(bad)}, {series: _steady(good)}, seconds)

    return stories


def _counter(name: str, **labels: str) -> Callable[[Rule], list[Story]]:
    def stories(rule: Rule) -> list[Story]:
        series = _slot(name, rule, **labels)
        return _two({series: _growing(5)}, {series: _steady(5)})

    return stories


def _score(statistic: str, feature: str, another: str) -> Callable[[Rule], list[Story]]:
    """Returns stories in which the score of `feature` is huge, or that of `another`, which is none of the alert's."""

    def stories(rule: Rule) -> list[Story]:
        of = {"version": "v", "window": WINDOW, "statistic": statistic}
        mine, other = (_of(metrics.DRIFT_SCORE, rule, feature=name, **of) for name in (feature, another))
        return _two({mine: _steady(_HUGE), other: _steady(0)}, {mine: _steady(0), other: _steady(_HUGE)})

    return stories


def _drift_status(bad: int) -> Callable[[Rule], list[Story]]:
    def stories(rule: Rule) -> list[Story]:
        first, second = (_of(metrics.DRIFT_STATUS, rule, version="v", window="day", feature=name) for name in "ab")
        running = _of(metrics.DRIFT_STATUS, rule, version="v", window="day_running", feature="a")
        # Too few rows is no verdict, and neither is a window that is under way.
        quiet = {first: _steady(2), second: _steady(0), running: _steady(bad)}
        return _two({first: _steady(bad), second: _steady(0)}, quiet)

    return stories


def _parity(rule: Rule) -> list[Story]:
    different, compared = (
        _of(name, rule, version="v", feature="a")
        for name in (metrics.PARITY_DIFFERENT_TOTAL, metrics.PARITY_COMPARED_TOTAL)
    )
    # Of a single one that was compared all may differ.
    single = f"0x3 1x{_SAMPLES}"
    return [
        *_two({different: _growing(100), compared: _growing(100)}, {different: _steady(9), compared: _growing(100)}),
        Story({different: single, compared: single}, False),
    ]


def _undecided(rule: Rule) -> list[Story]:
    rows = _of(metrics.PARITY_ROWS_TOTAL, rule, feature="a", outcome="unknown")
    compared, answers = (_of(metrics.PARITY_COMPARED_TOTAL, rule, feature=name) for name in ("a", "prediction:served"))
    # Another feature that is compared says nothing of this one.
    others = {
        _of(metrics.PARITY_ROWS_TOTAL, rule, feature="b", outcome="equal"): _growing(100),
        _of(metrics.PARITY_COMPARED_TOTAL, rule, feature="b"): _growing(100),
    }
    none = {rows: _growing(100), compared: _steady(0), answers: _growing(100), **others}
    return _two(none, {**none, compared: _growing(1)}, _LONG_STORY_SECONDS)


def _gpu(name: str) -> str:
    return f'{name}{{Hostname="gpu-1",gpu="0"}}'


_XID, _USED, _FREE = (_gpu(f"DCGM_FI_DEV_{name}") for name in ("XID_ERRORS", "FB_USED", "FB_FREE"))


def _not_watched(_rule: Rule) -> list[Story]:
    return _two({}, {_XID: _steady(0)}, 1800)


def _gpu_fault(_rule: Rule) -> list[Story]:
    # An error of long ago is no news.
    return _two({_XID: f"0x{_STORY_SECONDS // STEP_SECONDS - 2} 79x9"}, {_XID: _steady(79)})


def _gpu_full(_rule: Rule) -> list[Story]:
    return _two({_USED: _steady(23_900), _FREE: _steady(100)}, {_USED: _steady(12_000), _FREE: _steady(12_000)})


CASES: Mapping[str, Callable[[Rule], list[Story]]] = {
    AlertName.SLOT_DOWN: _slot_down,
    AlertName.MODEL_NOT_SCRAPED: _not_scraped,
    AlertName.ERROR_RATIO_ABOVE_SLO: _above_slo,
    AlertName.BUDGET_BURNS_FAST: _burning,
    AlertName.BUDGET_BURNS_SLOWLY: _burning,
    AlertName.LATENCY_GROWN: _latency_grown,
    AlertName.UTILISATION_HIGH: _utilisation,
    AlertName.FEATURES_STALE: _features_stale,
    AlertName.BREAKER_OPEN: _gauge(metrics.FEATURE_CIRCUIT_STATE, 1, 0, state="open"),
    AlertName.DEAD_LETTERS: _counter(metrics.DEAD_LETTERS_TOTAL),
    AlertName.PREDICTIONS_LOST: _counter(metrics.PREDICTION_LOG_DROPPED_TOTAL, log="predictions"),
    AlertName.GATEWAY_DOWN: _answers,
    AlertName.DELIVERY_HINDERED: _hindered,
    AlertName.SILENT: _silent,
    AlertName.WATCHDOG: _watchdog,
    AlertName.DRIFT: _drift_status(1),
    AlertName.NO_ROWS: _drift_status(3),
    AlertName.DRIFT_UNKNOWN: _counter(metrics.DRIFT_UNKNOWN_TOTAL),
    AlertName.PREDICTION_SHIFT: _score("mean_shift", PREDICTION, "wind"),
    AlertName.FEATURE_DEVIATION: _score("mean_deviation", "wind", PREDICTION),
    AlertName.WASSERSTEIN_ABOVE_LIMIT: _score("w1_normalised", "wind", PREDICTION),
    AlertName.QUALITY_DROP: _gauge(metrics.QUALITY_DROP_RATIO, 0.9999, 0, version="v", segment="all", metric="auc"),
    AlertName.LABELS_MISSING: _gauge(metrics.LABEL_COVERAGE_RATIO, 0, 1, _LONG_STORY_SECONDS, version="v"),
    AlertName.PARITY_DIFFERS: _parity,
    AlertName.PARITY_UNDECIDED: _undecided,
    AlertName.RETRAINING_FAILED: _gauge("shipway_retraining_failed", 1, 0),
    AlertName.GPUS_NOT_WATCHED: _not_watched,
    AlertName.GPU_FAULT: _gpu_fault,
    AlertName.GPU_MEMORY_FULL: _gpu_full,
}
