"""A report as text: one table in the order of what matters, bars for how far, and the dated verdicts."""

from collections.abc import Iterable, Sequence

from shipway.contract.drift import DriftStatus, DriftVerdict
from shipway.drift.against import LABEL_SHIFT
from shipway.drift.ranking import effect
from shipway.drift.report import Report, Row
from shipway.drift.result import Status

__all__ = ["HEAD", "cells", "dated", "heading", "summary"]

HEAD = ("FEATURE", "STATISTIC", "SCORE", "INTERVAL", "THRESHOLD", "STATUS", "IMPORTANCE", "TIMES THRESHOLD", "SAYS")

# Of a bar: a full one is this many times the threshold, and the eye needs no more.
_BAR_CELLS, _BAR_EFFECT = 12, 3.0
_EIGHTHS = " ▏▎▍▌▋▊▉█"

_WINDOWS_SHOWN = 8
_NAMED = 3


def heading(report: Report) -> str:
    """Returns what is shown, in one line."""
    state = "closed" if report.closed else f"running, counted until {report.now:%Y-%m-%d %H:%M} UTC"
    segment = f", {report.asked.segment}" if report.asked.segment else ""
    dates = f"{report.span.start:%Y-%m-%d} to {report.span.end:%Y-%m-%d}"
    return f"{report.model} {report.version}{segment}: {report.asked.window} {dates} ({state}) against its reference"


def cells(row: Row) -> tuple[str, ...]:
    """Returns one field as the cells below HEAD."""
    one = row.result
    times = effect(one)
    return (
        one.feature,
        one.statistic,
        _number(one.score),
        "-" if one.low is None or one.low == one.high else f"{_number(one.low)} to {_number(one.high)}",
        _number(one.threshold),
        _status(one.status, found=one.found),
        f"{row.ranked.importance:.1%}",
        f"{_bar(times)} {times:.1f}" if one.score is not None else "-",
        row.says,
    )


def dated(verdicts: Iterable[DriftVerdict], *, every: bool) -> list[str]:
    """Returns a line for each window, newest last.

    Args:
        verdicts: of one version, window and segment.
        every: whether all windows are shown, or the last ones.
    """
    windows: dict[str, list[DriftVerdict]] = {}
    for one in verdicts:
        windows.setdefault(one.window.start, []).append(one)
    chosen = sorted(windows) if every else sorted(windows)[-_WINDOWS_SHOWN:]
    return [_window(windows[start]) for start in chosen]


def summary(report: Report) -> str:
    """Returns the outcome in one sentence."""
    found = [row.result for row in report.rows]
    drifted = [one.feature for one in found if one.status is Status.DRIFTED]
    silent = sum(one.status is Status.SILENT for one in found)
    unknown = sum(one.status is Status.TOO_FEW for one in found)
    rest = f"; {unknown} of {len(found)} have too few rows to be judged" if unknown else ""
    if silent:
        return f"SILENT: no row of {silent} of {len(found)} fields in this window{rest}"
    if drifted:
        return f"DRIFTED: {len(drifted)} of {len(found)} fields, first {_some(drifted)}{rest}"
    if unknown == len(found):
        return "nothing could be judged: too few rows"
    return f"stable: none of {len(found) - unknown} fields drifted{rest}"


def _window(verdicts: Sequence[DriftVerdict]) -> str:
    dates = f"{verdicts[0].window.start[:10]} to {verdicts[0].window.end[:10]}"
    silent = [one for one in verdicts if one.status is DriftStatus.SILENT]
    drifted = [one for one in verdicts if one.status is DriftStatus.DRIFTED]
    if silent:
        return f"{dates}  SILENT   {len(silent)} fields without a row"
    if not drifted:
        once = [one for one in verdicts if one.found]
        beside = f"   found once: {_beyond(once)}" if once else ""
        return f"{dates}  stable{beside}"
    return f"{dates}  DRIFTED  {len(drifted)} of {len(verdicts)}: {_beyond(drifted)}"


def _beyond(verdicts: Sequence[DriftVerdict]) -> str:
    def weight(one: DriftVerdict) -> float:
        share = 1.0 if one.importance is None else one.importance
        return -share * _times(one)

    return _some([_told(one) for one in sorted(verdicts, key=weight)])


def _told(one: DriftVerdict) -> str:
    """Returns a field with where it moved and how many thresholds that is: `prediction 0.21 for 0.22 (1.2 x)`."""
    means = ""
    if one.statistic == LABEL_SHIFT and one.mean is not None:
        means = f" {one.mean:+.3f}"
    elif one.mean is not None and one.reference_mean is not None:
        means = f" {one.mean:.4g} for {one.reference_mean:.4g}"
    held = ", held" if one.status is DriftStatus.DRIFTED and not one.found else ""
    return f"{one.feature}{means} ({_times(one):.1f} x{held})"


def _times(one: DriftVerdict) -> float:
    return max(one.score, 0.0) / one.threshold if one.score is not None and one.threshold else 0.0


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _status(status: Status, *, found: bool) -> str:
    if status is Status.STABLE:
        return "stable, found once" if found else "stable"
    if status is Status.DRIFTED and not found:
        return "DRIFTED, held"
    return status.value.replace("_", " ").upper() if status is not Status.TOO_FEW else "too few"


def _bar(times: float) -> str:
    eighths = round(min(times / _BAR_EFFECT, 1.0) * _BAR_CELLS * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(_BAR_CELLS)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
