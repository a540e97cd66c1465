"""The three dashboards, made from the contract: for whoever runs the models, whoever owns them, whoever pays."""

from shipway.contract import metrics
from shipway.contract.alerts import AlertName, Severity
from shipway.contract.metrics import Outcome
from shipway.contract.presets import PresetsSpec
from shipway.observability.burns import BAD, BUDGET, JUDGED, SLOW, TIMED
from shipway.observability.panels import MODEL, Dashboard, Kind, Panel, Query, Unit
from shipway.observability.presets import P95, P95_BASELINE, PREDICTION, WINDOWS
from shipway.observability.utilisation import LIMIT_IN, UTILISATION

__all__ = ["DASHBOARDS"]

_OF = f'model=~"{MODEL}"'
_PRESETS = PresetsSpec()
# Recorded of the job that always scrapes: a slot whose rollout is judged is in the raw series twice.
_REQUESTS, _FALLBACKS = "shipway:requests_total", "shipway:fallbacks_total"
_MISSING_REQUESTS = "shipway:feature_missing_requests_total"
_FIRING = f'ALERTS{{alertstate="firing",alertname!="{AlertName.WATCHDOG}"}}'


def _rate(name: str, by: str, *more: str, window: str = "5m") -> str:
    return f"sum by ({by}) (rate({name}{{{','.join((_OF, *more))}}}[{window}]))"


def _quantile(name: str, quantile: float, by: str) -> str:
    return f"histogram_quantile({quantile:g}, {_rate(f'{name}_bucket', f'{by}, le')})"


def _over(record: str, window: str) -> str:
    return f"sum by (model) (sum_over_time({record}{{{_OF}}}[{window}]))"


def _traffic() -> tuple[Panel, ...]:
    seconds = "shipway:request_seconds"
    return (
        Panel(
            "Requests",
            "What comes, and how it ends.",
            Unit.PER_SECOND,
            (Query(_rate(_REQUESTS, "model, outcome"), "{{model}} {{outcome}}"),),
        ),
        Panel(
            "Bad answers",
            "The share of judged requests that failed; a caller's own mistakes are not judged.",
            Unit.RATIO,
            (
                Query(f"sum by (model) ({BAD}{{{_OF}}}) / sum by (model) ({JUDGED}{{{_OF}}})", "{{model}}"),
                Query(f'{BUDGET}{{{_OF},objective="errors"}}', "{{model}} allowed"),
            ),
        ),
        Panel(
            "Response time",
            "Half of the answers, and all but the slowest twentieth, take no longer.",
            Unit.SECONDS,
            tuple(Query(_quantile(seconds, q, "model"), f"{{{{model}}}} p{q * 100:g}") for q in (0.5, 0.95)),
        ),
        Panel(
            "Response time against the days before",
            "The 95th percentile now, over the median of the same hours before.",
            Unit.COUNT,
            (Query(f"{P95}{{{_OF}}} / {P95_BASELINE}{{{_OF}}}", "{{model}}"),),
            limit=_PRESETS.latency_growth_factor,
        ),
        Panel(
            "Where the time goes",
            "The 95th percentile of the time in the model and in the feature store.",
            Unit.SECONDS,
            (
                Query(_quantile(metrics.INFERENCE_SECONDS, 0.95, "model"), "{{model}} model"),
                Query(_quantile(metrics.FEATURE_SECONDS, 0.95, "model"), "{{model}} features"),
            ),
        ),
        Panel(
            "Traffic of each slot",
            "What the gateway gives to which slot.",
            Unit.PERCENT,
            (Query(f"{metrics.ROLLOUT_WEIGHT_PERCENT}{{{_OF}}}", "{{model}} {{slot}}"),),
        ),
    )


