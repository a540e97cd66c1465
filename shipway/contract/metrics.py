"""Metric and label names, the outcomes and the shared latency grid: one registry that every part reads."""

from enum import StrEnum

__all__ = [
    "ALERTS_JOB",
    "DEAD_LETTERS_TOTAL",
    "DELIVERY_JOB",
    "DELIVERY_PROBLEM",
    "DISK_BYTES",
    "DRIFT_JOB",
    "DRIFT_SCORE",
    "DRIFT_STATUS",
    "DRIFT_UNKNOWN_TOTAL",
    "EVENT_TIME_HEADER",
    "EVIDENCE_PATH",
    "EVIDENCE_SERIES",
    "FALLBACKS_TOTAL",
    "FALLBACK_READY",
    "FEATURE_AGE_EDGES_SECONDS",
    "FEATURE_AGE_SECONDS",
    "FEATURE_BIN_TOTAL",
    "FEATURE_CIRCUIT_OPENED_TOTAL",
    "FEATURE_CIRCUIT_STATE",
    "FEATURE_MISSING_REQUESTS_TOTAL",
    "FEATURE_MISSING_TOTAL",
    "FEATURE_READS_TOTAL",
    "FEATURE_RETRIES_TOTAL",
    "FEATURE_SECONDS",
    "FEATURE_TAIL_EXCESS_TOTAL",
    "GATEWAY_JOB",
    "HEARTBEAT_TIMESTAMP_SECONDS",
    "HIGHER_IS_BETTER",
    "INFERENCE_SECONDS",
    "LABELLED_TOTAL",
    "LABELS_JOB",
    "LABEL_COVERAGE_RATIO",
    "LAST_WORK",
    "LATENCY_EDGES_SECONDS",
    "LEDGER_JOB",
    "LOG_FIELDS",
    "MATERIALISE_JOB",
    "MODELS_JOB",
    "MODEL_INFO",
    "PARITY_COMPARED_TOTAL",
    "PARITY_DIFFERENT_TOTAL",
    "PARITY_JOB",
    "PARITY_ROWS_TOTAL",
    "PREDICTIONS_LOG_JOB",
    "PREDICTION_BINS",
    "PREDICTION_BIN_TOTAL",
    "PREDICTION_LOG_DROPPED_TOTAL",
    "PREDICTION_LOG_WRITTEN_TOTAL",
    "PROCESS_CPU_SECONDS_TOTAL",
    "PROCESS_MEMORY_BYTES",
    "QUALITY",
    "QUALITY_DROP_BESIDE_RATIO",
    "QUALITY_DROP_LIMIT_RATIO",
    "QUALITY_DROP_RATIO",
    "RECORDED",
    "REFUSED_HEADER",
    "REQUESTS_TOTAL",
    "REQUEST_SECONDS",
    "RETRAINER_JOB",
    "RETRAINING_DUE_TIMESTAMP_SECONDS",
    "RETRAINING_FAILED",
    "RETRAINING_JOB",
    "RETRAINING_LAST_SUCCESS_TIMESTAMP_SECONDS",
    "RETRAINING_RUNNING",
    "ROLLOUT_HEADER",
    "ROLLOUT_JOB",
    "ROLLOUT_PHASE",
    "ROLLOUT_WEIGHT_PERCENT",
    "SCRAPE_JOB",
    "SERVING_JOB",
    "UNITS_TOTAL",
    "UNIT_HEADER",
    "UNIT_PREDICTION_BIN_TOTAL",
    "VERSIONS_HEADER",
    "VIOLATIONS_TOTAL",
    "Outcome",
    "Slot",
]


class Outcome(StrEnum):
    """How one request ended; `rejected_input` is the caller's fault and never counts against a version."""

    OK = "ok"
    ERROR = "error"
    INVALID_OUTPUT = "invalid_output"
    TIMEOUT = "timeout"
    REJECTED_INPUT = "rejected_input"


