"""A rollout as one drawing: weight, evidence against its limits, and verdicts, over the same time; text in, SVG out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from shipway.contract.evidence import Gate, Judgement, Verdict
from shipway.contract.release import short_digest
from shipway.contract.rollout import Look, Move
from shipway.delivery.explain import Story

__all__ = ["draw"]

_WIDTH, _LEFT, _RIGHT = 1080, 80, 210
_TOP, _GAP = 74, 44
_PLOT = _WIDTH - _LEFT - _RIGHT
# Distinguishable for people who see colours differently (Okabe and Ito); a second round is dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
_SHADES = {
    Judgement.PASS: "#7fc8a9",
    Judgement.FAIL: "#c0392b",
    Judgement.INCONCLUSIVE: "#d9d9d9",
    Judgement.ERROR: "#f0a030",
}
_INK, _GRID, _LIMIT = "#333333", "#e6e6e6", "#b03030"
# Evidence for the candidate grows without end and says nothing more to the eye than this.
_LEAST_LOG_E = -5.0
_ROW = 18
_NAMES = {Gate.HARM_BUDGET: "worst excess"}


@dataclass(frozen=True)
class _Panel:
    """One part of the drawing: where it lies, and what its lower and upper edge mean."""

    top: float
    height: float
    low: float
    high: float

    def y(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.top + self.height * (1 - share)


def draw(story: Story, looks: Sequence[Look]) -> str:
    """Returns the rollout as an SVG document that needs nothing beside it.

    Args:
        story: the rollout; its transitions are marked.
        looks: its history in order.

    Raises:
        ValueError: without a look there is nothing to draw.
    """
    if not looks:
        raise ValueError(f"looks of {story.model} rollout {story.rollout}: expected at least one, got none")
    seconds = [_seconds(look.time) for look in looks]
    start, length = seconds[0], max(seconds[-1] - seconds[0], 1.0)

    def x(at: float) -> float:
        return _LEFT + _PLOT * min(max((at - start) / length, 0.0), 1.0)

    places = [x(at) for at in seconds]
    log_es = _series(looks, lambda verdict: verdict.metric == "log_e_value")
    high = max([2.0, *(v.threshold for one in log_es.values() for v in one if v)]) * 1.15
    weight = _Panel(_TOP, 120, 0, 100)
    evidence = _Panel(weight.top + weight.height + _GAP, 210, _LEAST_LOG_E, high)
    harm = _Panel(evidence.top + evidence.height + _GAP, 130, -4, 0)
    strips_top = harm.top + harm.height + _GAP
    gates = sorted({verdict.gate for look in looks for verdict in look.verdicts}, key=list(Gate).index)
    bottom = strips_top + _ROW * max(len(gates), 1)
    parts = [*_marks(looks, places, _TOP, bottom)]
    parts += _weight(weight, looks, places)
    parts += _evidence(evidence, log_es, places)
    parts += _harm(harm, looks, places)
    parts += _strips(strips_top, gates, looks, places)
    parts += _axis(bottom, length, x, start)
    return _document(story, looks, parts, bottom + 92)


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _series(looks: Sequence[Look], wanted: Callable[[Verdict], bool]) -> dict[Gate, list[Verdict | None]]:
    """Returns gate -> its verdict at each look, None where it gave none."""
    gates = sorted({v.gate for look in looks for v in look.verdicts if wanted(v)}, key=list(Gate).index)
    return {
        gate: [next((v for v in look.verdicts if v.gate is gate and wanted(v)), None) for look in looks]
        for gate in gates
    }


def _weight(panel: _Panel, looks: Sequence[Look], places: Sequence[float]) -> list[str]:
    points: list[tuple[float, float]] = []
    for place, look in zip(places, looks, strict=True):
        if points:
            points.append((place, points[-1][1]))
        points.append((place, panel.y(look.weight_percent)))
    parts = _frame(panel, "weight of the candidate, %", [(value, f"{value}") for value in (0, 25, 50, 75, 100)])
    return [*parts, _line(points, _COLOURS[0], 2.2)]


def _evidence(panel: _Panel, series: dict[Gate, list[Verdict | None]], places: Sequence[float]) -> list[str]:
    ticks = [
        (value, f"{math.exp(value):,.4g}") for value in (math.log(10) * k for k in range(-2, 6)) if value <= panel.high
    ]
    parts = _frame(panel, "e-value of each guardrail (log scale)", ticks)
    limits = {round(v.threshold, 6) for one in series.values() for v in one if v}
    for limit in sorted(limits):
        y = panel.y(limit)
        parts.append(_line([(_LEFT, y), (_LEFT + _PLOT, y)], _LIMIT, 1.4, dash="7 4"))
    for number, (gate, verdicts) in enumerate(series.items()):
        dash = "" if number < len(_COLOURS) else "5 3"
        colour = _COLOURS[number % len(_COLOURS)]
        parts += _pieces(panel, verdicts, places, colour, dash, _seen)
        parts.append(_legend(panel.top + 8 + 16 * number, colour, str(gate), dash))
    if limits:
        parts.append(_legend(panel.top + 8 + 16 * len(series), _LIMIT, "limit (rolls back or pauses)", "7 4"))
    return parts


def _seen(verdict: Verdict) -> float | None:
    """Returns the evidence; None before the first request, where a line would hide those of the other gates."""
    return verdict.bound if verdict.candidate_requests or verdict.live_requests else None


def _harm(panel: _Panel, looks: Sequence[Look], places: Sequence[float]) -> list[str]:
    verdicts = _series(looks, lambda verdict: verdict.gate is Gate.HARM_BUDGET).get(Gate.HARM_BUDGET, [])
    parts = _frame(panel, "worst excess, % (log scale)", [(k, f"{100 * 10.0**k:g}") for k in range(-4, 1)])
    # The allowed ratio falls in steps as the next weight grows, so its line is cut where it changes.
    parts += _pieces(panel, verdicts, places, _COLOURS[1], "", lambda verdict: _log10(verdict.bound))
    parts += _pieces(panel, verdicts, places, _LIMIT, "7 4", lambda verdict: _log10(verdict.threshold))
    parts.append(_legend(panel.top + 8, _COLOURS[1], "worst excess"))
    parts.append(_legend(panel.top + 24, _LIMIT, "budget for the next step", "7 4"))
    return parts


def _log10(value: float | None) -> float | None:
    return None if value is None else math.log10(value) if value > 0 else -9.0


def _strips(top: float, gates: Sequence[Gate], looks: Sequence[Look], places: Sequence[float]) -> list[str]:
    parts = [_text(_LEFT, top - 8, "verdicts", weight="600")]
    for row, gate in enumerate(gates):
        y = top + _ROW * row
        parts.append(_text(_LEFT + _PLOT + 12, y + 13, str(gate)))
        begun: tuple[float, Judgement] | None = None
        for place, look in zip(places, looks, strict=True):
            judged = next((v.judgement for v in look.verdicts if v.gate is gate), None)
            if begun and judged is not begun[1]:
                parts.append(_box(begun[0], place, y, begun[1]))
                begun = None
            if judged and begun is None:
                begun = (place, judged)
        if begun:
            parts.append(_box(begun[0], _LEFT + _PLOT, y, begun[1]))
    return parts


def _box(left: float, right: float, y: float, judgement: Judgement) -> str:
    # The last verdict lasts no time, and is the one that matters.
    width = max(right - left, 5.0)
    return (
        f'<rect x="{right - width:.1f}" y="{y + 2:.1f}" width="{width:.1f}" height="{_ROW - 4}" '
        f'fill="{_SHADES[judgement]}"><title>{judgement}</title></rect>'
    )


def _marks(looks: Sequence[Look], places: Sequence[float], top: float, bottom: float) -> list[str]:
    parts: list[str] = []
    last = -100.0
    for place, look in zip(places, looks, strict=True):
        if look.move is Move.HOLD:
            continue
        parts.append(_line([(place, top), (place, bottom)], "#999999", 1, dash="2 3"))
        # Moves close to one another would write over each other; the line alone still marks them.
        if place - last >= 60:
            said = f"{look.move} {look.weight_percent} %" if look.move is Move.ADVANCE else str(look.move)
            parts.append(_text(place, top - 6, said, anchor="middle", size=10))
            last = place
    return parts


def _axis(bottom: float, length: float, x: Callable[[float], float], start: float) -> list[str]:
    scale, unit = (60.0, "minutes") if length >= 300 else (1.0, "seconds")
    parts: list[str] = []
    step = _round_step(length / scale / 8)
    for number in range(int(length / scale / step) + 1):
        place = x(start + number * step * scale)
        parts.append(_line([(place, bottom), (place, bottom + 5)], _INK, 1))
        parts.append(_text(place, bottom + 18, f"{number * step:g}", anchor="middle"))
    parts.append(_text(_LEFT + _PLOT / 2, bottom + 38, f"{unit} since the first look", anchor="middle"))
    keys = [(str(judgement), shade) for judgement, shade in _SHADES.items()]
    for number, (name, shade) in enumerate(keys):
        left = _LEFT + 130 * number
        parts.append(f'<rect x="{left}" y="{bottom + 54:.1f}" width="14" height="12" fill="{shade}"/>')
        parts.append(_text(left + 20, bottom + 64, name))
    return parts


def _round_step(least: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(max(least, 1e-3)))
    return next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= least)


def _frame(panel: _Panel, title: str, ticks: Sequence[tuple[float, str]]) -> list[str]:
    parts = [_text(_LEFT, panel.top - 8 if panel.top > _TOP else panel.top - 22, title, weight="600")]
    for value, label in ticks:
        y = panel.y(value)
        parts.append(_line([(_LEFT, y), (_LEFT + _PLOT, y)], _GRID, 1))
        parts.append(_text(_LEFT - 8, y + 4, label, anchor="end"))
    parts.append(
        f'<rect x="{_LEFT}" y="{panel.top:.1f}" width="{_PLOT}" height="{panel.height:.1f}" '
        'fill="none" stroke="#aaaaaa"/>'
    )
    return parts


def _pieces(
    panel: _Panel,
    verdicts: Sequence[Verdict | None],
    places: Sequence[float],
    colour: str,
    dash: str,
    value_of: Callable[[Verdict], float | None],
) -> list[str]:
    """Returns a line through the values, broken where there is none."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for place, verdict in zip(places, verdicts, strict=False):
        value = value_of(verdict) if verdict else None
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((place, panel.y(value)))
    return [_line(piece, colour, 1.8, dash=dash) for piece in pieces if piece]


def _line(points: Sequence[tuple[float, float]], colour: str, width: float, *, dash: str = "") -> str:
    said = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{said}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dashed}/>'


def _legend(y: float, colour: str, name: str, dash: str = "") -> str:
    left = _LEFT + _PLOT + 12
    return _line([(left, y), (left + 20, y)], colour, 2, dash=dash) + _text(left + 26, y + 4, name)


def _text(x: float, y: float, said: str, *, anchor: str = "start", size: int = 12, weight: str = "400") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="{_INK}">{escape(said)}</text>'
    )


def _document(story: Story, looks: Sequence[Look], parts: Sequence[str], height: float) -> str:
    against = f" against {short_digest(story.live_digest)}" if story.live_digest else ""
    title = f"{story.model}, rollout {story.rollout}: {short_digest(story.candidate_digest)}{against}"
    outcome = f"{story.ended or 'under way'}; first look {looks[0].time}"
    size = f'width="{_WIDTH}" height="{height:.0f}" viewBox="0 0 {_WIDTH} {height:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            _text(_LEFT, 26, f"{title} ({outcome})", size=15, weight="600"),
            *parts,
            "</svg>\n",
        ]
    )
