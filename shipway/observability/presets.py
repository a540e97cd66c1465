"""The alerts of one model that follow the field's usual thresholds, as its model.yaml tunes them."""

from shipway.contract import metrics
from shipway.contract.alerts import AlertName
from shipway.contract.model import ModelSpec
from shipway.observability.alert_rule import AlertRule, Record
from shipway.observability.burns import burns
from shipway.observability.rendering import seconds
from shipway.observability.utilisation import of_slots, utilisation

__all__ = ["P95", "P95_BASELINE", "PREDICTION", "WINDOW", "WINDOWS", "preset_rules"]

# The 95th percentile of a model's response time over a quarter of an hour, and the median of the same hours before.
P95, P95_BASELINE = "shipway:request_seconds:p95", "shipway:request_seconds:p95_baseline"
# What the detector calls the predictions among the features, and what else of its is no input.
PREDICTION, _NO_INPUT = "prediction", "prediction|label|relation"
# Windows that are closed; one under way says little yet. The presets look at a week, which holds each weekday once.
WINDOWS, WINDOW = "day|week|month", "week"

_P95_SECONDS, _BASELINE_DAYS = 900, 7
# Below this many requests a percentile is a few callers' luck.
_P95_REQUESTS = 100
_RECENT = "10m"
_UNKNOWN_WINDOW = "1h"
# One value is no pattern: the first request of all may come before its features. An increase of one may be told as a
# bit more.
_SEVERAL = 1.5
_PARITY_WINDOW, _UNDECIDED_WINDOW = "1h", "1d"
# The first values of a new view are offline a while after the first prediction that reads it.
_UNDECIDED_PATIENCE_SECONDS = 3600
_DRIFTED, _NO_ROWS = 1, 3
# Labels may come in batches.
_LABELS_PATIENCE_SECONDS = 3600


def preset_rules(model: ModelSpec, interval_seconds: float) -> list[Record | AlertRule]:
    """Returns the rules of one model; what its model.yaml sets to null is not among them.

    Args:
        model: whose thresholds they are.
        interval_seconds: how often they are evaluated.
    """
    name = model.name
    return [
        *burns(name, model.slo, interval_seconds),
        *_latency(name, model.alerts.latency_growth_factor),
        *utilisation(of_slots(name, model.resources), model.alerts.utilisation_ratio, {"model": name}),
        *_serving(name),
        *_drift(model),
        *_labels(model),
        *_parity(name, model.alerts.parity_difference_ratio),
        *(_parity_undecided(name) if model.features.reads and model.parity.enabled else []),
    ]


def _latency(model: str, factor: float | None) -> list[Record | AlertRule]:
    bucket, window = f'shipway:request_seconds_bucket{{model="{model}"}}', seconds(_P95_SECONDS)
    record = Record(P95, f"histogram_quantile(0.95, sum by (le) (rate({bucket}[{window}])))", {"model": model})
    if factor is None:
        return [record]
    p95 = f'{P95}{{model="{model}"}}'
    # The hour around this time of each earlier day; the median of the days forgives one bad one.
    days = " or ".join(
        f'label_replace(avg_over_time({p95}[1h] offset {24 * day - 1}h30m), "day", "{day}", "", "")'
        for day in range(1, _BASELINE_DAYS + 1)
    )
    baseline = f'{P95_BASELINE}{{model="{model}"}}'
    enough = f'sum(increase(shipway:request_seconds_bucket{{model="{model}",le="+Inf"}}[{window}])) >= {_P95_REQUESTS}'
    return [
        record,
        Record(P95_BASELINE, f"quantile(0.5, {days})", {"model": model}),
        AlertRule(
            AlertName.LATENCY_GROWN,
            f"{p95} > {factor:g} * {baseline} and on () {enough}",
            f"{model}: the 95th percentile of the response time is {{{{ $value | humanizeDuration }}}}, more than "
            f"{factor:g} times that of the same hours before",
            300,
        ),
    ]


def _serving(model: str) -> list[Record | AlertRule]:
    of = f'job="{metrics.MODELS_JOB}",model="{model}"'
    return [
        AlertRule(
            AlertName.BREAKER_OPEN,
            f'max by (slot) ({metrics.FEATURE_CIRCUIT_STATE}{{{of},state="open"}}) == 1',
            f"slot {{{{ $labels.slot }}}} of {model} spares the feature store, which failed too often",
            60,
        ),
        AlertRule(
            AlertName.DEAD_LETTERS,
            f"sum by (slot) (increase({metrics.DEAD_LETTERS_TOTAL}{{{of}}}[{_RECENT}])) > 0",
            f"slot {{{{ $labels.slot }}}} of {model} could not answer {{{{ $value | humanize }}}} requests "
            f"in {_RECENT}",
        ),
        AlertRule(
            AlertName.PREDICTIONS_LOST,
            f"sum by (slot, log) (increase({metrics.PREDICTION_LOG_DROPPED_TOTAL}{{{of}}}[{_RECENT}])) > 0",
            f"slot {{{{ $labels.slot }}}} of {model} lost {{{{ $value | humanize }}}} records of its "
            f"{{{{ $labels.log }}}} in {_RECENT}",
        ),
        AlertRule(
            AlertName.RETRAINING_FAILED,
            f'max(shipway_retraining_failed{{model="{model}"}}) > 0',
            f"{model}: {{{{ $value }}}} retrainings failed since the last one that did not",
        ),
    ]


