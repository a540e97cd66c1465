"""What delivery promises, measured: `python -m benchmarks.delivery [--only switch] [--runs 50] [--json]`.

    switch     from the decision to the last request that starts on the losing slot, and requests that failed
    dead       a candidate whose every request fails, at the 5 % step with 20 candidate requests/s: until it is gone
    failing    the same with a fifth of its requests
    idle       what the delivery process costs with 20 models at rest
    decision   how long one look takes to judge
    detection  requests until a guardrail rejects, beside the sample a fixed-horizon test needs for the same effect
    table      rollouts under this rule and under other tools' rules

One line a figure with its bound; exit code 1 when one is missed.
"""

import argparse
import itertools
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

import psutil

from benchmarks.rollout_stack import MODEL, A, B, Load, RolloutStack, rollout_stack, until
from benchmarks.simulation import LOOK_AT_MOST_MILLISECONDS, look_milliseconds
from shipway.contract.metrics import Slot
from shipway.contract.model import RolloutSpec
from shipway.contract.route import Phase
from shipway.delivery.client import act
from shipway.delivery.control import Command
from shipway.delivery.ledger import Ledger
from shipway.delivery.simulate.scenarios import SCENARIOS
from shipway.delivery.simulate.table import SHIPWAY, as_text, run

__all__ = ["Figure", "main"]

_LOAD_PER_SECOND = 400.0
_IDLE_MODELS, _IDLE_SECONDS = 20, 30.0
# Both error probabilities of a test that may look once: 1 % to accuse a healthy version, 20 % to miss a bad one.
_Z_ALPHA, _Z_BETA = 2.326, 0.842


@dataclass(frozen=True)
class Figure:
    """One measured figure, and what it must not exceed; None where nothing is promised."""

    name: str
    value: float
    unit: str
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether it is within its bound."""
        return self.at_most is None or self.value <= self.at_most


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def switch(runs: int) -> list[Figure]:
    """Measures `20 * runs` switches under a constant load."""
    rollout = RolloutSpec(steps_percent=(1, 100), guard_seconds=3600)
    late: list[float] = []
    with rollout_stack() as stack:
        for slot in Slot:
            stack.start_slot(slot)
        stack.start_platform(prometheus=False)
        stack.declare(A, "", rollout)
        until(lambda: stack.state().live is Slot.BLUE, "the first version is live")
        stack.declare(A, B, rollout)
        until(lambda: stack.state().candidate is Slot.GREEN, "the second version is a candidate")
        with Load(stack.base, 200.0) as load:
            switches: list[tuple[float, str]] = []
            ledger, offset = Ledger(stack.layout.ledger), time.time() - time.monotonic()
            for number in range(20 * runs):
                verb, losing = ("promote", "blue") if number % 2 == 0 else ("rollback", "green")
                command = Command(verb=verb, model=MODEL, actor="b", reason="b", retry=True)
                act(stack.layout, stack.base, stack.base + 1, command)
                switches.append((_decided(ledger) - offset, losing))
                seen = len(load.answers)
                until(lambda: len(load.answers) > seen + 20, "traffic flows")  # noqa: B023
        answers = sorted(load.answers, key=lambda answer: answer.began)
        first = 0
        for number, (done, losing) in enumerate(switches):
            ends = switches[number + 1][0] - 0.01 if number + 1 < len(switches) else math.inf
            while first < len(answers) and answers[first].began < done:
                first += 1
            starts = [one.began for one in itertools.islice(answers, first, first + 60) if one.began < ends]
            lost = [one.began - done for one in answers[first : first + len(starts)] if one.slot == losing]
            late.append(1000 * max(lost, default=0.0))
        failed = sum(answer.status != 200 for answer in answers)
    return [
        Figure(
            f"switch: last request that starts on the losing slot, p99 of {len(late)}", _percentile(late, 99), "ms", 5.0
        ),
        Figure(f"switch: failed of {len(answers):,} requests", failed, "requests", 0),
    ]


def _decided(ledger: Ledger) -> float:
    """Returns when the last change was decided, in seconds since the epoch; before anything of it was written."""
    return datetime.fromisoformat(ledger.entries()[-1].time).timestamp()


def _rolled_back(error_ratio: float, runs: int, name: str, at_most_seconds: float) -> list[Figure]:
    rollout = RolloutSpec(steps_percent=(5, 100), harm_budget_ratio=0.05, min_step_seconds=3600, max_step_seconds=7200)
    seconds: list[float] = []
    harmed: list[int] = []
    with rollout_stack() as stack:
        for slot in Slot:
            stack.start_slot(slot)
        stack.start_platform()
        stack.declare(A, "", rollout)
        until(lambda: stack.state().live is Slot.BLUE, "the first version is live")
        with Load(stack.base, _LOAD_PER_SECOND) as load:
            stack.declare(A, B, rollout)
            for number in range(runs):
                _until_compared(stack)
                began = time.monotonic()
                stack.fail(Slot.GREEN, error_ratio)
                until(lambda: stack.state().phase is Phase.ROLLED_BACK, "it is rolled back", 60, 0.005)
                until(lambda: not _late_on_green(load), "its traffic is gone", 10)
                bad = [answer for answer in load.answers if answer.began >= began and answer.status != 200]
                seconds.append(max((answer.ended for answer in bad), default=began) - began)
                harmed.append(len(bad))
                stack.fail(Slot.GREEN, 0.0)
                if number + 1 < runs:
                    _retry(stack)
        rate = len(load.answers) / (load.answers[-1].ended - load.answers[0].began)
    return [
        Figure(f"{name}: until its last bad answer, p95 of {runs}", _percentile(seconds, 95), "s", at_most_seconds),
        Figure(f"{name}: the same, median", statistics.median(seconds), "s"),
        Figure(f"{name}: callers it failed, median", statistics.median(harmed), "requests"),
        Figure(f"{name}: requests a second that were reached, of all slots", rate, "1/s"),
    ]


def _late_on_green(load: Load) -> bool:
    return any(answer.slot == Slot.GREEN for answer in load.answers[-20:])


def _until_compared(stack: RolloutStack) -> None:
    """Returns when both slots have been compared for a moment in the first step."""
    until(lambda: stack.state().phase is Phase.STEPPING, "the first step begins", 60)
    time.sleep(1.0)  # the figure begins in mid-step, not with the change of the weight


def _retry(stack: RolloutStack) -> None:
    command = Command(verb="retry", model=MODEL, actor="b", reason="b", digest=B)
    act(stack.layout, stack.base, stack.base + 1, command)


def dead(runs: int) -> list[Figure]:
    """Measures how long a version that fails every request keeps its traffic."""
    return _rolled_back(1.0, runs, "100 % errors", 1.0)


def failing(runs: int) -> list[Figure]:
    """Measures how long a version that fails a fifth of its requests keeps its traffic."""
    return _rolled_back(0.2, runs, "20 % errors", 4.0)


def idle(_runs: int) -> list[Figure]:
    """Measures the delivery process with settled models."""
    rollout = RolloutSpec(guard_seconds=0)
    with rollout_stack() as stack:
        models = [f"model-{number}" for number in range(_IDLE_MODELS)]
        for model in models:
            stack.start_slot(Slot.BLUE, model)
            stack.declare(A, "", rollout, model)
        stack.start_platform(prometheus=False)
        until(lambda: all(_settled(stack, model) for model in models), "all models are settled", 120, 0.2)
        process = psutil.Process(stack.processes["delivery"].pid)
        time.sleep(2.0)  # what it does at first belongs to no idle hour
        before, began = process.cpu_times(), time.monotonic()
        time.sleep(_IDLE_SECONDS)
        after = process.cpu_times()
        used = after.user + after.system - before.user - before.system
        share = 100 * used / (time.monotonic() - began)
        resident = process.memory_info().rss / 1e6
    return [
        Figure(f"idle: delivery's share of one core with {_IDLE_MODELS} models", share, "%", 2.0),
        Figure("idle: its resident memory", resident, "MB", 80.0),
    ]


def _settled(stack: RolloutStack, model: str) -> bool:
    state = stack.state(model)
    return state.live is not None and state.phase is Phase.SETTLED


def decision(_runs: int) -> list[Figure]:
    """Measures one look."""
    decided, _told = look_milliseconds(2000)
    return [Figure("decision: one look at one model, median", decided, "ms", LOOK_AT_MOST_MILLISECONDS)]


def detection(runs: int) -> list[Figure]:
    """Measures candidate requests until a bad version is rolled back, beside a fixed sample's."""
    found: list[Figure] = []
    for name, live, candidate in (("errors 1% -> 2%", 0.01, 0.02), ("errors 1% -> 5%", 0.01, 0.05)):
        scenario = next(one for one in SCENARIOS if one.name == name)
        row = next(one for one in run([scenario], max(runs, 20), 1) if one.rule == SHIPWAY)
        spread = math.sqrt(live * (1 - live) + candidate * (1 - candidate))
        fixed = ((_Z_ALPHA + _Z_BETA) * spread / (candidate - live)) ** 2
        found.append(
            Figure(f"detection: {name}, candidate requests, median", row.candidate_requests_median, "requests")
        )
        found.append(Figure(f"detection: {name}, a fixed sample of each slot", fixed, "requests"))
    return found


