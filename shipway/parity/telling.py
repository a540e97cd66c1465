"""A report in words: a table of outcomes, a sentence for each likely cause, the worst rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shipway.contract.parity import AGREED, SKEWED, ParityOutcome
from shipway.parity.report import FeatureParity, Report

if TYPE_CHECKING:
    from shipway.parity.waiting import Counted

__all__ = ["explained", "said", "told"]

_COLUMNS = {
    ParityOutcome.EQUAL: "equal",
    ParityOutcome.WITHIN_TOLERANCE: "close",
    ParityOutcome.DEFAULT: "default",
    ParityOutcome.LATE: "late",
    ParityOutcome.DIFFERENT: "different",
    ParityOutcome.STALE: "stale",
    ParityOutcome.MISTIMED: "mistimed",
    ParityOutcome.MISSING_ONLINE: "not online",
    ParityOutcome.MISSING_OFFLINE: "not offline",
    ParityOutcome.UNAVAILABLE: "store down",
    ParityOutcome.UNKNOWN: "unknown",
}
_SHOWN = 3


def told(report: Report, logged: int) -> str:
    """Returns the report for a person.

    Args:
        report: of one version.
        logged: how many predictions were there to choose from.
    """
    lines = [
        f"{report.model} {report.version}: {report.rows} of {logged} logged predictions, "
        f"{report.first} to {report.last}",
        f"offline: {report.offline}",
        "",
        *_table(report),
        "",
    ]
    for one in report.skewed:
        lines += [_verdict(one), *_rows(one, _SHOWN), ""]
    lines += [f"note: {note}" for note in report.notes]
    return "\n".join([*lines, _summary(report)])


def said(counted: "Counted") -> str:
    """Returns one line of what the worker has found of a model since it began.

    Args:
        counted: feature -> outcome -> rows.
    """
    looked = {name: sum(ended.values()) for name, ended in counted.items()}
    if not any(looked.values()):
        return "worker: has not looked at any row yet"
    skewed = {name: sum(ended[one] for one in SKEWED) for name, ended in counted.items()}
    compared = sum(ended[one] for ended in counted.values() for one in AGREED | SKEWED)
    differ = ", ".join(f"{name} {rows}" for name, rows in sorted(skewed.items()) if rows) or "none of them"
    undecided = sum(looked.values()) - compared
    return f"worker: {compared} values compared since it began, different: {differ}; {undecided} could not be"


def explained(report: Report, name: str) -> str:
    """Returns all that the report knows of one feature.

    Args:
        report: of one version.
        name: of a feature in it.
    """
    one = next(one for one in (*report.features, *report.predictions) if one.name == name)
    causes = [f"  {cause.confidence:.0%} of {cause.rows} rows: {cause.name}: {cause.sentence}" for cause in one.causes]
    return "\n".join([_verdict(one), *causes, *_rows(one, len(one.worst))])


def _table(report: Report) -> list[str]:
    everything = (*report.features, *report.predictions)
    shown = [
        outcome
        for outcome in _COLUMNS
        if outcome in (ParityOutcome.EQUAL, ParityOutcome.DIFFERENT) or any(one.outcomes[outcome] for one in everything)
    ]
    head = ["", *(_COLUMNS[outcome] for outcome in shown), "skewed"]
    rows = [
        [one.name, *(str(one.outcomes[outcome]) for outcome in shown), _percent(one.skewed_ratio)] for one in everything
    ]
    return _aligned(head, rows)


def _verdict(one: FeatureParity) -> str:
    if one.skewed_ratio is None:
        return f"{one.name}: nothing could be compared"
    if not one.skewed:
        return f"{one.name}: {_percent(one.skewed_ratio)} skewed, which model.yaml allows"
    if one.name == "prediction:served":
        return f"{one.name}: {_percent(one.skewed_ratio)} skewed: serving computes another answer from the same inputs"
    if one.name == "prediction:offline":
        return f"{one.name}: {_percent(one.skewed_ratio)} of the answers would be others with the offline values"
    if not one.causes:
        return f"{one.name}: {_percent(one.skewed_ratio)} skewed, no known cause explains it"
    likeliest = one.causes[0]
    return (
        f"{one.name}: {_percent(one.skewed_ratio)} skewed, likely cause {likeliest.name} "
        f"({likeliest.confidence:.0%}): {likeliest.sentence}"
    )


def _rows(one: FeatureParity, most: int) -> list[str]:
    if not one.worst:
        return []
    head = ["  prediction", "event time", "served", "as of", "offline", "as of", "keys"]
    rows = [
        [
            f"  {worst.prediction_id[:12]}",
            worst.event_time,
            _value(worst.served),
            worst.served_at,
            _value(worst.offline),
            worst.offline_at,
            worst.keys,
        ]
        for worst in one.worst[:most]
    ]
    return _aligned(head, rows)


def _summary(report: Report) -> str:
    if not report.compared:
        return "nothing could be compared"
    if not report.skewed:
        return f"parity holds: {len(report.compared)} of {len(report.compared)} compared are within tolerance"
    return f"parity does not hold: {', '.join(one.name for one in report.skewed)}"


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1%}"


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