def _dependencies() -> tuple[Panel, ...]:
    return (
        Panel(
            "Answers that are not the model's",
            "Requests answered by a fallback, by its source; and those that nothing could answer.",
            Unit.PER_SECOND,
            (
                Query(_rate(_FALLBACKS, "model, source"), "{{model}} {{source}}"),
                Query(_rate(metrics.DEAD_LETTERS_TOTAL, "model"), "{{model}} dead letters"),
            ),
        ),
        Panel(
            "Age of features",
            "Half of the served values of a feature are no older.",
            Unit.SECONDS,
            (Query(_quantile(metrics.FEATURE_AGE_SECONDS, 0.5, "feature"), "{{feature}}"),),
        ),
        Panel(
            "Requests with a default",
            "The share of requests in which at least one feature was missing or stale.",
            Unit.RATIO,
            (Query(f"{_rate(_MISSING_REQUESTS, 'model')} / {_rate(_REQUESTS, 'model')}", "{{model}}"),),
        ),
        Panel(
            "Refused input",
            "Violations of the schema, by its rule.",
            Unit.PER_SECOND,
            (Query(_rate(metrics.VIOLATIONS_TOTAL, "model, rule"), "{{model}} {{rule}}"),),
        ),
        Panel(
            "Prediction log",
            "Records that came to disk, and those that were lost before.",
            Unit.PER_SECOND,
            (
                Query(_rate(metrics.PREDICTION_LOG_WRITTEN_TOTAL, "model, log"), "{{model}} {{log}}"),
                Query(_rate(metrics.PREDICTION_LOG_DROPPED_TOTAL, "model, log"), "{{model}} {{log}} lost"),
            ),
        ),
    )


def _machine() -> tuple[Panel, ...]:
    return (
        Panel(
            "Use of what there is",
            "CPU, memory, GPU and disk, each as a share of what it was given.",
            Unit.RATIO,
            (Query(f"max by (model, slot, resource, volume) ({UTILISATION})", "{{model}} {{slot}} {{resource}}"),),
            limit=_PRESETS.utilisation_ratio,
        ),
        Panel(
            "Time since each part last worked",
            "What is silent for longer than its objective raises an alert.",
            Unit.SECONDS,
            (Query(f"time() - {metrics.LAST_WORK}", "{{part}}"),),
        ),
        Panel(
            "Alerts that fire",
            "By their names; the page of alerts says what each means.",
            Unit.COUNT,
            (Query(f"sum by (alertname) ({_FIRING})", "{{alertname}}"),),
        ),
    )


def _quality() -> tuple[Panel, ...]:
    return (
        Panel(
            "Quality by late labels",
            "Each metric over the newest labelled week, all segments together.",
            Unit.COUNT,
            (
                Query(
                    f'max by (model, version, metric) ({metrics.QUALITY}{{{_OF},segment=""}})', "{{model}} {{metric}}"
                ),
            ),
        ),
        Panel(
            "Certain loss of quality",
            "How far a metric has fallen since the version was evaluated, beyond what chance explains.",
            Unit.RATIO,
            (Query(f"max by (model, metric) ({metrics.QUALITY_DROP_RATIO}{{{_OF}}})", "{{model}} {{metric}}"),),
            limit=_PRESETS.accuracy_drop_ratio,
        ),
        Panel(
            "Predictions whose label has come",
            "Without labels nobody knows how good a model is.",
            Unit.RATIO,
            (Query(f"max by (model, version) ({metrics.LABEL_COVERAGE_RATIO}{{{_OF}}})", "{{model}} {{version}}"),),
            limit=_PRESETS.label_coverage_ratio,
        ),
    )


def _distributions() -> tuple[Panel, ...]:
    score = f'max by (model, feature) ({metrics.DRIFT_SCORE}{{{_OF},window="day",statistic="w1_normalised"}})'
    return (
        Panel(
            "Predictions by bin",
            "How the predictions of the last hour spread over the bins of the training's own.",
            Unit.PER_SECOND,
            (Query(_rate(metrics.PREDICTION_BIN_TOTAL, "model, bin", window="1h"), "{{model}} {{bin}}"),),
        ),
        Panel(
            "Mean prediction against training",
            "In standard deviations of the reference, by window.",
            Unit.COUNT,
            (
                Query(
                    f'max by (model, window) ({metrics.DRIFT_SCORE}{{{_OF},feature="{PREDICTION}",'
                    f'statistic="mean_shift"}})',
                    "{{model}} {{window}}",
                ),
            ),
            limit=_PRESETS.prediction_shift_sigmas,
        ),
        Panel(
            "Distributions that have drifted",
            "By window; `shipway drift MODEL` ranks them by importance.",
            Unit.COUNT,
            (
                Query(
                    f'count by (model, window) ({metrics.DRIFT_STATUS}{{{_OF},window=~"{WINDOWS}"}} == 1)',
                    "{{model}} {{window}}",
                ),
            ),
        ),
        Panel(
            "Distance of the inputs from training",
            "The five farthest of the day, by the normalised Wasserstein-1 distance.",
            Unit.COUNT,
            (Query(f"topk(5, {score})", "{{model}} {{feature}}"),),
        ),
    )


