"""The year as one picture: accuracy by month, verdicts of drift by day, retrainings and promotions over both."""
# matplotlib's types are partly unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.year.journal import Happened
from tools.year.months import Month

__all__ = ["draw"]

# Distinguishable for people who see colours differently (Okabe and Ito).
_SERVED, _FIRST, _RETRAINED, _PROMOTED = "#0072b2", "#999999", "#e69f00", "#009e73"
_KINDS = {"input": "#56b4e9", "prediction": "#cc79a7", "label": "#d55e00", "concept": "#333333"}
_MIDDLE_DAY = 15
_SPAN = (datetime(2013, 2, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC))


def draw(
    path: Path, months: Sequence[Month], events: Sequence[Happened], verdicts: Sequence[Mapping[str, Any]]
) -> None:
    """Writes the picture to the SVG file `path`; the same year gives the same file."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "shipway"
    from matplotlib import pyplot

    figure, (auc, loss, drift) = pyplot.subplots(3, 1, sharex=True, figsize=(11, 8), constrained_layout=True)
    for axis, metric, name in ((auc, "auc", "AUC"), (loss, "log_loss", "log loss")):
        middles = [datetime.fromisoformat(f"{one.month}-{_MIDDLE_DAY}").replace(tzinfo=UTC) for one in months]
        axis.plot(middles, [one.first[metric] for one in months], "o--", color=_FIRST, label="first version (January)")
        axis.plot(middles, [one.served[metric] for one in months], "o-", color=_SERVED, label="served")
        axis.set_ylabel(name)
        axis.grid(alpha=0.3)
    _bars(drift, verdicts)
    drift.set_ylabel("verdicts of drift a day")
    for axis in (auc, loss, drift):
        for one in events:
            if one.kind in ("retraining", "promoted"):
                colour = _RETRAINED if one.kind == "retraining" else _PROMOTED
                axis.axvline(one.at, color=colour, alpha=0.7, linewidth=1)
    auc.plot([], [], color=_RETRAINED, label="retraining")
    auc.plot([], [], color=_PROMOTED, label="promotion")
    auc.legend(loc="upper left", fontsize=8)
    drift.legend(loc="upper left", fontsize=8)
    drift.set_xlim(*_SPAN)
    auc.set_title("2013 replayed: flight-delay trained on January, then by verdict")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def _bars(axis: Any, verdicts: Sequence[Mapping[str, Any]]) -> None:
    days: dict[str, Counter[str]] = {}
    for one in verdicts:
        days.setdefault(str(one["kind"]), Counter())[str(one["window"]["end"])[:10]] += 1
    known = sorted({day for counts in days.values() for day in counts})
    below = dict.fromkeys(known, 0)
    for kind, colour in _KINDS.items():
        counts = days.get(kind)
        if counts:
            at = [datetime.fromisoformat(day).replace(tzinfo=UTC) for day in known]
            axis.bar(at, [counts[day] for day in known], 1.0, [below[day] for day in known], color=colour, label=kind)
            below = {day: below[day] + counts[day] for day in known}