def _drift(model: ModelSpec) -> list[Record | AlertRule]:
    name, presets = model.name, model.alerts
    status = f'{metrics.DRIFT_STATUS}{{model="{name}",window=~"{WINDOWS}"}}'

    def score(statistic: str, feature: str) -> str:
        return (
            f'max by (version, feature) ({metrics.DRIFT_SCORE}{{model="{name}",window="{WINDOW}",'
            f'statistic="{statistic}",feature{feature}}})'
        )

    inputs, predictions = f'!~"{_NO_INPUT}"', f'="{PREDICTION}"'
    rules = [
        AlertRule(
            AlertName.DRIFT,
            f"count by (version, window) (max by (version, window, feature) ({status} == {_DRIFTED})) > 0",
            f"{name} {{{{ $labels.version }}}}: {{{{ $value }}}} distributions of the {{{{ $labels.window }}}} are not "
            "those of its training",
        ),
        AlertRule(
            AlertName.NO_ROWS,
            f"count by (version, window) (max by (version, window, feature) ({status} == {_NO_ROWS})) > 0",
            f"{name} {{{{ $labels.version }}}}: nothing is known of {{{{ $value }}}} distributions of the "
            "{{ $labels.window }}, which has no rows",
        ),
        AlertRule(
            AlertName.DRIFT_UNKNOWN,
            f'sum(increase({metrics.DRIFT_UNKNOWN_TOTAL}{{model="{name}"}}[{_UNKNOWN_WINDOW}])) > 0',
            f"{name}: drift could not count {{{{ $value | humanize }}}} predictions in {_UNKNOWN_WINDOW}, for the "
            "reference of their version is missing",
        ),
        AlertRule(
            AlertName.WASSERSTEIN_ABOVE_LIMIT,
            f"count by (version) ({score('w1_normalised', inputs)} > {model.drift.w1_limit:g}) > 0",
            f"{name} {{{{ $labels.version }}}}: {{{{ $value }}}} inputs are farther than {model.drift.w1_limit:g} "
            "(normalised Wasserstein-1) from their reference",
        ),
    ]
    if (sigmas := presets.prediction_shift_sigmas) is not None:
        rules.append(
            AlertRule(
                AlertName.PREDICTION_SHIFT,
                f"{score('mean_shift', predictions)} > {sigmas:g}",
                f"{name} {{{{ $labels.version }}}}: the mean prediction is {{{{ $value | humanize }}}} standard "
                f"deviations from its reference, expected at most {sigmas:g}",
            )
        )
    if (ratio := presets.feature_deviation_ratio) is not None:
        rules.append(
            AlertRule(
                AlertName.FEATURE_DEVIATION,
                f"count by (version) ({score('mean_deviation', inputs)} > {ratio:g}) > 0",
                f"{name} {{{{ $labels.version }}}}: the means of {{{{ $value }}}} inputs differ by more than "
                f"{ratio:.0%} from those of its training",
            )
        )
    return [*rules]


def _labels(model: ModelSpec) -> list[Record | AlertRule]:
    name, rules = model.name, list[Record | AlertRule]()
    if (drop := model.alerts.accuracy_drop_ratio) is not None:
        rules.append(
            AlertRule(
                AlertName.QUALITY_DROP,
                f'max by (version, segment, metric) ({metrics.QUALITY_DROP_RATIO}{{model="{name}"}}) > {drop:g}',
                f"{name} {{{{ $labels.version }}}}: {{{{ $labels.metric }}}} of {{{{ $labels.segment }}}} has fallen "
                "by {{ $value | humanizePercentage }} for certain",
            )
        )
    if (coverage := model.alerts.label_coverage_ratio) is not None:
        rules.append(
            AlertRule(
                AlertName.LABELS_MISSING,
                f'max by (version) ({metrics.LABEL_COVERAGE_RATIO}{{model="{name}"}}) < {coverage:g}',
                f"{name} {{{{ $labels.version }}}}: labels of {{{{ $value | humanizePercentage }}}} of its predictions "
                f"have come, expected {coverage:.0%}",
                _LABELS_PATIENCE_SECONDS,
            )
        )
    return rules


def _parity(model: str, ratio: float | None) -> list[Record | AlertRule]:
    if ratio is None:
        return []

    def counted(name: str) -> str:
        return f'sum by (feature) (increase({name}{{model="{model}"}}[{_PARITY_WINDOW}]))'

    different, compared = counted(metrics.PARITY_DIFFERENT_TOTAL), counted(metrics.PARITY_COMPARED_TOTAL)
    return [
        AlertRule(
            AlertName.PARITY_DIFFERS,
            f"{different} / {compared} > {ratio:g} and {different} > {_SEVERAL:g}",
            f"{model}: {{{{ $value | humanizePercentage }}}} of the served values of {{{{ $labels.feature }}}} are not "
            "those that training would see",
        )
    ]


def _parity_undecided(model: str) -> list[Record | AlertRule]:
    def counted(name: str) -> str:
        # What the model answers to what was served needs no offline value.
        of = f'model="{model}",feature!~"prediction:.*"'
        return f"sum by (feature) (increase({name}{{{of}}}[{_UNDECIDED_WINDOW}]))"

    return [
        AlertRule(
            AlertName.PARITY_UNDECIDED,
            f"{counted(metrics.PARITY_ROWS_TOTAL)} > 0 unless {counted(metrics.PARITY_COMPARED_TOTAL)} > 0",
            f"{model}: {{{{ $value | humanize }}}} served values of {{{{ $labels.feature }}}} were looked at and none "
            "could be compared with the offline ones",
            _UNDECIDED_PATIENCE_SECONDS,
        )
    ]
