"""Verdicts of drift and of accuracy, as their writers append them: only what is new is read, whole lines only."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shipway.retraining.memory import Place

__all__ = ["Verdict", "read_added", "read_new"]

# More than a week of hourly verdicts over fifty features; the rest is read in the next rounds.
_READ_BYTES = 4 * 1024 * 1024

# What a writer calls a verdict that somebody should act on: the detector, and the judge of late labels.
_ALARMING = frozenset({"drifted", "dropped"})


@dataclass(frozen=True)
class Verdict:
    """One verdict about a window of event time.

    Args:
        until: the end of its window: a version that knew of everything until then has answered it.
        alarming: whether it asks for something to be done.
        accuracy: whether it is about late labels, not about distributions.
        reason: what it says, for a person.
    """

    until: datetime
    alarming: bool
    accuracy: bool
    reason: str


def read_new(path: Path, place: Place, *, accuracy: bool, say: Callable[[str], None]) -> tuple[list[Verdict], Place]:
    """Returns the verdicts that were appended to the file `path` after `place`, and the place after them.

    A file that is another one now, or shorter, is read from its beginning. A last line without its end is left for the
    next time.

    Args:
        path: one JSON object a line; it need not be there.
        place: how far it was read.
        accuracy: whether its verdicts are about late labels.
        say: called with one sentence for each line that is no verdict.
    """
    try:
        with path.open("rb") as file:
            stat = path.stat()
            start = place.offset if stat.st_ino == place.inode and stat.st_size >= place.offset else 0
            file.seek(start)
            content = file.read(_READ_BYTES)
    except FileNotFoundError:
        return [], place
    whole, end, _ = content.rpartition(b"\n")
    if not end and len(content) == _READ_BYTES:
        say(f"{path}: a line longer than {_READ_BYTES} bytes is passed over, expected one verdict a line")
        return [], Place(inode=stat.st_ino, offset=start + len(content))
    found = _verdicts(whole.splitlines(), str(path), accuracy=accuracy, say=say)
    return found, Place(inode=stat.st_ino, offset=start + len(whole) + len(end))


def read_added(
    content: bytes, where: str, place: Place, *, accuracy: bool, say: Callable[[str], None]
) -> tuple[list[Verdict], Place]:
    """Returns the verdicts after `place` in an object, which is always written whole, and the place after them.

    Where the last line that was read is gone, as after the object was lost, all of it is new: what the newest version
    knew of starts nothing anyway.

    Args:
        content: the object, one JSON object a line; nothing where there is none.
        where: its address.
        place: how far it was read.
        accuracy: whether its verdicts are about late labels.
        say: called with one sentence for each line that is no verdict.
    """
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    if not lines:
        return [], place
    known = next((at for at in reversed(range(len(lines))) if _sha256(lines[at]) == place.line), -1)
    found = _verdicts(lines[known + 1 :], where, accuracy=accuracy, say=say)
    return found, Place(line=_sha256(lines[-1]))


def _sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _verdicts(lines: Iterable[bytes], where: str, *, accuracy: bool, say: Callable[[str], None]) -> list[Verdict]:
    found: list[Verdict] = []
    for line in lines:
        try:
            found.append(_verdict(json.loads(line), accuracy=accuracy))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            say(f"{where}: a line is no verdict ({type(error).__name__}: {error}), expected window.end and status")
    return found


def _verdict(document: Any, *, accuracy: bool) -> Verdict:
    window = document["window"]
    until = datetime.fromisoformat(window["end"])
    about = str(document.get("feature") or document.get("metric") or "")
    segment = str(document.get("segment") or "")
    what = " ".join(part for part in (about, f"of {segment}" if segment else "") if part)
    score, statistic = document.get("score"), document.get("statistic") or ""
    measured = f" ({statistic or 'score'} {score:.4g})" if isinstance(score, int | float) else ""
    kind = "accuracy" if accuracy else f"{document.get('kind', 'drift')} drift"
    return Verdict(
        until if until.tzinfo else until.replace(tzinfo=UTC),
        document["status"] in _ALARMING,
        accuracy,
        f"{kind}{f' in {what}' if what else ''}{measured}, {window.get('name', 'window')} to {window['end']}",
    )
