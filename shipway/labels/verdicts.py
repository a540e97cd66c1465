"""What the labels said of each window, dated: one verdict a line, for retraining, for people, and for later.

A drop is written as soon as it is certain, and that a window held once no more of its labels are waited for. Each is
written once, also over restarts: what is there already is read first.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from shipway.contract.documents import write_atomic
from shipway.labels.quality import Assessment, Quality
from shipway.labels.watched import Watched

__all__ = ["DROPPED", "STABLE", "Verdicts", "document"]

DROPPED, STABLE = "dropped", "stable"

# Of a longer file the older half goes: at ten verdicts a day that is years.
_MOST_BYTES = 4 * 2**20

_Key = tuple[str, ...]


class Verdicts:
    """The file of one model.

    Args:
        path: `quality.jsonl`.
        most_bytes: how long it may grow.
    """

    def __init__(self, path: Path, most_bytes: int = _MOST_BYTES) -> None:
        self._path, self._most_bytes = path, most_bytes
        self._known = {_key(line) for line in self._lines()}

    def add(self, model: Watched, assessment: Assessment, now: str) -> int:
        """Appends what is new in an assessment and returns how many verdicts that were.

        Args:
            model: whose.
            assessment: what its labels say now.
            now: the time as people read it.
        """
        found = [one for one in _verdicts(model, assessment, now) if _key(one) not in self._known]
        if not found:
            return 0
        text = "".join(f"{json.dumps(one)}\n" for one in found)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        size = self._path.stat().st_size if self._path.exists() else 0
        if size + len(text) > self._most_bytes:
            lines = self._lines()
            text = "".join(f"{json.dumps(one)}\n" for one in [*lines[len(lines) // 2 :], *found])
            write_atomic(self._path, text)
        else:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text if self._ended(size) else f"\n{text}")
        self._known |= {_key(one) for one in found}
        return len(found)

    def _ended(self, size: int) -> bool:
        """Returns whether the file ends with a whole line: a process that died may have left half of one."""
        if not size:
            return True
        with self._path.open("rb") as file:
            file.seek(size - 1)
            return file.read(1) == b"\n"

    def _lines(self) -> list[Mapping[str, Any]]:
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        found: list[Mapping[str, Any]] = []
        for line in lines:
            try:
                content = json.loads(line)
            except ValueError:
                # Half a line, of a process that died while it wrote: its verdict comes again.
                continue
            if isinstance(content, dict):
                found.append(cast(dict[str, Any], content))
        return found


def document(model: str, one: Quality) -> dict[str, Any]:
    """Returns one metric of one version as the files show it; ends that are not known are null."""
    window = {"name": one.window.name, "start": one.window.start, "end": one.window.end}
    return {
        "model": model,
        "version": one.version,
        "segment": one.segment,
        "metric": one.metric,
        "window": window,
        "score": one.estimate.value,
        "low": one.estimate.low,
        "high": one.estimate.high if one.estimate.high < float("inf") else None,
        "n_current": one.labelled,
        "reference": one.reference,
        "against": one.against,
        "drop_ratio": one.drop_ratio,
    }


def _verdicts(model: Watched, assessment: Assessment, now: str) -> Iterator[dict[str, Any]]:
    for one in assessment.quality:
        if one.drop_ratio is None or model.drop_ratio is None:
            continue
        dropped = one.drop_ratio >= model.drop_ratio
        if dropped or (not one.segment and assessment.finished(one.window, model.delay_seconds)):
            status = DROPPED if dropped else STABLE
            covered = assessment.coverage.get(one.version)
            coverage = covered.labelled / covered.due if covered and covered.due else None
            said = {"threshold": model.drop_ratio, "status": status, "coverage_ratio": coverage}
            yield {"time": now, "kind": "quality", **document(model.name, one), **said}


def _key(line: Mapping[str, Any]) -> _Key:
    window = line.get("window")
    start = cast(dict[str, Any], window) if isinstance(window, dict) else {}
    named = (str(line.get(name)) for name in ("version", "segment", "metric", "status"))
    return (*named, str(start.get("name")), str(start.get("start")))
