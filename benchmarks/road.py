"""How long the road takes, measured in a clone of this checkout: `python -m benchmarks.road [--base 9300]`.

Each line is one figure beside what it should stay under. The clone has its own ports, its own `.shipway/` and its own
processes; tools come from the cache. It is brought down and removed at the end, whatever happened.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from shipway.contract.layout import PROCESS_MARKER, LocalLayout
from shipway.contract.metrics import Slot

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]
MODELS = ("flight-delay", "digits")
ENVIRONMENT = "local"


@dataclass
class Figures:
    """What was measured, in the order it was."""

    rows: list[tuple[str, float, str, float | None]] = field(default_factory=list)

    def add(self, what: str, value: float, unit: str, at_most: float | None = None) -> None:
        """Prints and keeps one figure."""
        self.rows.append((what, value, unit, at_most))
        bound = "" if at_most is None else f"   at most {at_most:g}{'' if value <= at_most else '   MISSED'}"
        print(f"{what:<58} {value:8.2f} {unit}{bound}", flush=True)

    @contextmanager
    def seconds(self, what: str, at_most: float | None = None) -> Iterator[None]:
        """Measures the block."""
        start = time.monotonic()
        yield
        self.add(what, time.monotonic() - start, "s", at_most)


@dataclass(frozen=True)
class Clone:
    """A checkout of its own, on ports of its own."""

    root: Path
    base: int

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the clone's own `.shipway/env`."""
        outer = {k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "VIRTUAL_ENV", "SHIPWAY"))}
        out = subprocess.run(
            [
                "sh",
                "-c",
                '. .shipway/env && exec "$0" -c "import json, os; print(json.dumps(dict(os.environ)))"',
                sys.executable,
            ],
            cwd=self.root,
            env=outer,
            check=True,
            capture_output=True,
            text=True,
        )
        return dict(json.loads(out.stdout))

    def run(self, *words: str, sourced: bool = True) -> str:
        """Returns what a command prints; its progress goes where this one's goes."""
        outer = {k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "VIRTUAL_ENV", "SHIPWAY"))}
        env = self.environment if sourced else outer
        return subprocess.run(words, cwd=self.root, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout

    def up(self) -> None:
        """Runs a plain `pulumi up`."""
        self.run("pulumi", "up", "-s", ENVIRONMENT, "--yes", "--skip-preview", "--non-interactive")

    def await_answer(self, model: str, deadline_seconds: float = 120) -> None:
        """Waits until the model's route answers."""
        body = (self.root / "services" / model.replace("-", "_") / "tests" / "request.json").read_bytes()
        url = f"http://127.0.0.1:{self.base}/{model}/predict"
        deadline = time.monotonic() + deadline_seconds
        while True:
            try:
                request = urllib.request.Request(url, body, {"content-type": "application/json"})
                with urllib.request.urlopen(request, timeout=5):  # noqa: S310
                    return
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def clone(folder: Path, base: int) -> Clone:
    """Returns a clone of HEAD in `folder` whose ports start at `base`."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    path = folder / "stacks" / f"Pulumi.{ENVIRONMENT}.yaml"
    path.write_text(re.sub(r"(base:\s*)\d+", rf"\g<1>{base}", path.read_text()))
    return Clone(folder, base)


def resident_mib(layout: LocalLayout) -> dict[str, float]:
    """Returns process -> resident MiB of the stack's own processes."""
    found: dict[str, float] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(PROCESS_MARKER) == str(layout.state):
                words = process.cmdline()
                name = next((word for word in words if word.startswith("shipway.")), Path(words[0]).name)
                found[f"{name} {process.pid}"] = process.memory_info().rss / 2**20
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def boot_seconds(here: Clone, layout: LocalLayout, model: str) -> float:
    """Returns how long a slot's process took from its start to its first 200 on /readyz, restarted alone."""
    route = json.loads((layout.routes / f"{model}.json").read_text())
    url = f"http://127.0.0.1:{route['blue']['port']}/readyz"
    control = ["supervisorctl", "-c", str(layout.supervisor / "supervisord.conf")]
    name = layout.process(model, Slot.BLUE)
    here.run(*control, "stop", name)
    env = here.environment
    start = time.monotonic()
    # `supervisorctl start` itself returns only once the process has lived for ten seconds.
    with subprocess.Popen([*control, "start", name], env=env, stdout=subprocess.DEVNULL):
        while True:
            try:
                with urllib.request.urlopen(url, timeout=2):
                    return time.monotonic() - start
            except OSError:
                if time.monotonic() - start > 120:
                    raise
                time.sleep(0.05)


def measure(here: Clone, figures: Figures) -> None:
    """Walks the road once and takes each figure on the way."""
    layout = LocalLayout(here.root.resolve(), ENVIRONMENT)
    with figures.seconds("make setup (tool cache warm, new environment)"):
        here.run("make", "setup", sourced=False)
    digests = {}
    for model in MODELS:
        with figures.seconds(f"shipway train {model}"):
            out = here.run("shipway", "train", model, "--json")
        digests[model] = json.loads(out.strip().splitlines()[-1])["digest"]
    aside = here.root / ".shipway" / "aside"
    shutil.move(here.root / "services" / "digits", aside)
    with figures.seconds("make up to the first routed prediction, all cached", 60):
        here.run("make", "up", sourced=False)
    with figures.seconds("pulumi up that changes nothing", 10):
        here.up()
    shutil.move(aside, here.root / "services" / "digits")
    here.run("shipway", "release", "digits", digests["digits"], "--env", ENVIRONMENT, "--reason", "benchmark")
    start = time.monotonic()
    here.up()
    here.await_answer("digits")
    added = time.monotonic() - start
    figures.add("whole platform, two models, one slot each", sum(resident_mib(layout).values()), "MiB", 1536)
    boot = boot_seconds(here, layout, "digits")
    figures.add("boot of the second model's process alone", boot, "s")
    figures.add("adding the second model, beyond its boot", added - boot, "s", 15)


def main() -> int:
    """Runs the measurement; exit code 1 when a figure misses its bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=int, default=9300, help="first port of the clone's stack")
    base = parser.parse_args().base
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as folder:
        here = clone(Path(folder) / "shipway", base)
        try:
            measure(here, figures)
        finally:
            here.run("make", "down", sourced=False)
    return int(any(bound is not None and value > bound for _, value, _, bound in figures.rows))


if __name__ == "__main__":
    sys.exit(main())
