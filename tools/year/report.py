"""The year as tables: dated verdicts, retrainings and promotions, and accuracy by month."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tools.year.journal import Happened
from tools.year.months import Month

__all__ = ["events_table", "facts", "months_table", "verdicts_table"]

_MOST_NAMED = 3


def months_table(months: Sequence[Month]) -> str:
    """Returns accuracy by month, of what was served beside what the first version would have said."""
    head = (
        "| month | predictions | late | AUC served | AUC first version | log loss served | first version "
        "| calibration error served | first version | versions |"
    )
    lines = [head, "|" + "---|" * 10]
    for one in months:
        pairs = (("auc", "auc"), ("log_loss", "log_loss"), ("calibration_error", "calibration_error"))
        numbers = " | ".join(f"{one.served[name]:.3f} | {one.first[name]:.3f}" for name, _ in pairs)
        lines.append(f"| {one.month} | {one.rows} | {one.late_ratio:.3f} | {numbers} | {len(one.versions)} |")
    return "\n".join(lines)


def events_table(events: Iterable[Happened]) -> str:
    """Returns what was done, by event time."""
    lines = ["| event time | what | version | why |", "|---|---|---|---|"]
    lines += [f"| {one.at:%Y-%m-%d %H:%M} | {one.kind} | {one.version} | {one.sentence} |" for one in events]
    return "\n".join(lines)


def verdicts_table(verdicts: Iterable[Mapping[str, Any]]) -> str:
    """Returns the verdicts of drift by week: how many of each kind, and which fields lay farthest out."""
    weeks: dict[str, list[Mapping[str, Any]]] = {}
    for verdict in verdicts:
        day = datetime.fromisoformat(verdict["window"]["end"])
        monday = day - timedelta(days=day.weekday())
        weeks.setdefault(f"{monday:%Y-%m-%d}", []).append(verdict)
    lines = ["| week of | verdicts | kinds | farthest beyond their bound |", "|---|---|---|---|"]
    for week, found in sorted(weeks.items()):
        kinds = Counter(str(one["kind"]) for one in found)
        named = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        lines.append(f"| {week} | {len(found)} | {named} | {', '.join(_farthest(found))} |")
    return "\n".join(lines)


def _farthest(found: Iterable[Mapping[str, Any]]) -> list[str]:
    beyond: dict[str, float] = {}
    for one in found:
        if one["score"] is not None and one["threshold"]:
            name = str(one["feature"])
            beyond[name] = max(beyond.get(name, 0.0), float(one["score"]) / float(one["threshold"]))
    ranked = sorted(beyond.items(), key=lambda pair: -pair[1])[:_MOST_NAMED]
    return [f"{name} ({ratio:.1f} x)" for name, ratio in ranked]


def facts(
    counted: Mapping[str, Any],
    months: Sequence[Month],
    events: Sequence[Happened],
    verdicts: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Returns the year as one JSON document."""
    return {
        "replay": dict(counted),
        "months": [
            {
                "month": one.month,
                "rows": one.rows,
                "late_ratio": one.late_ratio,
                "served": dict(one.served),
                "first": dict(one.first),
                "versions": dict(one.versions),
            }
            for one in months
        ],
        "events": [
            {"at": one.at.isoformat(), "kind": one.kind, "version": one.version, "sentence": one.sentence}
            for one in events
        ],
        "drifted_verdicts": len(verdicts),
    }
