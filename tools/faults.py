"""`make faults`: every fault of the design on real processes, each with many seeds; a run that was cut off goes on."""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, cast

from tools import environment, report
from tools.errors import CommandError

__all__ = ["Results", "main", "summary", "tree_hash"]

ROOT = Path(__file__).resolve().parents[1]
SEEDS = 20
# The longest of them takes half a minute on two slow cores.
RUN_TIMEOUT_SECONDS = 240.0
# A run mostly waits: it takes about a quarter of a core.
RUNS_PER_CORE = 2
# What a result depends on; a change elsewhere leaves it true.
SOURCES = (
    *(f"shipway/{part}" for part in ("bundle", "contract", "delivery", "features", "observability", "serving")),
    "shipway/training",
    "services/digits",
    "tests/e2e/slot_process.py",
    "tests/faults",
    "tests/shipway/delivery/stack.py",
    "tests/shipway/serving/breakage.py",
    "tests/shipway/serving/echo.py",
    "tools/pins.py",
)

Result = Mapping[str, Any]


def tree_hash(root: Path, sources: Iterable[str] = SOURCES) -> str:
    """Returns a short hash of the names and contents of all files below `sources`."""
    total = hashlib.sha256()
    for source in sources:
        top = root / source
        paths = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
        for path in paths:
            if "__pycache__" not in path.parts:
                total.update(f"{path.relative_to(root)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()[:16]


class Results:
    """What is known of this source tree: one line a run, appended as each one ends.

    Args:
        path: the file.
        tree: hash of the sources; lines of other trees are passed over.
    """

    def __init__(self, path: Path, tree: str) -> None:
        self._path, self._tree = path, tree
        self.known: dict[tuple[str, int], Result] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                found = _line(line)
                if found.get("tree") == tree:
                    self.known[str(found["fault"]), int(found["seed"])] = found

    def add(self, fault: str, seed: int, result: Result) -> None:
        """Appends one result."""
        kept = {"tree": self._tree, "fault": fault, "seed": seed, **result}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(kept) + "\n")
        self.known[fault, seed] = kept


def _line(line: str) -> dict[str, Any]:
    try:
        return cast(dict[str, Any], json.loads(line))
    except ValueError:
        # The line in which a run was cut off.
        return {}


def summary(fault: str, title: str, results: Iterable[Result]) -> tuple[str, bool]:
    """Returns one line of the table, and whether all of the fault's runs were as they must be.

    A fault that has several parts (`part` of `parts` in its notes) fails too when one of them was never reached, though
    there were runs enough for all.
    """
    every = list(results)
    failed = [one for one in every if one["problems"]]
    notes: list[dict[str, Any]] = [one["notes"] for one in every]
    parts = {part for one in notes for part in one.get("parts", ())}
    unreached = sorted(parts - {str(one["part"]) for one in notes if "part" in one})
    times = sorted(float(one["seconds_to_rollback"]) for one in notes if one.get("seconds_to_rollback"))
    said = f"rolled back within {times[-1]:.1f} s at most, {times[len(times) // 2]:.1f} s median" if times else ""
    if unreached:
        said = f"never reached: {', '.join(unreached)}"
    elif failed:
        said = f"seed {failed[0]['seed']}: {failed[0]['problems'][0]}"
    return (
        f"{fault:<4} {title:<40} {len(every) - len(failed):>3} of {len(every):<3} {said}",
        not failed and not (unreached and len(every) >= len(parts)),
    )


def main() -> int:
    """Carries out what is not known yet, prints the table, and returns 1 when a run was not as it must be."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", default="", help="faults, such as 'F4 F5'; all where none is named")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many seeds of each")
    parser.add_argument("--jobs", type=int, default=RUNS_PER_CORE * (os.cpu_count() or 1), help="how many at a time")
    parser.add_argument("--results", type=Path, default=ROOT / ".shipway" / "faults" / "results.jsonl")
    chosen = parser.parse_args()
    variables = environment.load(ROOT)
    titles: dict[str, str] = json.loads(_ask(["--list"], variables, 60))
    only = chosen.only.split()
    if unknown := set(only) - set(titles):
        parser.error(f"no fault {', '.join(sorted(unknown))}; known ones are {', '.join(titles)}")
    results = Results(chosen.results, tree_hash(ROOT))
    wanted = {name: title for name, title in titles.items() if not only or name in only}
    # Seed by seed, so that a run that is cut off has seen something of every fault.
    left = [(name, seed) for seed in range(chosen.seeds) for name in wanted if (name, seed) not in results.known]
    with ThreadPoolExecutor(chosen.jobs) as runs:
        under_way = {runs.submit(_carry_out, *one, variables): one for one in left}
        try:
            for done in as_completed(under_way):
                results.add(*under_way[done], done.result())
        except BaseException:
            # What has begun is waited for: each run ends what it started.
            runs.shutdown(wait=False, cancel_futures=True)
            raise
    print(f"{'':<4} {'fault':<40} {'as it must be':<12}")
    passed = True
    for fault, title in wanted.items():
        line, well = summary(fault, title, (results.known[fault, seed] for seed in range(chosen.seeds)))
        print(line)
        passed = passed and well
    return 0 if passed else 1


def _carry_out(fault: str, seed: int, variables: Mapping[str, str]) -> Result:
    """Returns the result of one run, in a process of its own; what that process breaks is a problem of the run."""
    began = time.monotonic()
    try:
        found: dict[str, Any] = json.loads(_ask([fault, str(seed)], variables, RUN_TIMEOUT_SECONDS))
    except (ValueError, CommandError, subprocess.TimeoutExpired) as error:
        found = {"problems": [str(error)], "notes": {}, "logs": {}}
    verdict = f"FAILED  {found['problems'][0]}" if found["problems"] else "passed"
    print(f"  {fault:<4} seed {seed:<3} {time.monotonic() - began:6.1f} s  {verdict}", file=sys.stderr, flush=True)
    return found


def _ask(arguments: list[str], variables: Mapping[str, str], timeout_seconds: float) -> str:
    command = [sys.executable, "-m", "tests.faults", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=dict(variables), timeout=timeout_seconds, check=False
    )
    if done.returncode:
        raise CommandError(command, done.returncode, done.stderr)
    return done.stdout


if __name__ == "__main__":
    report.fail_clearly(main)
