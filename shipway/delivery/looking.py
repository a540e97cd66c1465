"""From the series of one question to what both slots of a model did since the last look; pure.

Raw series are read, not recorded ones: a recorded sample carries the time at which its rule ran, so a scrape that
stopped would go unnoticed for as long as the rule repeats its last value. The names are the same on every target,
because the services themselves export them.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shipway.contract import metrics
from shipway.contract.evidence import CounterRow, Gate, Judgement, Sample
from shipway.contract.metrics import LABELS_JOB, LATENCY_EDGES_SECONDS, PREDICTION_BINS, ROLLOUT_JOB, Outcome, Slot
from shipway.delivery.evidence.counters import Counters, Delta, Family, Flawed, Reading, Still, read
from shipway.delivery.evidence.gate import NoEvidence, sample_of
from shipway.delivery.prometheus import Series

__all__ = [
    "Asked",
    "Seen",
    "aligned",
    "latency_edge",
    "live_buckets",
    "p95_edge",
    "query_of",
    "see",
    "selector",
    "slow_edge",
]

_BUCKET = f"{metrics.REQUEST_SECONDS}_bucket"
_GATEWAY = "shipway_gateway_failed_total"
# What others count about a slot: it need not be there, and its restart is not the slot's.
_NOT_A_SLOTS = (_GATEWAY, metrics.LABELLED_TOTAL)
_INFINITY = "+Inf"
_QUALITY = (metrics.QUALITY_DROP_BESIDE_RATIO, metrics.QUALITY_DROP_LIMIT_RATIO)
_READ = (*metrics.EVIDENCE_SERIES, metrics.LABELLED_TOTAL, *_QUALITY)
_JUDGED = (Outcome.OK, Outcome.ERROR, Outcome.INVALID_OUTPUT, Outcome.TIMEOUT)
# Below this many requests a quantile of live's latency is chance.
_MINIMUM_REQUESTS = 100
_P95 = 0.95
# A pod of live whose last scrape lies farther back than this share of the window, which is two and a half scrapes or
# more, has missed more than one: it answers no more, and nobody waits for it.
_ANSWERS_RATIO = 0.8


@dataclass(frozen=True)
class Asked:
    """What is asked about one model.

    Args:
        model: its name.
        candidate, live: who is judged, and against whom; after a promotion the judged one is the live slot.
        versions: slot -> short digest.
        rollout: the number of its rollout.
        slow_slo_edge_seconds, slow_live_edge_seconds: edges of the latency grid.
        control: whether the other slot takes traffic too, so that its series must be there.
        job: the scrape job whose series are read.
        callers_stay: whether the gateway keeps a caller in one slot; where it draws each request anew, callers that
            come back are seen in both, and how many each slot has seen says nothing about the split.
    """

    model: str
    candidate: Slot
    live: Slot
    versions: Mapping[Slot, str]
    rollout: int
    slow_slo_edge_seconds: float
    slow_live_edge_seconds: float
    control: bool = True
    job: str = ROLLOUT_JOB
    callers_stay: bool = True

    @property
    def reference(self) -> str:
        """The version whose bin edges both slots are compared on: live's, or one's own when there is none."""
        return self.versions[self.live if self.control else self.candidate]


@dataclass(frozen=True)
class Seen:
    """What a question brought.

    Args:
        counters: the next base; the same as before unless `look` is a sample or this was the first reading.
        look: what happened, why that is not known, or None until both slots were scraped since the last look.
    """

    counters: dict[str, tuple[CounterRow, ...]]
    look: Sample | NoEvidence | None


def latency_edge(seconds: float) -> float:
    """Returns the least edge of the latency grid that is not below `seconds`; the last one for anything slower.

    >>> latency_edge(0.3)
    0.339582
    """
    return LATENCY_EDGES_SECONDS[min(bisect_left(LATENCY_EDGES_SECONDS, seconds), len(LATENCY_EDGES_SECONDS) - 1)]


def p95_edge(counts: Mapping[float, float]) -> float | None:
    """Returns the least edge that 95 % of the requests do not exceed; None when that cannot be told.

    >>> p95_edge({0.001: 0.0, 0.001264: 190.0, float("inf"): 200.0})
    0.001264

    Args:
        counts: edge (seconds) -> requests at most that slow, infinity for all of them.
    """
    total = counts.get(math.inf, 0.0)
    if not 0 < total < math.inf:
        return None
    return next((edge for edge in LATENCY_EDGES_SECONDS if counts.get(edge, 0.0) >= _P95 * total), None)


def slow_edge(buckets: Iterable[Series], otherwise_seconds: float) -> float | None:
    """Returns the edge beyond which a request of the candidate is slow beside live's.

    Args:
        buckets: the buckets of live's latency.
        otherwise_seconds: the edge where live has served too few requests, or slower ones than the grid knows.

    Returns:
        None without buckets, or with one that is none: not to know is not the same as to have seen few.
    """
    counts: dict[float, float] = {}
    for series in buckets:
        try:
            edge = float(series.labels["le"])
        except (KeyError, ValueError):
            return None
        counts[edge] = counts.get(edge, 0.0) + series.value
    total = counts.get(math.inf)
    if total is None or not math.isfinite(total):
        return None
    edge = p95_edge(counts) if total >= _MINIMUM_REQUESTS else None
    return otherwise_seconds if edge is None else edge


def live_buckets(model: str, live: Slot, job: str, environment: str = "") -> str:
    """Returns the selector of the buckets of live's latency, of one environment or of all."""
    return f'{_BUCKET}{{job="{job}",model="{model}",slot="{live}"{_within(environment)}}}'