def _changes() -> tuple[Panel, ...]:
    return (
        Panel(
            "Served features that training would not see",
            "The share of compared values that differ from the offline join.",
            Unit.RATIO,
            (
                Query(
                    f"{_rate(metrics.PARITY_DIFFERENT_TOTAL, 'model', window='1h')} / "
                    f"{_rate(metrics.PARITY_COMPARED_TOTAL, 'model', window='1h')}",
                    "{{model}}",
                ),
            ),
            limit=_PRESETS.parity_difference_ratio,
        ),
        Panel(
            "Rollouts",
            "The phase that each model's release is in.",
            Unit.COUNT,
            (Query(f"{metrics.ROLLOUT_PHASE}{{{_OF}}} == 1", "{{model}} {{phase}}"),),
        ),
    )


def _promises() -> tuple[Panel, ...]:
    return (
        Panel(
            "Requests answered well, of the last day",
            "The share that did not fail.",
            Unit.RATIO,
            (Query(f"1 - {_over(BAD, '1d')} / {_over(JUDGED, '1d')}", "{{model}}"),),
            Kind.NUMBER,
        ),
        Panel(
            "Left of the month's error budget",
            "At nothing the promise of model.yaml is broken; below it, it was.",
            Unit.RATIO,
            (
                Query(
                    f"1 - ({_over(BAD, '30d')} / {_over(JUDGED, '30d')}) / on (model) "
                    f'(max by (model) ({BUDGET}{{{_OF},objective="errors"}}) > 0)',
                    "{{model}}",
                ),
            ),
            Kind.NUMBER,
        ),
        Panel(
            "Answers in time, of the last day",
            "The share that was faster than the promised response time.",
            Unit.RATIO,
            (Query(f"1 - {_over(SLOW, '1d')} / {_over(TIMED, '1d')}", "{{model}}"),),
            Kind.NUMBER,
        ),
    )


def _needs() -> tuple[Panel, ...]:
    ok = f'outcome="{Outcome.OK}"'
    return (
        Panel(
            "Predictions of the last day",
            "How much the models are used.",
            Unit.COUNT,
            (Query(f"sum by (model) (increase({_REQUESTS}{{{_OF},{ok}}}[1d]))", "{{model}}"),),
            Kind.NUMBER,
        ),
        Panel(
            "Pages that are open",
            "What somebody is awake for now.",
            Unit.COUNT,
            (Query(f'count({_FIRING[:-1]},severity="{Severity.PAGE}"}}) or vector(0)', "pages"),),
            Kind.NUMBER,
        ),
        Panel(
            "Until something is full",
            "Where use goes on as in the last six hours.",
            Unit.SECONDS,
            (Query(f"min by (resource) ({LIMIT_IN})", "{{resource}}"),),
            Kind.NUMBER,
        ),
        Panel(
            "Quality by late labels",
            "The accuracy of each model's newest labelled week.",
            Unit.RATIO,
            (Query(f'max by (model) ({metrics.QUALITY}{{{_OF},segment="",metric="accuracy"}})', "{{model}}"),),
        ),
        Panel(
            "Predictions an hour",
            "How use grows.",
            Unit.COUNT,
            (Query(f"sum by (model) (increase({_REQUESTS}{{{_OF},{ok}}}[1h]))", "{{model}}"),),
        ),
    )


DASHBOARDS: tuple[Dashboard, ...] = (
    Dashboard(
        "engineer", "Shipway: engineer", "Is it well, and if not, where?", (*_traffic(), *_dependencies(), *_machine())
    ),
    Dashboard(
        "product",
        "Shipway: product",
        "How good are the predictions, and do they stay so?",
        (*_quality(), *_distributions(), *_changes()),
    ),
    Dashboard(
        "executive",
        "Shipway: executive",
        "Does it keep its promises, and what will it need?",
        (*_promises(), *_needs()),
    ),
)
