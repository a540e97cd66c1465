"""What late labels say of the version that was promoted: how much worse than the one before it is for certain; pure.

In the same hours alone: a day that is bad for every version says nothing of this one.
"""

from collections.abc import Sequence
from dataclasses import replace

from shipway.contract import metrics
from shipway.contract.evidence import QualityDrop, Sample
from shipway.contract.metrics import LABELS_JOB, Slot
from shipway.delivery.looking import Asked, Seen
from shipway.delivery.prometheus import Series

__all__ = ["greatest_drop", "with_drops"]


def with_drops(asked: Asked, seen: Seen, series: Sequence[Series]) -> Seen:
    """Returns what was seen, with what late labels say of both versions by now.

    Args:
        asked: what was asked about the model.
        seen: what the counters brought.
        series: what Prometheus answered.
    """
    if not isinstance(seen.look, Sample):
        return seen
    drops = {
        "candidate_drop": greatest_drop(asked, asked.candidate, series),
        "live_drop": greatest_drop(asked, asked.live, series),
    }
    return replace(seen, look=seen.look.model_copy(update=drops))


def greatest_drop(asked: Asked, slot: Slot, series: Sequence[Series]) -> QualityDrop | None:
    """Returns the metric of a slot's version that has dropped farthest beyond its limit; None where labels say nothing.

    Args:
        asked: what was asked about the model.
        slot: whose version.
        series: what Prometheus answered; series of other models are passed over.
    """
    drops, limits = dict[str, float](), list[float]()
    for one in series:
        labels = one.labels
        if labels.get("job") != LABELS_JOB or labels.get("model") != asked.model or labels.get("segment"):
            continue
        if one.name == metrics.QUALITY_DROP_LIMIT_RATIO:
            limits.append(one.value)
        elif one.name == metrics.QUALITY_DROP_BESIDE_RATIO and labels.get("version", "") == asked.versions[slot]:
            drops[labels.get("metric", "")] = one.value
    sound = {metric: ratio for metric, ratio in drops.items() if metric and 0 <= ratio < float("inf")}
    if not sound or len(limits) != 1 or not 0 < limits[0] < 1:
        return None
    metric = max(sorted(sound), key=lambda name: sound[name])
    return QualityDrop(metric=metric, drop_ratio=sound[metric], limit_ratio=limits[0])