def _within(environment: str) -> str:
    return f',env="{environment}"' if environment else ""


def selector(asked: Iterable[Asked], environment: str = "") -> str:
    """Returns the one selector that matches all series of all models asked about, and few others.

    Args:
        asked: what is asked.
        environment: whose series, empty for all.
    """
    every = list(asked)
    edges = {repr(edge) for one in every for edge in (one.slow_slo_edge_seconds, one.slow_live_edge_seconds)}
    # A matcher that allows the empty text also matches series without the label.
    return (
        f'{{__name__=~"{"|".join(_READ)}",job=~"{"|".join(sorted({one.job for one in every}))}|{LABELS_JOB}",'
        f'model=~"{"|".join(sorted(one.model for one in every))}",'
        f'le=~"|{"|".join(sorted(edges))}|\\\\+Inf",segment="",'
        f'reference=~"|{"|".join(sorted({one.reference for one in every}))}",'
        f'rollout=~"|{"|".join(sorted({str(one.rollout) for one in every}))}"{_within(environment)}}}'
    )


def query_of(gate: Gate, model: str) -> str:
    """Returns the PromQL of the raw counters behind a gate, as a person may ask Prometheus for them."""
    requests = f'{metrics.REQUESTS_TOTAL}{{model="{model}"}}'
    match gate:
        case Gate.SLOW_SLO | Gate.SLOW_LIVE | Gate.SLO_LATENCY:
            return f'{_BUCKET}{{model="{model}"}}'
        case Gate.FALLBACKS:
            return f'{metrics.FALLBACKS_TOTAL}{{model="{model}"}}'
        case Gate.MISSING_FEATURES:
            return f'{metrics.FEATURE_MISSING_REQUESTS_TOTAL}{{model="{model}"}}'
        case Gate.SAMPLE_RATIO:
            return f'{metrics.UNITS_TOTAL}{{model="{model}"}}'
        case Gate.PREDICTION_SHIFT:
            return f'{metrics.UNIT_PREDICTION_BIN_TOTAL}{{model="{model}"}}'
        case Gate.LABEL_ERRORS:
            return f'{metrics.LABELLED_TOTAL}{{model="{model}"}}'
        case Gate.ACCURACY_DROP:
            return f'{metrics.QUALITY_DROP_BESIDE_RATIO}{{model="{model}"}}'
        case Gate.ERRORS | Gate.INVALID_OUTPUTS | Gate.SLO_ERRORS | Gate.EVIDENCE | Gate.HARM_BUDGET:
            return requests


