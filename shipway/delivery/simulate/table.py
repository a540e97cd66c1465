"""What a run of many rollouts comes to: one row for each scenario and rule."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from shipway.delivery.evidence.steps import Move
from shipway.delivery.simulate.peers import PEERS, run_peer
from shipway.delivery.simulate.rollout import End, simulate
from shipway.delivery.simulate.scenarios import SCENARIOS, Expected, Scenario

__all__ = ["SHIPWAY", "Row", "as_text", "run"]

SHIPWAY = "shipway"
_CHUNK = 10
_BAD = frozenset({Expected.ROLLED_BACK, Expected.PAUSED, Expected.NOT_PROMOTED})


@dataclass(frozen=True)
class Row:
    """How rollouts of one scenario ended under one rule.

    Args:
        scenario, rule: which.
        rollouts: how many.
        promoted_ratio, rolled_back_ratio, paused_ratio: how they ended.
        candidate_requests_median, candidate_requests_p95: requests of the candidate until the end.
        candidate_harm_median: of these, the ones that hurt their caller.
        seconds_median: until the end, in the rollout's own time.
        bad_promotions: how many were promoted that must not be.
    """

    scenario: str
    rule: str
    rollouts: int
    promoted_ratio: float
    rolled_back_ratio: float
    paused_ratio: float
    candidate_requests_median: float
    candidate_requests_p95: float
    candidate_harm_median: float
    seconds_median: float
    bad_promotions: int

    def as_json(self) -> dict[str, Any]:
        """Returns the row as plain values."""
        return asdict(self)


def run(
    scenarios: Iterable[Scenario],
    rollouts: int,
    seed: int,
    workers: int | None = None,
    done: Callable[[int, int], None] = lambda finished, total: None,
) -> list[Row]:
    """Returns the rows of `rollouts` rollouts of each scenario under each rule; the same seed brings the same rows.

    Args:
        scenarios: what to simulate.
        rollouts: how many of each.
        seed: where all traffic comes from; every rollout has its own stream.
        workers: how many processes; as many as there are cores when not given.
        done: told after every piece of work how many rollouts are finished, and of how many.
    """
    chosen = list(scenarios)
    tasks = [
        (SCENARIOS.index(scenario), seed, first, min(_CHUNK, rollouts - first))
        for scenario in chosen
        for first in range(0, rollouts, _CHUNK)
    ]
    ends: dict[tuple[int, str], list[End]] = {}
    finished = 0
    for task, piece in zip(tasks, _work(tasks, workers or os.cpu_count() or 1), strict=True):
        for rule, ended in piece.items():
            ends.setdefault((task[0], rule), []).extend(ended)
        finished += task[3]
        done(finished, rollouts * len(chosen))
    return [_row(SCENARIOS[index], rule, ended) for (index, rule), ended in ends.items()]


Task = tuple[int, int, int, int]


def _work(tasks: list[Task], workers: int) -> Iterator[dict[str, list[End]]]:
    if workers == 1:
        yield from map(_piece, tasks)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_piece, tasks)


def _piece(task: Task) -> dict[str, list[End]]:
    index, seed, first, number = task
    scenario = SCENARIOS[index]
    ends: dict[str, list[End]] = {SHIPWAY: []} | {peer.name: [] for peer in PEERS}
    for rollout in range(first, first + number):
        # One stream for each rule, all from the rollout's own seed: a rule that is added changes no other's traffic.
        streams = (np.random.default_rng((seed, index, rollout, rule)) for rule in range(1 + len(PEERS)))
        ends[SHIPWAY].append(simulate(scenario, next(streams)))
        for peer, chance in zip(PEERS, streams, strict=True):
            ends[peer.name].append(run_peer(peer, scenario, chance))
    return ends


def _row(scenario: Scenario, rule: str, ends: list[End]) -> Row:
    requests = [end.candidate_requests for end in ends]

    def ratio(move: Move) -> float:
        return sum(end.move is move for end in ends) / len(ends)

    promoted = ratio(Move.PROMOTE)
    return Row(
        scenario=scenario.name,
        rule=rule,
        rollouts=len(ends),
        promoted_ratio=promoted,
        rolled_back_ratio=ratio(Move.ROLL_BACK),
        paused_ratio=ratio(Move.PAUSE),
        candidate_requests_median=float(np.median(requests)),
        candidate_requests_p95=float(np.percentile(requests, 95)),
        candidate_harm_median=float(np.median([end.candidate_harm for end in ends])),
        seconds_median=float(np.median([end.seconds for end in ends])),
        bad_promotions=round(promoted * len(ends)) if scenario.expected in _BAD else 0,
    )


def as_text(rows: Iterable[Row]) -> str:
    """Returns the rows as a table for a terminal."""
    lines = [
        f"{'scenario':<24}{'rule':<18}{'promoted':>9}{'rolled back':>12}{'paused':>8}"
        f"{'requests, median / p95':>25}{'harmed':>9}{'bad promotions':>16}"
    ]
    before = ""
    for row in rows:
        name = row.scenario if row.scenario != before else ""
        before = row.scenario
        requests = f"{row.candidate_requests_median:,.0f} / {row.candidate_requests_p95:,.0f}"
        lines.append(
            f"{name:<24}{row.rule:<18}{row.promoted_ratio:>9.1%}{row.rolled_back_ratio:>12.1%}{row.paused_ratio:>8.1%}"
            f"{requests:>25}{row.candidate_harm_median:>9,.0f}{row.bad_promotions:>16,}"
        )
    return "\n".join(lines)
