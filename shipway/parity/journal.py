"""The worst rows of a model, one JSON object a line, so that an alarm can be looked into after it has gone."""

import json
from collections.abc import Iterable

from shipway.parity.keeping import Kept
from shipway.parity.report import Report

__all__ = ["KEPT_LINES", "WORST_FILE", "keep_worst"]

KEPT_LINES = 500
WORST_FILE = "worst.jsonl"


def keep_worst(kept: Kept, reports: Iterable[Report], now: str) -> None:
    """Adds the worst rows of `reports` to `kept`; the same row of the same feature again replaces the one before.

    Args:
        kept: where; its oldest lines go when there are more than `KEPT_LINES`.
        reports: what was found.
        now: when, as ISO 8601.
    """
    lines: dict[tuple[str, str], str] = {}
    for line in kept.fetch().decode().splitlines():
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
        kept.keep(("\n".join([*lines.values()][-KEPT_LINES:]) + "\n").encode())