def aligned(
    asked: Asked, counters: Mapping[str, tuple[CounterRow, ...]], series: Iterable[Series], window_seconds: float
) -> list[Series] | None:
    """Returns the series of a look in which all of live's counts reach at least as far as the candidate's.

    Slots and their pods are not scraped at the same moment. What befalls both slots at once must not look like the
    candidate's own, so of the candidate that reading is taken which is older than the newest one of each pod of live.

    Args:
        asked: what was asked about the model.
        counters: the base, by metric; a pod of live whose scrape came late takes nothing of it back.
        series: what Prometheus answered.
        window_seconds: how old a sample in it may be.

    Returns:
        None where every reading of the candidate is newer than that: the next scrape of live is waited for.
    """
    mine, others, live = list[Series](), list[Series](), dict[str, float]()
    for one in series:
        if one.labels.get("model") == asked.model and one.labels.get("slot") == asked.candidate:
            mine.append(one)
            continue
        others.append(one)
        if one.labels.get("model") == asked.model and one.labels.get("slot") == asked.live:
            instance = one.labels.get("instance", "")
            live[instance] = max(live.get(instance, 0.0), one.scraped_at_seconds)
    if not asked.control or not live or not mine:
        return [*others, *mine]
    gone = max(live.values()) - _ANSWERS_RATIO * window_seconds
    reached = min((at for at in live.values() if at >= gone), default=math.inf)
    counted = _newest(Counters.of_rows(counters.get(metrics.REQUESTS_TOTAL, ())), asked.candidate)
    taken = [found for one in mine if (found := one.until(max(reached, counted))) is not None]
    return [*others, *taken] if taken else None


def see(
    asked: Asked,
    counters: Mapping[str, tuple[CounterRow, ...]],
    series: Iterable[Series],
    gateway_failed: Mapping[Slot, int],
) -> Seen:
    """Returns what both slots of a model did since the base, taken whole or not at all.

    Args:
        asked: what was asked about the model.
        counters: the base, by metric.
        series: what Prometheus answered, `aligned`; series of other models are passed over.
        gateway_failed: slot -> attempts that the gateway saw fail without an answer, since it started.
    """
    grouped = _grouped(asked, series)
    base = {name: Counters.of_rows(rows) for name, rows in counters.items()}
    grouped[_GATEWAY] = _gateway(asked, base.get(_GATEWAY, Counters()), gateway_failed)
    slots = (asked.candidate, asked.live) if asked.control else (asked.candidate,)
    following: dict[str, Counters] = {}
    outcomes: dict[str, Delta | Still] = {}
    for family in _families(asked):
        needed = () if family.metric in _NOT_A_SLOTS else slots
        following[family.metric], outcome = read(
            family, base.get(family.metric, Counters()), grouped.get(family.metric, []), needed
        )
        if isinstance(outcome, Flawed):
            return Seen(dict(counters), NoEvidence(Judgement.ERROR, outcome.sentence))
        outcomes[family.metric] = outcome
    rows = {name: tuple(map(_row, found.rows())) for name, found in following.items()}
    if not counters:
        return Seen(rows, None)
    # Both or none: with one slot's scrape alone, a look would compare what it did with nothing.
    before, after = base.get(metrics.REQUESTS_TOTAL, Counters()), following[metrics.REQUESTS_TOTAL]
    if any(_newest(after, slot) <= _newest(before, slot) for slot in slots):
        return Seen(dict(counters), None)
    deltas = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Delta)}
    restarted = any(delta.restarted for name, delta in deltas.items() if name not in _NOT_A_SLOTS)
    look = sample_of(_counts(asked, deltas, asked.candidate), _counts(asked, deltas, asked.live), restarted=restarted)
    if isinstance(look, NoEvidence):
        # Counts that cannot be are left in the counters: the next reading brings them together with what they lack.
        return Seen(dict(counters), look)
    return Seen(rows, look)


def _newest(counters: Counters, slot: Slot) -> float:
    """Returns when a slot was scraped last, in seconds since the epoch; 0 when it never was."""
    return max((seen.scraped_at_seconds for key, seen in counters.last.items() if key.slot is slot), default=0.0)


def _row(row: list[Any]) -> CounterRow:
    slot, instance, event, value, at = row
    return str(slot), str(instance), str(event), int(value), float(at)


