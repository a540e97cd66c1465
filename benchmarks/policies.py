"""The policy pack as a library beside checkov: `python -m benchmarks.policies [--resources 500] [--rounds 5] [--json]`.

Both judge the same Kubernetes objects, models' workloads and what belongs to them. checkov runs as people run it, as a
process over a folder of manifests, and once more over a single object: what that takes is its start, not its judgement.
It has an environment of its own in the tool cache, for its pins contradict Pulumi's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import Any

from policies.judge import all_rules, judge
from policies.resource import Resource
from tests.policies.clean_stack import clean_stack
from tools import pinned, programs

__all__ = ["main"]

AT_LEAST_RATIO = 40.0
ROOT = Path(__file__).resolve().parents[1]
TODAY = date(2026, 11, 27)
# Built-in kinds; checkov knows no custom resources.
_KINDS = (
    "core/v1",
    "apps/v1",
    "batch/v1",
    "networking.k8s.io/v1",
    "policy/v1",
    "rbac.authorization.k8s.io/v1",
    "autoscaling/v2",
)


def objects(wanted: int) -> list[Resource]:
    """Returns so many Kubernetes objects, from as many clean stacks as it takes."""
    found = (
        one
        for seed in count()
        for one in clean_stack(seed)
        if one.type.startswith(tuple(f"kubernetes:{k}" for k in _KINDS))
    )
    return list(islice(found, wanted))


def manifest(resource: Resource, number: int) -> dict[str, Any]:
    """Returns an object as the manifest that one would apply; its name is made unique, as in one cluster."""
    group, kind = resource.type.removeprefix("kubernetes:").split(":")
    metadata = {**resource.props.get("metadata", {}), "name": f"{resource.name}-{number}"}
    return {**resource.props, "apiVersion": group.removeprefix("core/"), "kind": kind, "metadata": metadata}


def checkov_seconds(resources: list[Resource]) -> tuple[float, int]:
    """Returns how long checkov takes over a folder with these objects, and how many judgements it makes."""
    with tempfile.TemporaryDirectory() as folder:
        for number, resource in enumerate(resources):
            text = json.dumps(manifest(resource, number))
            (Path(folder) / f"{number}.json").write_text(text, encoding="utf-8")
        checkov = pinned.checkov(ROOT, programs.cache_folder(os.environ))
        words = [checkov, "-d", folder, "--framework", "kubernetes", "--skip-download", "--compact", "-o", "json"]
        began = time.monotonic()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        took = time.monotonic() - began
    try:
        summary = json.loads(done.stdout)["summary"]
    except (json.JSONDecodeError, KeyError, TypeError):
        sys.exit(f"error: checkov ended with {done.returncode}, expected a report: {done.stderr[-500:]}")
    return took, summary["passed"] + summary["failed"]


def pack_seconds(resources: list[Resource], rounds: int) -> tuple[float, int]:
    """Returns how long the library takes over these objects, the median of some rounds, and how many judgements."""
    rules = all_rules()
    took: list[float] = []
    for _ in range(rounds):
        began = time.monotonic()
        judge(resources, None, (), TODAY)
        took.append(time.monotonic() - began)
    return median(took), sum(rule.judges(one.type) for one in resources for rule in rules)


def main(arguments: list[str]) -> int:
    """Prints both times and their ratio; returns 1 when it is below the bound."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.policies", description="The policy pack beside checkov."
    )
    parser.add_argument("--resources", type=int, default=500, help="objects that both judge")
    parser.add_argument("--rounds", type=int, default=5, help="judgements by the library, of which the median counts")
    parser.add_argument("--json", action="store_true", help="print the figures as one line of JSON")
    chosen = parser.parse_args(arguments)
    resources = objects(chosen.resources)
    ours, our_judgements = pack_seconds(resources, chosen.rounds)
    # The first run of all reads checkov's files from the disk; the second start is the one to compare with.
    start = min(checkov_seconds(resources[:1])[0] for _ in range(2))
    theirs, their_judgements = checkov_seconds(resources)
    ratio, judging = theirs / ours, (theirs - start) / ours
    if chosen.json:
        print(
            json.dumps({"ours": ours, "theirs": theirs, "start": start, "ratio": ratio, "ratio_without_start": judging})
        )
    else:
        print(f"policies, {len(resources)} objects, {our_judgements:,} judgements {ours:>22.3f} s")
        print(f"checkov, the same objects, {their_judgements:,} judgements {theirs:>19.1f} s (its start {start:.1f} s)")
        verdict = "" if ratio >= AT_LEAST_RATIO else "  MISSED"
        print(f"ratio {ratio:.0f} (at least {AT_LEAST_RATIO:.0f}); without checkov's start {judging:.0f}{verdict}")
    return 0 if ratio >= AT_LEAST_RATIO else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
