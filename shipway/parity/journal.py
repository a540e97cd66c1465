"""The worst rows of a model, one JSON object a line, so that an alarm can be looked into after it has gone."""

import json
from collections.abc import Iterable
from pathlib import Path

from shipway.contract.documents import write_atomic
from shipway.parity.report import Report

__all__ = ["KEPT_LINES", "keep_worst"]

KEPT_LINES = 500


def keep_worst(path: Path, reports: Iterable[Report], now: str) -> None:
    """Adds the worst rows of `reports` to `path`; the same row of the same feature again replaces the one before.

    Args:
        path: the file; its oldest lines go when there are more than `KEPT_LINES`.
        reports: what was found.
        now: when, as ISO 8601.
    """
    lines: dict[tuple[str, str], str] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            known = json.loads(line)
            lines[known["prediction_id"], known["feature"]] = line
    for report in reports:
        for one in report.skewed:
            cause = one.causes[0].name if one.causes else ""
            for worst in one.worst:
                lines.pop((worst.prediction_id, one.name), None)
                row = {"time": now, "version": report.version, "feature": one.name, "likely_cause": cause}
                lines[worst.prediction_id, one.name] = json.dumps(
                    {**row, **worst.model_dump(mode="json")}, sort_keys=True
                )
    if lines:
        write_atomic(path, "\n".join([*lines.values()][-KEPT_LINES:]) + "\n")
