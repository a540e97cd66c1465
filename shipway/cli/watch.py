"""The rollout as it goes on: redrawn on a terminal, one line a change where there is none."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from shipway.contract.release import short_digest
from shipway.contract.rollout import Look, Move
from shipway.contract.route import Phase
from shipway.delivery.explain import frame
from shipway.delivery.reach import Reach

__all__ = ["Watch"]

_EVERY_SECONDS = 1.0
_BAD = frozenset({Phase.ROLLED_BACK, Phase.FAILED})


@dataclass
class Watch:
    """Shows what is under way until nothing is any more.

    Args:
        way: to the environment.
        model: the only one to show, None for all.
        out: where to draw.
        as_json: one look a line instead of text.
        wait: waits between two looks.
    """

    way: Reach
    model: str | None
    out: TextIO
    as_json: bool = False
    wait: Callable[[float], None] = time.sleep
    _drawn_lines: int = 0
    _said: dict[str, tuple[object, ...]] = field(default_factory=dict[str, tuple[object, ...]])

    def run(self) -> int:
        """Returns 1 when a rollout that was watched was rolled back or failed, else 0.

        One that is promoted while it is watched is at its end; its guard is watched by asking again.
        """
        began: dict[str, str] = {}
        while True:
            found = self.way.looks()
            chosen = {name: look for name, look in sorted(found.items()) if self.model in (None, name)}
            for name, look in chosen.items():
                began.setdefault(name, look.phase)
            self._show(list(chosen.values()))
            # A pause during the guard begins and ends as one; only a look that was not in it can end in it.
            open_ones = [
                name
                for name, look in chosen.items()
                if look.phase != Phase.GUARDING or began[name] in (Phase.GUARDING, Phase.PAUSED)
            ]
            if not open_ones:
                return self._end(began)
            self.wait(_EVERY_SECONDS)

    def _end(self, began: dict[str, str]) -> int:
        served = self.way.served()
        names = sorted(began) or [self.model or ""]
        code = 0
        for name in names:
            if name not in served:
                if not self.as_json:
                    self._line("no rollout is under way")
                continue
            state, change = served[name].state, served[name].change
            code = max(code, int(state.phase in _BAD))
            if not self.as_json:
                waits = "; its guard goes on" if state.phase is Phase.GUARDING else ""
                why = f": {change.reason}" if change else ""
                live = short_digest(state.live_digest) or "nothing"
                self._line(f"{name}: {state.phase}, {live} is live{waits}{why}")
        return code

    def _show(self, found: Sequence[Look]) -> None:
        if self.as_json or not self.out.isatty():
            self._changes(found)
            return
        served = self.way.served()
        lines = [line for look in found for line in [*frame(look, served[look.model].spec.rollout.steps_percent), ""]]
        width = shutil.get_terminal_size().columns
        # A line that wraps would make the next frame begin too low.
        text = "\n".join(line[: width - 1] for line in lines)
        above = f"\x1b[{self._drawn_lines}F" if self._drawn_lines else ""
        self.out.write(f"{above}\x1b[J{text}\n" if lines else f"{above}\x1b[J")
        self.out.flush()
        self._drawn_lines = len(lines)

    def _changes(self, found: Sequence[Look]) -> None:
        for look in found:
            judged = tuple((verdict.gate, verdict.judgement) for verdict in look.verdicts)
            now = (look.rollout, look.phase, look.weight_percent, look.step_index, judged)
            if self._said.get(look.model) == now:
                continue
            self._said[look.model] = now
            if self.as_json:
                self._line(look.model_dump_json())
                continue
            what = "waits" if look.move is Move.HOLD else str(look.move)
            step = "" if look.phase == Phase.GUARDING else f"step {look.step_index + 1}  "
            self._line(
                f"{look.time}  {look.model}  rollout {look.rollout}  {look.phase}  {step}"
                f"{look.weight_percent} %  {what}: {look.sentence}"
            )

    def _line(self, text: str) -> None:
        self.out.write(f"{text}\n")
        self.out.flush()
