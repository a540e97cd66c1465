"""A dashboard as a picture: real answers drawn by matplotlib; a panel without any says so."""
# pyright: reportUnknownMemberType=false

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shipway.contract.errors import ShipwayError
from shipway.observability.answers import Answer, Span
from shipway.observability.panels import Dashboard, Kind, Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.dates import AutoDateLocator, DateFormatter

__all__ = ["NO_DATA", "picture", "shown"]

NO_DATA = "no data"
_COLUMNS, _WIDTH_INCHES, _HEIGHT_INCHES, _DPI = 3, 4.6, 2.3, 72
_PALETTE = 64
# More lines than a reader tells apart; the rest is drawn without a name.
_NAMED = 6
# Distinguishable for people who see colours differently (Okabe and Ito).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
_INK, _GREY, _LIMIT = "#333333", "#8a8a8a", "#b03030"


def picture(dashboard: Dashboard, answers: Sequence[Answer], span: Span) -> bytes:
    """Returns a PNG of a dashboard.

    Args:
        dashboard: its title and question stand above.
        answers: one for each panel.
        span: the time that the lines are over.

    Raises:
        ShipwayError: when matplotlib is not installed, naming the extra that brings it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ShipwayError("drawing needs matplotlib: install shipway with the extra `plots`") from None
    rows = -(-len(answers) // _COLUMNS)
    figure = Figure((_COLUMNS * _WIDTH_INCHES, rows * _HEIGHT_INCHES + 0.5), dpi=_DPI, layout="constrained")
    until = datetime.fromtimestamp(span.end_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    figure.suptitle(f"{dashboard.title}: {dashboard.asks}   (until {until})", fontsize=10, color=_INK)
    axes = [figure.add_subplot(rows, _COLUMNS, number + 1) for number in range(len(answers))]
    for axis, answer in zip(axes, answers, strict=True):
        _draw(axis, answer, span)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return _small(file)


def _small(file: io.BytesIO) -> bytes:
    """Returns a picture in a third of its size, with as many colours as lines and letters need."""
    from PIL import Image

    small = io.BytesIO()
    with Image.open(file) as full:
        full.convert("RGB").quantize(_PALETTE).save(small, format="png", optimize=True)
    return small.getvalue()


def _draw(axis: "Axes", answer: Answer, span: Span) -> None:
    panel = answer.panel
    axis.set_title(panel.title, fontsize=8, loc="left", color=_INK)
    axis.tick_params(labelsize=6, colors=_INK)
    if not answer.lines or panel.kind is Kind.NUMBER:
        axis.set_axis_off()
        _numbers(axis, answer)
        return
    # The largest are named.
    lines = sorted(answer.lines, key=lambda line: max(value for _, value in line.points), reverse=True)
    for number, line in enumerate(lines):
        times = [datetime.fromtimestamp(at, UTC) for at, _ in line.points]
        named = line.name if number < _NAMED else f"_{number}"
        colour = _COLOURS[number % len(_COLOURS)]
        # One point is no line, and would not be seen.
        marker = "." if len(times) < 3 else None
        axis.plot(times, [value for _, value in line.points], label=named, color=colour, linewidth=1, marker=marker)  # pyright: ignore[reportArgumentType]
    axis.set_xlim(*(datetime.fromtimestamp(at, UTC) for at in (span.start_seconds, span.end_seconds)))  # pyright: ignore[reportArgumentType]
    axis.set_ylim(bottom=min(0.0, *(value for line in answer.lines for _, value in line.points)))
    axis.yaxis.set_major_formatter(lambda value, _: shown(value, panel.unit))
    if panel.limit is not None:
        axis.axhline(panel.limit, color=_LIMIT, linewidth=0.8, linestyle="--")
    axis.grid(color="#e6e6e6", linewidth=0.5)
    axis.legend(fontsize=5.5, loc="upper left", frameon=False, ncols=2)
    axis.xaxis.set_major_locator(_few_ticks())
    axis.xaxis.set_major_formatter(_clock(span))


def _numbers(axis: "Axes", answer: Answer) -> None:
    if not answer.lines:
        axis.text(0.5, 0.5, NO_DATA, ha="center", va="center", fontsize=11, color=_GREY, transform=axis.transAxes)
    for row, line in enumerate(answer.lines[:_NAMED]):
        value = shown(line.points[-1][1], answer.panel.unit)
        height = 0.8 - row * 0.16
        axis.text(0.04, height, value, fontsize=13, va="center", color=_COLOURS[0], transform=axis.transAxes)
        axis.text(0.5, height, line.name, fontsize=7, va="center", color=_INK, transform=axis.transAxes)


def _few_ticks() -> "AutoDateLocator":
    from matplotlib.dates import AutoDateLocator

    return AutoDateLocator(minticks=3, maxticks=5)


def _clock(span: Span) -> "DateFormatter":
    from matplotlib.dates import DateFormatter

    return DateFormatter("%H:%M" if span.end_seconds - span.start_seconds > 600 else "%H:%M:%S", UTC)


def shown(value: float, unit: Unit) -> str:
    """Returns a value as a person reads it.

    >>> shown(0.0123, Unit.RATIO), shown(7200, Unit.SECONDS), shown(0.0042, Unit.SECONDS), shown(12345, Unit.COUNT)
    ('1.23 %', '2 h', '4.2 ms', '12.3 k')
    """
    match unit:
        case Unit.RATIO:
            return f"{value * 100:.4g} %"
        case Unit.PERCENT:
            return f"{value:.4g} %"
        case Unit.SECONDS:
            return _duration(value)
        case _:
            short = f"{value / 1000:.3g} k" if abs(value) >= 10_000 else f"{value:.4g}"
            return f"{short}/s" if unit is Unit.PER_SECOND else short


def _duration(seconds: float) -> str:
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds * 1000:.3g} ms" if seconds else "0 s"
