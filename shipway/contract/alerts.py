"""Every alert there is: what it means, how urgent it is, and the command that shows more."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ALERTS", "PLATFORM_OWNER", "PLATFORM_RUNBOOK", "Alert", "AlertName", "Severity"]

# Who answers for what belongs to no model, and where what to do is written.
PLATFORM_OWNER, PLATFORM_RUNBOOK = "platform", "docs/alerts.md"


class Severity(StrEnum):
    """Whether a person is woken, or finds it in the morning."""

    PAGE = "page"
    TICKET = "ticket"


class AlertName(StrEnum):
    """The alerts by the name that Alertmanager knows."""

    SLOT_DOWN = "ShipwaySlotDown"
    MODEL_NOT_SCRAPED = "ShipwayModelNotScraped"
    ERROR_RATIO_ABOVE_SLO = "ShipwayErrorRatioAboveSlo"
    FEATURES_STALE = "ShipwayFeaturesStale"
    GATEWAY_DOWN = "ShipwayGatewayDown"
    DELIVERY_DOWN = "ShipwayDeliveryDown"
    DELIVERY_STALLED = "ShipwayDeliveryStalled"
    LABELS_DOWN = "ShipwayLabelsDown"
    ROLLOUT_STUCK = "ShipwayRolloutStuck"
    ROLLOUT_PAUSED = "ShipwayRolloutPaused"
    EVIDENCE_MISSING = "ShipwayEvidenceMissing"
    BOTH_SLOTS_BAD = "ShipwayBothSlotsBad"
    ROLLED_BACK = "ShipwayRolledBack"
    MATERIALISATION_LATE = "ShipwayMaterialisationLate"
    GPUS_NOT_WATCHED = "ShipwayGpusNotWatched"
    GPU_FAULT = "ShipwayGpuFault"
    GPU_MEMORY_FULL = "ShipwayGpuMemoryFull"


@dataclass(frozen=True)
class Alert:
    """What one alert is.

    Args:
        severity: how urgent.
        meaning: what is the matter, and what it does to the traffic.
        look: the command to look with; MODEL stands for the alert's model.
    """

    severity: Severity
    meaning: str
    look: str


ALERTS: dict[AlertName, Alert] = {
    AlertName.SLOT_DOWN: Alert(
        Severity.PAGE, "A filled slot does not answer its scrape; the gateway sends no request there.", "shipway status"
    ),
    AlertName.MODEL_NOT_SCRAPED: Alert(
        Severity.PAGE, "A released model is scraped nowhere, so nobody knows how it does.", "shipway status MODEL"
    ),
    AlertName.ERROR_RATIO_ABOVE_SLO: Alert(
        Severity.PAGE,
        "A slot fails more of its requests than its service level objective allows, over five minutes.",
        "shipway status MODEL",
    ),
    AlertName.FEATURES_STALE: Alert(
        Severity.TICKET,
        "Half of the values of a feature are older than its `freshness_slo_seconds`, or are no longer served at all; "
        "their publisher is late.",
        "shipway status MODEL",
    ),
    AlertName.GATEWAY_DOWN: Alert(
        Severity.PAGE, "The gateway does not answer: no request reaches any model.", "shipway status"
    ),
    AlertName.DELIVERY_DOWN: Alert(
        Severity.PAGE,
        "Delivery does not answer: traffic stays as it is, no rollout moves and none rolls back by itself.",
        "shipway status",
    ),
    AlertName.DELIVERY_STALLED: Alert(
        Severity.PAGE,
        "Delivery runs but its loop does not turn: no rollout moves and none rolls back by itself.",
        "shipway status",
    ),
    AlertName.LABELS_DOWN: Alert(
        Severity.TICKET, "Late labels are not joined, so none of them counts in a rollout.", "shipway status"
    ),
    AlertName.ROLLOUT_STUCK: Alert(
        Severity.TICKET,
        "A step has used more than half of `max_step_seconds`, at whose end the candidate is rolled back.",
        "shipway status MODEL",
    ),
    AlertName.ROLLOUT_PAUSED: Alert(
        Severity.TICKET,
        "A rollout waits for a person: `shipway approve` lets it go on, `shipway rollback` ends it.",
        "shipway status MODEL",
    ),
    AlertName.EVIDENCE_MISSING: Alert(
        Severity.PAGE,
        "For more than ten seconds nothing was learnt about a version that takes traffic: it is held where it is.",
        "shipway status MODEL",
    ),
    AlertName.BOTH_SLOTS_BAD: Alert(
        Severity.PAGE,
        "No slot is proved healthy, so the weights are frozen; look for what both slots share.",
        "shipway status MODEL",
    ),
    AlertName.ROLLED_BACK: Alert(
        Severity.TICKET,
        "A candidate was rolled back or never became ready; the version before it takes the traffic.",
        "shipway ledger MODEL",
    ),
    AlertName.MATERIALISATION_LATE: Alert(
        Severity.TICKET,
        "On a cluster, feature values do not go online; once they are older than their ttl, models get the defaults.",
        "kubectl get jobs -A -l app.kubernetes.io/name=materialise",
    ),
    AlertName.GPUS_NOT_WATCHED: Alert(
        Severity.TICKET,
        "DCGM says nothing of any GPU, though a pool always has nodes: the GPU operator or its exporter is down.",
        "kubectl get pods -A -l app=nvidia-dcgm-exporter",
    ),
    AlertName.GPU_FAULT: Alert(
        Severity.PAGE,
        "A GPU reported an error of its hardware or driver (XID); what runs on it fails or answers wrongly.",
        "kubectl get nodes -L nvidia.com/gpu.product",
    ),
    AlertName.GPU_MEMORY_FULL: Alert(
        Severity.TICKET,
        "A GPU's memory is almost full; the next larger request of the model on it fails.",
        "kubectl get pods -A -o wide",
    ),
}