def table(runs: int) -> list[Figure]:
    """Prints the simulator's table and returns how many bad versions this rule promoted."""
    rows = run(SCENARIOS, max(runs, 20), 1)
    print(as_text(rows), file=sys.stderr)
    bad = sum(row.bad_promotions for row in rows if row.rule == SHIPWAY)
    total = sum(row.rollouts for row in rows if row.rule == SHIPWAY)
    return [Figure(f"table: bad promotions in {total:,} rollouts", bad, "rollouts", 0.01 * total)]


PARTS: dict[str, Callable[[int], list[Figure]]] = {
    "switch": switch,
    "dead": dead,
    "failing": failing,
    "idle": idle,
    "decision": decision,
    "detection": detection,
    "table": table,
}


def main(arguments: list[str]) -> int:
    """Measures what is asked for; returns 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.delivery", description="Measure what delivery promises."
    )
    parser.add_argument("--only", action="append", choices=list(PARTS), help="only this part; repeatable")
    parser.add_argument("--runs", type=int, default=50, help="rollbacks of each kind; a twentieth of the switches")
    parser.add_argument("--json", action="store_true", help="print the figures as one line of JSON")
    chosen = parser.parse_args(arguments)
    figures: list[Figure] = []
    for name in chosen.only or PARTS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        figures += PARTS[name](chosen.runs)
    if chosen.json:
        print(json.dumps([asdict(figure) for figure in figures]))
    else:
        for figure in figures:
            bound = "" if figure.at_most is None else f"at most {figure.at_most:g} {figure.unit}"
            missed = "" if figure.met else "  MISSED"
            print(f"{figure.name:<72}{figure.value:>10,.2f} {figure.unit:<9}{bound}{missed}")
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
