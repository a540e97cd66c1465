"""`make test`: every check in the order of its cost, one line each; what a failing one printed follows its line."""

import argparse
import sys
import time
from pathlib import Path

from tools import environment, report
from tools.errors import CommandError

__all__ = ["STAGES", "main"]

ROOT = Path(__file__).resolve().parents[1]

STAGES: dict[str, tuple[str, ...]] = {
    "lint": ("ruff", "check", "."),
    "format": ("ruff", "format", "--check", "."),
    "layers": ("lint-imports", "--cache-dir", ".shipway/cache/import_linter"),
    "types": ("pyright",),
    # Side by side: each file's fixtures are made once.
    "unit": (
        *("pytest", "-q", "-n", "2", "--dist", "loadfile"),
        *("-m", "not e2e and not standins and not cluster and not graders and not kinds"),
    ),
    # Much of their time is waiting; in the order of tests/conftest.py, the longest first.
    "e2e": ("pytest", "-q", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-m", "e2e"),
    "standins": ("pytest", "-q", "-m", "standins", "tests/standins", "tests/tools", "tests/e2e"),
    "graders": ("pytest", "-q", "-m", "graders", "tests/graders"),
    "cluster": ("pytest", "-q", "-m", "cluster", "tests/cluster"),
    "kinds": ("pytest", "-q", "-m", "kinds", "tests/e2e/road"),
}
# Only where they are named: they are about clouds and clusters, and need checkers and a control plane of their own; or
# four models roll out at once, which takes a machine that does nothing else.
ON_DEMAND = frozenset({"cluster", "graders", "kinds", "standins"})


def main() -> int:
    """Runs the stages, also after one that failed, and returns 1 when any did."""
    parser = argparse.ArgumentParser(prog="make test", description=__doc__)
    parser.add_argument(
        "stage",
        nargs="*",
        help=f"which of {', '.join(STAGES)}; all but {' and '.join(sorted(ON_DEMAND))} where none is named",
    )
    chosen = parser.parse_args().stage
    if unknown := set(chosen) - set(STAGES):
        parser.error(f"no stage {', '.join(sorted(unknown))}; known ones are {', '.join(STAGES)}")
    variables = environment.load(ROOT) | {
        # pyright's own package comes from npm; it stays with everything else.
        "PYRIGHT_PYTHON_CACHE_DIR": str(ROOT / ".shipway" / "cache" / "pyright"),
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
    }
    failed: list[str] = []
    for stage, command in STAGES.items():
        if (chosen and stage not in chosen) or (not chosen and stage in ON_DEMAND):
            continue
        start = time.monotonic()
        try:
            output, verdict = report.run(command, subject=stage, cwd=ROOT, env=variables), "passed"
        except CommandError as error:
            output, verdict = error.output, "FAILED"
            failed.append(stage)
        summary = next((line for line in reversed(output.splitlines()) if line.strip()), "")
        print(f"{stage:<8} {verdict} in {time.monotonic() - start:6.1f} s  {summary.strip(' =')}", flush=True)
        if verdict == "FAILED":
            print(output, file=sys.stderr, flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    report.fail_clearly(main)
