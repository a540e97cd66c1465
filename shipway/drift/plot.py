"""The drift of one model as a picture: how far each field was beyond its threshold, window by window."""
# matplotlib's types are partial.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from shipway.contract.drift import DriftStatus, DriftVerdict
from shipway.contract.errors import ShipwayError, SpecError
from shipway.drift.report import Report

__all__ = ["SUFFIXES", "draw"]

SUFFIXES = (".png", ".svg")

# Beyond this many times the threshold a colour is full: the eye cannot tell more.
_FULL_EFFECT = 3.0
# A year of weeks, or the last two months of days.
_MOST_WINDOWS = 60


def draw(report: Report, path: Path) -> None:
    """Writes the picture to `path`; the same report gives the same bytes of SVG.

    Each row is a field, in the order of the report; each column a window. The colour says how many thresholds the
    score is; a dot marks a verdict of drift, a cross silence; white was not judged.

    Raises:
        SpecError: when the file's name does not end in .svg or .png.
        ShipwayError: when no window has been judged: there is nothing to draw.
    """
    if path.suffix not in SUFFIXES:
        raise SpecError("the command line", "--plot", path, "a name that ends in .svg or .png")
    windows = sorted({one.window.start for one in report.verdicts})[-_MOST_WINDOWS:]
    if not windows:
        raise ShipwayError(f"{report.model}: no {report.asked.window} has been judged, so there is nothing to draw")
    import matplotlib as mpl  # a second of start-up that only a picture needs
    from matplotlib.figure import Figure

    features = [row.result.feature for row in report.rows]
    with mpl.rc_context({"svg.hashsalt": "shipway", "svg.fonttype": "none"}):
        figure = Figure(figsize=(max(7.0, 2.6 + 0.34 * len(windows)), 1.8 + 0.3 * len(features)), layout="constrained")
        _fill(figure, report, features, windows)
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)


def _fill(figure: Any, report: Report, features: Sequence[str], windows: Sequence[str]) -> None:
    axes = figure.add_subplot()
    times = np.full((len(features), len(windows)), np.nan)
    marks: dict[str, list[tuple[int, int]]] = {"o": [], "x": []}
    for one in report.verdicts:
        if one.feature not in features or one.window.start not in windows:
            continue
        place = features.index(one.feature), windows.index(one.window.start)
        times[place] = _times(one)
        if one.status in (DriftStatus.DRIFTED, DriftStatus.SILENT):
            marks["o" if one.status is DriftStatus.DRIFTED else "x"].append(place)
    image = axes.imshow(times, cmap="YlOrRd", vmin=0, vmax=_FULL_EFFECT, aspect="auto")
    for mark, places in marks.items():
        if places:
            rows, columns = zip(*places, strict=True)
            axes.scatter(columns, rows, marker=mark, s=12, color="#222222", linewidths=0.8)
    axes.set_yticks(range(len(features)), features, fontsize=8)
    step = max(1, len(windows) // 20)
    labels = [f"{datetime.fromisoformat(one):%Y-%m-%d}" for one in windows[::step]]
    axes.set_xticks(range(0, len(windows), step), labels, rotation=60, ha="right", fontsize=8)
    segment = f", {report.asked.segment}" if report.asked.segment else ""
    axes.set_title(f"{report.model} {report.version}{segment}: drift by {report.asked.window}", fontsize=10)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("score / threshold (dot: drifted, cross: silent)", fontsize=8)


def _times(one: DriftVerdict) -> float:
    if one.score is None or not one.threshold:
        return float("nan")
    return max(one.score, 0.0) / one.threshold