def _families(asked: Asked) -> list[Family]:
    edges = frozenset({repr(asked.slow_slo_edge_seconds), repr(asked.slow_live_edge_seconds), _INFINITY})
    bins = frozenset(str(number) for number in range(PREDICTION_BINS))
    return [
        Family(metrics.REQUESTS_TOTAL, asked.model, "outcome", frozenset(map(str, Outcome))),
        Family(_BUCKET, asked.model, "le", edges),
        Family(metrics.FALLBACKS_TOTAL, asked.model, "source"),
        Family(metrics.FEATURE_MISSING_REQUESTS_TOTAL, asked.model),
        Family(metrics.UNITS_TOTAL, asked.model),
        Family(metrics.UNIT_PREDICTION_BIN_TOTAL, asked.model, "bin", bins),
        Family(metrics.LABELLED_TOTAL, asked.model, "outcome", frozenset({"right", "wrong"})),
        Family(_GATEWAY, asked.model),
    ]


def _grouped(asked: Asked, series: Iterable[Series]) -> dict[str, list[Reading]]:
    edges = {repr(asked.slow_slo_edge_seconds), repr(asked.slow_live_edge_seconds), _INFINITY}
    versions = {version: slot for slot, version in asked.versions.items() if version}
    grouped: dict[str, list[Reading]] = {}
    for one in series:
        labels = one.labels
        # The question is for several models at once: what another one asked for is none of this one's series.
        if labels.get("model") != asked.model or labels.get("job") not in (asked.job, LABELS_JOB):
            continue
        if labels.get("le", _INFINITY) not in edges or labels.get("reference", asked.reference) != asked.reference:
            continue
        if one.name == metrics.LABELLED_TOTAL:
            slot = versions.get(labels.get("version", ""))
            if slot is None or labels.get("rollout") != str(asked.rollout):
                continue
            labels = {**labels, "slot": str(slot)}
        grouped.setdefault(one.name, []).append(Reading(labels, one.value, one.scraped_at_seconds))
    return grouped


def _gateway(asked: Asked, base: Counters, failed: Mapping[Slot, int]) -> list[Reading]:
    # The gateway is asked directly and answers for this moment, so each answer is newer than the one before; its place
    # in the sequence must not come from a clock that may jump.
    last = max((seen.scraped_at_seconds for seen in base.last.values()), default=0.0)
    return [
        Reading({"model": asked.model, "slot": str(slot), "instance": "gateway"}, float(count), last + 1)
        for slot, count in failed.items()
    ]


def _counts(asked: Asked, deltas: Mapping[str, Delta], slot: Slot) -> dict[str, Any]:
    def count(metric: str, *events: str) -> int:
        delta = deltas.get(metric)
        return delta.count(slot, *events) if delta else 0

    timed = count(_BUCKET, _INFINITY)
    failed = count(_GATEWAY, "")
    fallbacks = deltas.get(metrics.FALLBACKS_TOTAL)
    return {
        "requests": count(metrics.REQUESTS_TOTAL, *_JUDGED) + failed,
        "errors": count(metrics.REQUESTS_TOTAL, Outcome.ERROR, Outcome.TIMEOUT) + failed,
        "invalid_outputs": count(metrics.REQUESTS_TOTAL, Outcome.INVALID_OUTPUT),
        "slow_slo": timed - count(_BUCKET, repr(asked.slow_slo_edge_seconds)),
        "slow_live": timed - count(_BUCKET, repr(asked.slow_live_edge_seconds)),
        "fallbacks": sum(n for (where, _), n in fallbacks.counts.items() if where is slot) if fallbacks else 0,
        "missing_features": count(metrics.FEATURE_MISSING_REQUESTS_TOTAL, ""),
        "units": count(metrics.UNITS_TOTAL, "") if asked.callers_stay else 0,
        "prediction_bins": tuple(
            count(metrics.UNIT_PREDICTION_BIN_TOTAL, str(number)) for number in range(PREDICTION_BINS)
        ),
        "labelled": count(metrics.LABELLED_TOTAL, "right", "wrong"),
        "label_errors": count(metrics.LABELLED_TOTAL, "wrong"),
    }
