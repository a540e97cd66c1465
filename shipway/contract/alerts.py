"""Every alert there is: what it means, how urgent it is, and the command that shows more."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ALERTS", "PLATFORM_OWNER", "PLATFORM_RUNBOOK", "Alert", "AlertName", "Severity", "runbook"]

# Who answers for what belongs to no model, and where what to do is written.
PLATFORM_OWNER, PLATFORM_RUNBOOK = "platform", "docs/alerts.md"


class Severity(StrEnum):
    """Whether a person is woken, or finds it in the morning; nobody is told of what only proves that alerts arrive."""

    PAGE = "page"
    TICKET = "ticket"
    NONE = "none"


class AlertName(StrEnum):
    """The alerts by the name that Alertmanager knows."""

    SLOT_DOWN = "ShipwaySlotDown"
    MODEL_NOT_SCRAPED = "ShipwayModelNotScraped"
    ERROR_RATIO_ABOVE_SLO = "ShipwayErrorRatioAboveSlo"
    FEATURES_STALE = "ShipwayFeaturesStale"
    GATEWAY_DOWN = "ShipwayGatewayDown"
    SILENT = "ShipwaySilent"
    WATCHDOG = "ShipwayWatchdog"
    DELIVERY_HINDERED = "ShipwayDeliveryHindered"
    ROLLOUT_STUCK = "ShipwayRolloutStuck"
    ROLLOUT_PAUSED = "ShipwayRolloutPaused"
    EVIDENCE_MISSING = "ShipwayEvidenceMissing"
    BOTH_SLOTS_BAD = "ShipwayBothSlotsBad"
    ROLLED_BACK = "ShipwayRolledBack"
    BUDGET_BURNS_FAST = "ShipwayBudgetBurnsFast"
    BUDGET_BURNS_SLOWLY = "ShipwayBudgetBurnsSlowly"
    LATENCY_GROWN = "ShipwayLatencyGrown"
    UTILISATION_HIGH = "ShipwayUtilisationHigh"
    BREAKER_OPEN = "ShipwayBreakerOpen"
    DEAD_LETTERS = "ShipwayDeadLetters"
    PREDICTIONS_LOST = "ShipwayPredictionsLost"
    DRIFT = "ShipwayDrift"
    NO_ROWS = "ShipwayNoRows"
    DRIFT_UNKNOWN = "ShipwayDriftUnknown"
    PREDICTION_SHIFT = "ShipwayPredictionShift"
    FEATURE_DEVIATION = "ShipwayFeatureDeviation"
    WASSERSTEIN_ABOVE_LIMIT = "ShipwayWassersteinAboveLimit"
    QUALITY_DROP = "ShipwayQualityDrop"
    LABELS_MISSING = "ShipwayLabelsMissing"
    PARITY_DIFFERS = "ShipwayParityDiffers"
    PARITY_UNDECIDED = "ShipwayParityUndecided"
    RETRAINING_FAILED = "ShipwayRetrainingFailed"
    GPUS_NOT_WATCHED = "ShipwayGpusNotWatched"
    GPU_FAULT = "ShipwayGpuFault"
    GPU_MEMORY_FULL = "ShipwayGpuMemoryFull"


@dataclass(frozen=True)
class Alert:
    """What one alert is.

    Args:
        severity: how urgent; of an alert that is a page for some and a ticket for others, a page.
        meaning: what is the matter, and what it does to the traffic.
        look: the command to look with; MODEL stands for the alert's model.
        first: what to look at, and what to do about what is found there.
    """

    severity: Severity
    meaning: str
    look: str
    first: str


def runbook(name: AlertName, page: str = PLATFORM_RUNBOOK) -> str:
    """Returns where what to do about an alert is written: its heading on the page of all alerts.

    >>> runbook(AlertName.SLOT_DOWN)
    'docs/alerts.md#shipwayslotdown'
    """
    return f"{page}#{name.lower()}"


ALERTS: dict[AlertName, Alert] = {
    AlertName.SLOT_DOWN: Alert(
        Severity.PAGE,
        "A filled slot does not answer its scrape; the gateway sends no request there.",
        "shipway status MODEL",
        "The slot's log says why it ended or what it waits for; with both slots down, `shipway rollback MODEL` helps "
        "nobody: start one.",
    ),
    AlertName.MODEL_NOT_SCRAPED: Alert(
        Severity.PAGE,
        "A released model is scraped nowhere, so nobody knows how it does.",
        "shipway status MODEL",
        "Its target file or ServiceMonitor is missing: `make up` makes it again.",
    ),
    AlertName.ERROR_RATIO_ABOVE_SLO: Alert(
        Severity.PAGE,
        "A slot fails more of its requests than its service level objective allows, over five minutes.",
        "shipway status MODEL",
        "One slot alone: roll it back. Both: look at what they share, which is the features and the machine.",
    ),
    AlertName.BUDGET_BURNS_FAST: Alert(
        Severity.PAGE,
        "Requests fail, or are slow, so fast that the model's error budget ends within days: in an hour 2 % of a "
        "window's budget went, or 5 % in six hours.",
        "shipway status MODEL",
        "`objective` says whether errors or latency burn it. `shipway rollback MODEL` if it began with a release.",
    ),
    AlertName.BUDGET_BURNS_SLOWLY: Alert(
        Severity.TICKET,
        "A tenth of the model's error budget went in a tenth of its window, and it goes on: at its end nothing is "
        "left.",
        "shipway status MODEL",
        "`objective` says whether errors or latency burn it; find the version and the hour at which it began.",
    ),
    AlertName.LATENCY_GROWN: Alert(
        Severity.TICKET,
        "The 95th percentile of the response time is more than `latency_growth_factor` times what it was at the same "
        "hours of the days before.",
        "shipway status MODEL",
        "Compare the time in the model with the time in the feature store on the engineer's dashboard; then the load.",
    ),
    AlertName.UTILISATION_HIGH: Alert(
        Severity.TICKET,
        "More than `utilisation_ratio` of a CPU, memory, GPU or disk is used; the text says when it will be full if "
        "it goes on like this.",
        "shipway dashboards --png .",
        "More replicas or a larger `resources` in model.yaml; for the disk of the store, fewer days of "
        "`retention_days`.",
    ),
    AlertName.FEATURES_STALE: Alert(
        Severity.TICKET,
        "Half of the values of a feature are older than its `freshness_slo_seconds`, or half of the requests of a "
        "version got its default for a row at least; its publisher is late.",
        "shipway status MODEL",
        "See whether the publisher of the view runs; until it does, requests get the declared defaults. Where callers "
        "send many rows at once, one entity in each request that the store does not know is enough.",
    ),
    AlertName.BREAKER_OPEN: Alert(
        Severity.TICKET,
        "The feature store failed so often that it is spared; the model gets the declared defaults meanwhile.",
        "shipway status MODEL",
        "Look at the store. The circuit closes by itself once a trial succeeds.",
    ),
    AlertName.DEAD_LETTERS: Alert(
        Severity.TICKET,
        "Requests were answered by nothing, not even a fallback; they lie in the dead-letter file.",
        "shipway dead-letters MODEL",
        "The file says why each could not be answered; they can be sent again.",
    ),
    AlertName.PREDICTIONS_LOST: Alert(
        Severity.TICKET,
        "Answered predictions were dropped before they were on disk: the queue or the disk is full.",
        "shipway doctor",
        "Free the disk; what was dropped has no label, no drift and no parity.",
    ),
    AlertName.GATEWAY_DOWN: Alert(
        Severity.PAGE,
        "The gateway does not answer: no request reaches any model.",
        "shipway status",
        "Its log says why it ended; the supervisor or the cluster starts it again with its last routes.",
    ),
    AlertName.SILENT: Alert(
        Severity.PAGE,
        "Something periodic has left nothing for longer than its objective, whether it died, hangs or only seems to "
        "work; `part` says what. A page for what traffic depends on, a ticket otherwise.",
        "shipway doctor",
        "The table of periodic things below says what each leaves behind and where to look.",
    ),
    AlertName.WATCHDOG: Alert(
        Severity.NONE,
        "Fires always, and tells nobody: while its notifications arrive, alerts do. Their absence is told by the "
        "receiver, and by who listens at `alerts.watchdog_url`.",
        "shipway status",
        "Nothing: it is well while it fires.",
    ),
    AlertName.DELIVERY_HINDERED: Alert(
        Severity.TICKET,
        "For minutes something has stood in the way of what delivery is to do, be it only for one model: a declaration "
        "that cannot be read, a gateway that does not confirm a route, a slot whose digest was changed by hand. What "
        "is served stays as it is meanwhile, also what should have been rolled back.",
        "shipway status",
        "A line `problem:` names a declaration that cannot be read; of everything else the log of the process "
        "`delivery` says when it began, what it is, and when it was over.",
    ),
    AlertName.ROLLOUT_STUCK: Alert(
        Severity.TICKET,
        "A step has used more than half of `max_step_seconds`, at whose end the candidate is rolled back.",
        "shipway explain MODEL",
        "The explanation says which gate still doubts, and how much traffic it would need.",
    ),
    AlertName.ROLLOUT_PAUSED: Alert(
        Severity.TICKET,
        "A rollout waits for a person: `shipway approve` lets it go on, `shipway rollback` ends it.",
        "shipway explain MODEL",
        "Read why it paused, then choose one of the two.",
    ),
    AlertName.EVIDENCE_MISSING: Alert(
        Severity.PAGE,
        "For more than ten seconds nothing was learnt about a version that takes traffic: it is held where it is.",
        "shipway status MODEL",
        "Prometheus, the slot or its traffic is missing; the text names what else is wrong.",
    ),
    AlertName.BOTH_SLOTS_BAD: Alert(
        Severity.PAGE,
        "No slot is proved healthy, so the weights are frozen; look for what both slots share.",
        "shipway status MODEL",
        "Features, the machine, callers: what both share is at fault, and no other weights would help.",
    ),
    AlertName.ROLLED_BACK: Alert(
        Severity.TICKET,
        "A candidate was rolled back or never became ready; the version before it takes the traffic.",
        "shipway explain MODEL",
        "The explanation names the gate and its numbers; a mended version gets a new digest.",
    ),
    AlertName.DRIFT: Alert(
        Severity.TICKET,
        "The distribution of an input, of the predictions or of the labels is not the one the model was trained on, "
        "in two of three windows.",
        "shipway drift MODEL",
        "Ranked by importance: a real change of the world asks for `shipway retrain MODEL`, a broken source for its "
        "owner.",
    ),
    AlertName.NO_ROWS: Alert(
        Severity.TICKET,
        "A window of the model holds no rows at all, so nothing can be said of its drift.",
        "shipway drift MODEL",
        "Has the model traffic? If so, its predictions are not logged or not counted.",
    ),
    AlertName.DRIFT_UNKNOWN: Alert(
        Severity.TICKET,
        "Predictions of a version cannot be counted, because its drift reference is not there or not whole: whether it "
        "drifts is not known.",
        "shipway drift MODEL",
        "The log of the drift worker names the version and what is wrong with its bundle. Put that back; what was "
        "passed over meanwhile is not counted later.",
    ),
    AlertName.PREDICTION_SHIFT: Alert(
        Severity.TICKET,
        "The mean prediction of a week lies more than `prediction_shift_sigmas` standard deviations of the reference "
        "from the reference's mean.",
        "shipway drift MODEL",
        "Look for the input that moved with it; without one, the model or its features are broken.",
    ),
    AlertName.FEATURE_DEVIATION: Alert(
        Severity.TICKET,
        "The mean of an input over a week differs by more than `feature_deviation_ratio` from its mean in training.",
        "shipway drift MODEL",
        "A hint, not a proof: the verdicts of drift say whether it is more than chance.",
    ),
    AlertName.WASSERSTEIN_ABOVE_LIMIT: Alert(
        Severity.TICKET,
        "The normalised Wasserstein-1 distance of an input over a week is above `drift.w1_limit`.",
        "shipway drift MODEL",
        "A hint, not a proof: the verdicts of drift say whether it is more than chance.",
    ),
    AlertName.QUALITY_DROP: Alert(
        Severity.PAGE,
        "By late labels, a metric of a version has fallen by more than `accuracy_drop_ratio`, beyond what chance "
        "explains.",
        "shipway status MODEL",
        "`segment` and `version` say where. Under guard it is rolled back by itself; otherwise `shipway rollback "
        "MODEL` or `shipway retrain MODEL`.",
    ),
    AlertName.LABELS_MISSING: Alert(
        Severity.TICKET,
        "Fewer labels than `label_coverage_ratio` of the predictions have come, so the quality of the model is not "
        "known.",
        "shipway status MODEL",
        "Ask whoever sends them; `shipway labels import FILE` takes what was kept elsewhere.",
    ),
    AlertName.PARITY_DIFFERS: Alert(
        Severity.TICKET,
        "A feature was served with other values than the offline join gives for the same moment, in more than "
        "`parity_difference_ratio` of the comparisons and in several of them.",
        "shipway parity MODEL",
        "It prints the worst rows and the kind of skew; training and serving compute the feature differently.",
    ),
    AlertName.PARITY_UNDECIDED: Alert(
        Severity.TICKET,
        "For a day no served value of a feature could be compared with the offline join, though predictions were "
        "looked at: whether they agree is not known.",
        "shipway parity MODEL",
        "Its column `unknown` counts the rows: the offline values do not reach so far, or the log hashes the keys; "
        "`parity.enabled: false` in model.yaml where that cannot be helped.",
    ),
    AlertName.RETRAINING_FAILED: Alert(
        Severity.TICKET,
        "A retraining failed; the model that serves stays, and the next try comes by itself.",
        "shipway retrain MODEL --help",
        "The run's own report says which gate or which step failed.",
    ),
    AlertName.GPUS_NOT_WATCHED: Alert(
        Severity.TICKET,
        "DCGM says nothing of any GPU, though a pool always has nodes: the GPU operator or its exporter is down.",
        "kubectl get pods -A -l app=nvidia-dcgm-exporter",
        "The exporter's pods and the events of the GPU nodes.",
    ),
    AlertName.GPU_FAULT: Alert(
        Severity.PAGE,
        "A GPU reported an error of its hardware or driver (XID); what runs on it fails or answers wrongly.",
        "kubectl get nodes -L nvidia.com/gpu.product",
        "Drain the node; the number of the error stands in NVIDIA's list of XID errors.",
    ),
    AlertName.GPU_MEMORY_FULL: Alert(
        Severity.TICKET,
        "A GPU's memory is almost full; the next larger request of the model on it fails.",
        "kubectl get pods -A -o wide",
        "Find the pod on that GPU; smaller batches or another GPU type in its model.yaml.",
    ),
}