class Slot(StrEnum):
    """The two places in which a version of a model can run."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> "Slot":
        """The slot that is not this one."""
        return Slot.GREEN if self is Slot.BLUE else Slot.BLUE


# 48 edges, log-spaced from 1 ms to 60 s: candidate and live are compared on shared edges only, so the grid is one
# for all models; neighbours are a factor of 1.264 apart, which bounds how wrong a quantile shown to a person can be.
LATENCY_EDGES_SECONDS: tuple[float, ...] = tuple(round(0.001 * 60000 ** (i / 47), 6) for i in range(48))

# From a second to a month: older values are told apart by nothing.
FEATURE_AGE_EDGES_SECONDS: tuple[float, ...] = (
    *(1, 5, 15, 60, 300, 900),
    *(3600, 7200, 14_400, 43_200),
    *(86_400, 259_200, 604_800, 2_592_000),
)

# What a line of a slot's own log holds. No line holds a request: what was predicted for whom goes into the prediction
# log, where the schema's personal fields are hashed.
LOG_FIELDS = ("asctime", "name", "levelname", "message")

# Bins of the prediction's distribution; their edges come with the bundle.
PREDICTION_BINS = 20

REQUESTS_TOTAL = "shipway_requests_total"
REQUEST_SECONDS = "shipway_request_seconds"
FALLBACKS_TOTAL = "shipway_fallbacks_total"
# 1 for a source of the fallback chain that could answer now, 0 for one that could not: it is known before it is needed.
FALLBACK_READY = "shipway_fallback_ready"
# Requests that nobody could answer, by `outcome` of the model; each is in the file of dead letters.
DEAD_LETTERS_TOTAL = "shipway_dead_letters_total"
FEATURE_MISSING_TOTAL = "shipway_feature_missing_total"
# Requests that got the default of at least one feature; the counter above counts each feature, so it is no ratio.
FEATURE_MISSING_REQUESTS_TOTAL = "shipway_feature_missing_requests_total"
PREDICTION_BIN_TOTAL = "shipway_prediction_bin_total"
# Units (callers) seen for the first time in the current step of a rollout, and the first prediction of each unit in
# the rollout by bin; label `reference` is the short digest of the bundle whose edges these are.
UNITS_TOTAL = "shipway_units_total"
UNIT_PREDICTION_BIN_TOTAL = "shipway_unit_prediction_bin_total"
# Predictions made while both slots served whose label has come, by `rollout` and `outcome` (right or wrong).
LABELLED_TOTAL = "shipway_labelled_total"
VIOLATIONS_TOTAL = "shipway_violations_total"
INFERENCE_SECONDS = "shipway_inference_seconds"
FEATURE_SECONDS = "shipway_feature_seconds"
# Tries to read the feature store by `outcome`; failed ones that were tried again or not by `outcome` made and refused.
FEATURE_READS_TOTAL = "shipway_feature_reads_total"
FEATURE_RETRIES_TOTAL = "shipway_feature_retries_total"
# 1 for the state (closed, open, half_open) of the circuit before the store, and how often it opened.
FEATURE_CIRCUIT_STATE = "shipway_feature_circuit_state"
FEATURE_CIRCUIT_OPENED_TOTAL = "shipway_feature_circuit_opened_total"
FEATURE_AGE_SECONDS = "shipway_feature_age_seconds"
# Values of a request field or feature by bin of the drift reference (`shipway.drift.bins` says which bins there are),
# and how far the values in its two tails lie beyond the reference's range, summed: both by `feature` and `bin`.
FEATURE_BIN_TOTAL = "shipway_feature_bin_total"
FEATURE_TAIL_EXCESS_TOTAL = "shipway_feature_tail_excess_total"
PREDICTION_LOG_WRITTEN_TOTAL = "shipway_prediction_log_written_total"
PREDICTION_LOG_DROPPED_TOTAL = "shipway_prediction_log_dropped_total"
MODEL_INFO = "shipway_model_info"
HEARTBEAT_TIMESTAMP_SECONDS = "shipway_heartbeat_timestamp_seconds"
# What a slot's own process has used, of the resources that model.yaml gives one replica.
PROCESS_CPU_SECONDS_TOTAL = "shipway_process_cpu_seconds_total"
PROCESS_MEMORY_BYTES = "shipway_process_memory_bytes"
# The detector's: a score by `window`, `feature` and `statistic`, and the verdict (0 stable, 1 drifted, 2 too few rows,
# 3 silent). The feature of the predictions themselves is called `prediction`.
DRIFT_SCORE, DRIFT_STATUS = "shipway_drift_score", "shipway_drift_status"
# Predictions that it passed over, because no reference of their version is there.
DRIFT_UNKNOWN_TOTAL = "shipway_drift_unknown_total"
# By late labels: each metric of a version and segment (`_low` and `_high` beside it), how far it has fallen for certain
# since the version was evaluated, and the share of predictions whose label has come.
QUALITY, QUALITY_DROP_RATIO = "shipway_quality", "shipway_quality_drop_ratio"
# The same against the version before it in the same hours alone: what a rollback may follow from.
QUALITY_DROP_BESIDE_RATIO = "shipway_quality_drop_beside_ratio"
# How far a metric of a model may fall: `alerts.accuracy_drop_ratio` of its model.yaml.
QUALITY_DROP_LIMIT_RATIO = "shipway_quality_drop_limit_ratio"
LABEL_COVERAGE_RATIO = "shipway_label_coverage_ratio"
# Metrics of a model by which more is better; for every other less is.
HIGHER_IS_BETTER = frozenset({"accuracy", "auc", "r2"})
# Served feature values that were compared with the offline join, and those that were not the same.
# All that were looked at, by `contract.parity.ParityOutcome`: what could not be compared is in neither sum.
PARITY_ROWS_TOTAL = "shipway_parity_rows_total"
PARITY_COMPARED_TOTAL, PARITY_DIFFERENT_TOTAL = "shipway_parity_compared_total", "shipway_parity_different_total"
# Of the disk that a local stack keeps its files on, `kind` is used or size.
DISK_BYTES = "shipway_disk_bytes"
ROLLOUT_WEIGHT_PERCENT, ROLLOUT_PHASE = "shipway_rollout_weight_percent", "shipway_rollout_phase"
# 1 by `subject`, a model or a part of the platform, while something stands in the way of what delivery is to do there.
DELIVERY_PROBLEM = "shipway_delivery_problem"
# When each periodic thing last left something, by `part`; recorded, so that it is known after the thing has died. What
# never worked counts from the moment at which Prometheus first looked for it.
LAST_WORK = "shipway:last_work_timestamp_seconds"

# By model: how many retrainings have failed since the last one that did not, when that was, by when the next one of a
# schedule must have succeeded (only where there is a schedule), and whether one is under way.
RETRAINING_FAILED = "shipway_retraining_failed"
RETRAINING_LAST_SUCCESS_TIMESTAMP_SECONDS = "shipway_retraining_last_success_timestamp_seconds"
RETRAINING_DUE_TIMESTAMP_SECONDS = "shipway_retraining_due_timestamp_seconds"
RETRAINING_RUNNING = "shipway_retraining_running"

# Scrape jobs. Slots whose rollout is judged are scraped a second time and oftener, under a job of their own.
MODELS_JOB, ROLLOUT_JOB, GATEWAY_JOB, DELIVERY_JOB, LABELS_JOB = "models", "rollout", "gateway", "delivery", "labels"
DRIFT_JOB, RETRAINING_JOB = "drift", "retraining"
# Never scraped: on a cluster, the job of each model that looks what is due and carries it out.
RETRAINER_JOB = "retrainer"
# Never scraped: on a cluster, the name under which the heartbeat of the job that fills the online store is recorded.
MATERIALISE_JOB = "materialise"
# Heartbeats of what is no process of its own: scrapes, alerts on their way, the ledger, slots and their log.
SCRAPE_JOB, ALERTS_JOB, LEDGER_JOB, SERVING_JOB = "scrape", "alerts", "ledger", "serving"
PREDICTIONS_LOG_JOB = "predictions_log"
PARITY_JOB = "parity"
# What a rollout is judged by, of the series that a slot exports, and the page that holds these and no others: the whole
# page of a model with features takes thirty milliseconds of its event loop, too much to ask for four times a second.
EVIDENCE_PATH = "/metrics/evidence"
EVIDENCE_SERIES = (
    REQUESTS_TOTAL,
    f"{REQUEST_SECONDS}_bucket",
    FALLBACKS_TOTAL,
    FEATURE_MISSING_REQUESTS_TOTAL,
    UNITS_TOTAL,
    UNIT_PREDICTION_BIN_TOTAL,
)

# The header that keeps a unit (a user, a flight) on its slot while the weights grow.
UNIT_HEADER = "x-unit-id"
# When a request says that it is asked, an ISO 8601 time with an offset; believed on tier local alone.
EVENT_TIME_HEADER = "x-event-time"
# Added by the gateway while both slots serve: `<rollout>/<step>`, two numbers. A caller's own is replaced.
ROLLOUT_HEADER = "x-shipway-rollout"
# Added by the gateway to the share of a slot that is not live: the versions that may answer, with commas. A slot that
# holds another one, put there a moment ago, refuses with the second header, and the gateway goes on to live.
VERSIONS_HEADER = "x-shipway-versions"
REFUSED_HEADER = "x-shipway-refused"

# Recording rule -> the series it renames. The names on the left are the same on every target, and `instance` stays:
# a delta is taken per series before anything is summed.
RECORDED: dict[str, str] = {
    "shipway:requests_total": REQUESTS_TOTAL,
    "shipway:request_seconds_bucket": f"{REQUEST_SECONDS}_bucket",
    "shipway:fallbacks_total": FALLBACKS_TOTAL,
    "shipway:feature_missing_total": FEATURE_MISSING_TOTAL,
    "shipway:feature_missing_requests_total": FEATURE_MISSING_REQUESTS_TOTAL,
    "shipway:prediction_bin_total": PREDICTION_BIN_TOTAL,
    "shipway:units_total": UNITS_TOTAL,
    "shipway:unit_prediction_bin_total": UNIT_PREDICTION_BIN_TOTAL,
}
