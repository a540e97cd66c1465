"""The simulator: the production decision on seeded traffic, held against what it promises."""

import json
import math
from collections.abc import Iterable

import numpy as np
import pytest

from shipway.contract.evidence import Gate
from shipway.contract.model import RolloutSpec, SloSpec
from shipway.delivery.evidence.gate import Rules
from shipway.delivery.evidence.steps import Move
from shipway.delivery.simulate.__main__ import main
from shipway.delivery.simulate.peers import PEERS, run_peer
from shipway.delivery.simulate.rollout import End, simulate
from shipway.delivery.simulate.scenarios import MISSING, SCENARIOS, Expected, Scenario
from shipway.delivery.simulate.table import SHIPWAY, Row, as_text, run

SEED = 2024
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
CLUSTERED = "clustered callers"


def ends(scenario: Scenario, rollouts: int, rules: Rules | None = None) -> list[End]:
    return [simulate(scenario, np.random.default_rng((SEED, number)), rules) for number in range(rollouts)]


def moves(ended: Iterable[End]) -> set[Move]:
    return {end.move for end in ended}


@pytest.mark.parametrize("scenario", MISSING, ids=lambda scenario: scenario.name)
def test_nothing_is_promoted_unseen(scenario: Scenario) -> None:
    """A version that looked well until it could not be seen is never promoted, and never held for ever.

    Where callers are seen and none of them reaches the candidate, the split is proved wrong before the deadline.
    """
    ended = Move.PAUSE if scenario.name == "no candidate traffic" else Move.ROLL_BACK
    assert moves(ends(scenario, 6)) == {ended}


@pytest.mark.parametrize(
    "scenario",
    [each for each in SCENARIOS if each not in MISSING and each.expected in (Expected.ROLLED_BACK, Expected.PAUSED)],
    ids=lambda scenario: scenario.name,
)
def test_a_bad_version_never_ends_promoted(scenario: Scenario) -> None:
    """What hurts callers is rolled back; what only cannot be compared, or predicts otherwise, is paused."""
    allowed = {Move.ROLL_BACK} if scenario.expected is Expected.ROLLED_BACK else {Move.PAUSE}
    assert moves(ends(scenario, 8)) == allowed


def test_a_healthy_version_is_rarely_rolled_back() -> None:
    """Over steady, moving, restarting and half unseen healthy rollouts: at most alpha, within the binomial error."""
    healthy = [
        scenario for scenario in SCENARIOS if scenario.expected is Expected.PROMOTED and scenario.name != CLUSTERED
    ]
    assert len(healthy) == 6
    ended = [end for scenario in healthy for end in ends(scenario, 12)]
    alpha = RolloutSpec().guardrail_alpha
    back = sum(end.move is Move.ROLL_BACK for end in ended) / len(ended)
    assert back <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / len(ended))
    assert sum(end.move is Move.PROMOTE for end in ended) / len(ended) > 0.9


def test_a_shared_cause_freezes() -> None:
    """When both slots become bad at once nothing is promoted, and the candidate is not blamed."""
    assert moves(ends(BY_NAME["both 1% -> 5% at once"], 8)) == {Move.PAUSE}


@pytest.mark.parametrize(
    ("name", "median", "p95"),
    [("errors 1% -> 5%", 171, 429), ("errors 1% -> 20%", 18, 45), ("errors 1% -> 100%", 3, 6)],
)
def test_it_costs_as_few_requests_as_designed(name: str, median: float, p95: float) -> None:
    """With one guardrail and no margin, candidate requests until the rollback are within a third of the design."""
    rules = Rules(RolloutSpec(margin_ratio=0.0), SloSpec(), (Gate.ERRORS,))
    requests = [end.candidate_requests for end in ends(BY_NAME[name], 60, rules)]
    assert np.median(requests) == pytest.approx(median, rel=0.34)
    assert np.percentile(requests, 95) <= p95 * 1.34


def test_the_rules_of_other_tools_do_as_they_document() -> None:
    """Flagger halts on missing values, Argo Rollouts errs, an alarm that takes missing data as good promotes it."""
    silent = BY_NAME["prometheus silent"]
    ended = {peer.name: run_peer(peer, silent, np.random.default_rng(SEED)) for peer in PEERS}
    assert {name: end.move for name, end in ended.items()} == {
        "flagger": Move.ROLL_BACK,
        "argo rollouts": Move.ROLL_BACK,
        "z-test, 60 looks": Move.PROMOTE,
        "sagemaker canary": Move.PROMOTE,
    }
    # Five failed checks, and five errors in a row after at most one good interval.
    assert ended["flagger"].seconds in (300, 360)
    assert ended["argo rollouts"].seconds in (300, 360)
    flawless = BY_NAME["errors 0.1% -> 0.1%"]
    times = {peer.name: run_peer(peer, flawless, np.random.default_rng(SEED)).seconds for peer in PEERS}
    assert (times["flagger"], times["argo rollouts"], times["sagemaker canary"]) == (240, 480, 600)


def test_the_same_seed_brings_the_same_table() -> None:
    """Rows do not depend on how many processes made them."""
    chosen = [BY_NAME["errors 1% -> 20%"], BY_NAME["errors 1% -> 100%"]]
    told: list[tuple[int, int]] = []
    alone = run(chosen, 12, SEED, workers=1, done=lambda finished, total: told.append((finished, total)))
    assert run(chosen, 12, SEED, workers=2) == alone
    assert told == [(10, 24), (12, 24), (22, 24), (24, 24)]
    assert [row.rule for row in alone] == [SHIPWAY, *(peer.name for peer in PEERS)] * 2


def test_the_table_names_every_column() -> None:
    """A row shows how rollouts ended, what they cost, and what must not have been promoted."""
    row = Row("errors", SHIPWAY, 10, 0.2, 0.7, 0.1, 1234.0, 5678.0, 9.0, 60.0, 2)
    head, line = as_text([row]).splitlines()
    assert head.split("  ")[0] == "scenario"
    assert line.split() == ["errors", "shipway", "20.0%", "70.0%", "10.0%", "1,234", "/", "5,678", "9", "2"]


def test_the_command_prints_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints the rows as the last line of stdout; how long it took goes to stderr."""
    arguments = ["--rollouts", "2", "--seed", "3", "--scenario", "errors 1% -> 100%", "--workers", "1", "--json"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    rows = json.loads(printed.out.splitlines()[-1])
    assert (rows[0]["rule"], rows[0]["rollouts"], rows[0]["bad_promotions"]) == (SHIPWAY, 2, 0)
    assert "2 rollouts under each rule in" in printed.err


def test_the_command_lists_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    """--list prints every scenario; an unknown one and no rollouts at all are refused by name."""
    assert main(["--list"]) == 0
    assert capsys.readouterr().out.splitlines() == [scenario.name for scenario in SCENARIOS]
    for arguments, message in ((["--scenario", "x"], "invalid choice: 'x'"), (["--rollouts", "0"], "at least 1")):
        with pytest.raises(SystemExit):
            main(arguments)
        assert message in capsys.readouterr().err
