"""`make year`: the year 2013 against a platform of its own: `python -m tools.year [--base 9600] [--share 0.35]`.

Trained on January alone, it meets the blizzard of February, the storms of June and the quiet of September; what drifts
is found, retraining follows, what is better is promoted by evidence. It prints tables and draws into docs/year/.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from shipway.bundle.store import ArtifactStore
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.contract.route import read_rollout_states
from tools import environment, report
from tools.copies import own_variables
from tools.errors import CommandError
from tools.year.checkout import MODEL, SERVICE, STARTS, make_checkout
from tools.year.journal import Clock, drift_days, happened
from tools.year.steering import Drive, drive

__all__ = ["main", "require_own"]

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = "local"

# After the last request windows close, are judged, and a run that was decided on ends.
_SETTLE_SECONDS = 30.0


def main() -> int:
    """Runs the year and returns the exit status."""
    chosen = _parser().parse_args()
    start = time.monotonic()
    folder = chosen.folder or ROOT / ".shipway" / "cache" / "year"
    layout = LocalLayout(folder, ENVIRONMENT)
    if not chosen.report_only:
        if folder.exists():
            require_own(folder)
            _make(folder, "down")
            shutil.rmtree(folder)
        with report.step("year", f"making a checkout for the year in {folder}"):
            make_checkout(ROOT, folder, chosen.base)
        _make(folder, "up")
        try:
            counted = _replay(layout, chosen)
            time.sleep(_SETTLE_SECONDS)
            _tell(layout, counted, chosen)
        finally:
            if not chosen.keep:
                _make(folder, "down")
    else:
        _tell(layout, {}, chosen)
    report.say("year", f"done in {(time.monotonic() - start) / 60:.1f} minutes")
    return 0


def require_own(folder: Path) -> None:
    """Refuses a folder that no year has made: it is removed with all that lies in it.

    Raises:
        ShipwayError: naming it.
    """
    if (folder / ".git").exists() or not (folder / "Pulumi.yaml").is_file():
        raise ShipwayError(
            f"{folder}: found something else, expected no such folder or one that `make year` made: it is made anew; "
            "give another one with --folder"
        )


def _replay(layout: LocalLayout, chosen: argparse.Namespace) -> dict[str, object]:
    first = read_rollout_states(layout.served_routes)[MODEL].live_digest
    folder = layout.root / ".shipway" / "year"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "first").write_text(first, encoding="utf-8")
    job = Drive(
        layout,
        environment.load(layout.root),
        STARTS,
        chosen.until,
        chosen.share,
        chosen.rate,
        Clock(),
        lambda line: report.say("replay", line),
    )
    return drive(job)


def _tell(layout: LocalLayout, counted: Mapping[str, object], chosen: argparse.Namespace) -> None:
    # numpy, pandas and Feast load here, when the machine has nothing else to do.
    from tools.year.draw import draw
    from tools.year.months import by_month
    from tools.year.report import events_table, facts, months_table, verdicts_table

    folder = layout.root / ".shipway" / "year"
    first = (folder / "first").read_text(encoding="utf-8")
    ArtifactStore(layout.artifacts).verify(first)
    events = happened(layout, MODEL, Clock.load(folder / "clock.jsonl"))
    verdicts, months = drift_days(layout, MODEL), by_month(layout, layout.root / "services" / SERVICE, first)
    document = facts(counted, months, events, verdicts)
    out: Path = chosen.out
    out.mkdir(parents=True, exist_ok=True)
    (out / "year.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    draw(out / "year.svg", months, events, verdicts)
    tables = (
        ("Accuracy by month", months_table(months)),
        ("What was done", events_table(events)),
        ("Verdicts of drift, by week", verdicts_table(verdicts)),
    )
    text = "\n\n".join(f"## {title}\n\n{table}" for title, table in tables)
    (out / "year.md").write_text(f"# The year replayed\n\nMade by `make year`.\n\n{text}\n", encoding="utf-8")
    print(json.dumps(document, sort_keys=True) if chosen.json else text, flush=True)


def _make(folder: Path, verb: str) -> None:
    """Runs one of the year's own verbs; its output is progress."""
    words = ["make", "-s", verb]
    variables = own_variables(os.environ, ROOT)
    done = subprocess.run(words, cwd=folder, env=variables, stdout=sys.stderr, check=False)
    if done.returncode:
        raise CommandError(words, done.returncode)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make year", description=__doc__)
    parser.add_argument("--base", type=int, default=9600, help="the first port of its platform")
    parser.add_argument("--share", type=float, default=0.35, help="of the flights that are replayed")
    parser.add_argument("--rate", type=float, default=180.0, help="requests a second")
    parser.add_argument("--until", default="2014-01-01", help="event time of the end, UTC")
    parser.add_argument("--folder", type=Path, help="where its checkout is made; by default below .shipway/cache")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "year", help="where tables and pictures go")
    parser.add_argument("--keep", action="store_true", help="leave its platform running")
    parser.add_argument("--report-only", action="store_true", help="only tell again what the last one left")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    return parser


if __name__ == "__main__":
    report.fail_clearly(main)
