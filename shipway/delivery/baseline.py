"""What live does now, as each guardrail will count it: the ratios a candidate is going to be compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from shipway.contract import metrics
from shipway.contract.evidence import Gate
from shipway.contract.metrics import MODELS_JOB, Outcome
from shipway.delivery import survey
from shipway.delivery.looking import latency_edge, p95_edge
from shipway.delivery.survey import RATE_WINDOW, Get

__all__ = ["Baseline", "measure"]

_JUDGED = (Outcome.OK, Outcome.ERROR, Outcome.INVALID_OUTPUT, Outcome.TIMEOUT)
# Labels come late and in batches: a minute would often hold none.
_LABELS_WINDOW = "1d"


@dataclass(frozen=True)
class Baseline:
    """One model's traffic now.

    Args:
        requests_per_second: all that is judged; None when Prometheus does not answer, 0 when there is none.
        error_ratio: errors, timeouts and invalid outputs among them; None when there is no request.
        ratios: gate -> its ratio of bad requests; a gate that nothing is known of is absent.
    """

    requests_per_second: float | None
    error_ratio: float | None
    ratios: Mapping[Gate, float]


def measure(prometheus: Get, model: str, slo_seconds: float) -> Baseline:
    """Returns what Prometheus knows of the last minute of `model`."""
    ask = partial(_asked, prometheus)
    outcomes = ask(f"sum by (outcome) (rate({metrics.REQUESTS_TOTAL}{_of(model)}[{RATE_WINDOW}]))", "outcome")
    if outcomes is None:
        return Baseline(None, None, {})
    judged = sum(outcomes.get(outcome, 0.0) for outcome in _JUDGED)
    if judged <= 0:
        return Baseline(0.0, None, {})
    errors = outcomes.get(Outcome.ERROR, 0.0) + outcomes.get(Outcome.TIMEOUT, 0.0)
    invalid = outcomes.get(Outcome.INVALID_OUTPUT, 0.0)
    ratios = {Gate.ERRORS: errors / judged, Gate.INVALID_OUTPUTS: invalid / judged}
    ratios[Gate.SLO_ERRORS] = (errors + invalid) / judged
    for gate, name in (
        (Gate.FALLBACKS, metrics.FALLBACKS_TOTAL),
        (Gate.MISSING_FEATURES, metrics.FEATURE_MISSING_REQUESTS_TOTAL),
    ):
        counted = ask(f"sum by (model) (rate({name}{_of(model)}[{RATE_WINDOW}]))", "model")
        if counted is not None:
            ratios[gate] = min(1.0, sum(counted.values()) / judged)
    buckets = ask(f"sum by (le) (rate({metrics.REQUEST_SECONDS}_bucket{_of(model)}[{RATE_WINDOW}]))", "le")
    ratios |= slow_ratios({float(edge): rate for edge, rate in (buckets or {}).items()}, slo_seconds)
    labels = ask(
        f"sum by (outcome) (increase({metrics.LABELLED_TOTAL}{_of(model, '')}[{_LABELS_WINDOW}]))",
        "outcome",
    )
    if labels and (total := sum(labels.values())) > 0:
        ratios[Gate.LABEL_ERRORS] = labels.get("wrong", 0.0) / total
    return Baseline(judged, min(1.0, (errors + invalid) / judged), ratios)


def slow_ratios(buckets: Mapping[float, float], slo_seconds: float) -> dict[Gate, float]:
    """Returns the ratios of slow requests from edge (seconds) -> requests at most that slow; empty without requests."""
    total = buckets.get(float("inf"), 0.0)
    if total <= 0:
        return {}
    found: dict[Gate, float] = {}
    within = buckets.get(latency_edge(slo_seconds))
    if within is not None:
        found[Gate.SLOW_SLO] = found[Gate.SLO_LATENCY] = max(0.0, 1 - within / total)
    p95 = p95_edge(buckets)
    if p95 is not None:
        found[Gate.SLOW_LIVE] = max(0.0, 1 - buckets[p95] / total)
    return found


def _of(model: str, job: str = MODELS_JOB) -> str:
    return f'{{model="{model}"' + (f',job="{job}"}}' if job else "}")


def _asked(prometheus: Get, text: str, label: str) -> dict[str, float] | None:
    answer = survey.query(prometheus, text)
    return None if answer is None else {labels.get(label, ""): value for labels, value in answer}
