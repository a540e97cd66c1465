"""One judgement and one sentence."""

from typing import Any

import pytest

from shipway.contract.evidence import Judgement
from shipway.contract.loadtest import PROFILES, LoadTestSpec, Profile
from shipway.contract.model import SloSpec
from shipway.loadtest.judging import Memory, judge
from tests.shipway.loadtest.results_of import LATENCY, stage

SLO = SloSpec(error_ratio=0.01, latency_seconds=0.1, latency_quantile=0.95)
MIB = 2**20


def judged(*stages: Any, profile: Profile = Profile.LOAD, memory: Memory | None = None) -> tuple[Judgement, str]:
    return judge(PROFILES[profile], stages, LATENCY, memory or Memory(), SLO, LoadTestSpec())


def test_a_pass_says_rate_latency_and_failures() -> None:
    """And by which objective, so that it can be read a month later."""
    warm_up = stage(judged=False, objective_met=False)
    assert judged(warm_up, stage(failures=2)) == (
        Judgement.PASS,
        "meets its objective (0.95 within 100 ms) at 20 requests/s: p95 30 and p99 40 ms, 2 of 1,200 failed",
    )


def test_a_miss_says_by_how_much() -> None:
    """Failures and slow answers stand beside what is allowed of each."""
    assert judged(stage(failures=20, slow=90, objective_met=False)) == (
        Judgement.FAIL,
        "misses its objective at 20 requests/s: 20 of 1,200 requests failed (at most 1.00%), "
        "90 of 1,180 answers took more than 100 ms (at most 5.00%)",
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"requests": 7},
            "7 requests are too few for a quantile of 0.95, at least 20 are needed; "
            "a greater --duration-seconds sends more",
        ),
        (
            {"slow": 100, "lag_p99_seconds": 0.05},
            "the sender itself was 50 ms late (p99); this machine is too busy for this rate",
        ),
    ],
)
def test_what_could_not_be_measured_is_no_pass(changes: dict[str, Any], why: str) -> None:
    """It is inconclusive, and the reason is named."""
    assert judged(stage(objective_met=None, **changes)) == (
        Judgement.INCONCLUSIVE,
        f"says nothing at 20 requests/s: {why}",
    )


def test_a_search_decides_nothing_and_nothing_judged_is_no_pass() -> None:
    """A break point is found by missing the objective, which is no failure; a test of warm-ups alone is none."""
    assert judged(stage(), stage(searched=True, objective_met=False))[0] is Judgement.PASS
    assert judged(stage(judged=False)) == (Judgement.INCONCLUSIVE, "no stage was judged")


@pytest.mark.parametrize(
    ("memory", "expected", "said"),
    [
        (Memory(200 * MIB, 230 * MIB), Judgement.PASS, "meets its objective"),
        (
            Memory(200 * MIB, 260 * MIB),
            Judgement.FAIL,
            "its memory grew by 30%, at most 20% are allowed (200 to 260 MiB)",
        ),
        (Memory(200 * MIB, None), Judgement.INCONCLUSIVE, "its memory is not known"),
        (Memory(), Judgement.INCONCLUSIVE, "its memory is not known"),
    ],
)
def test_a_soak_also_looks_at_memory(memory: Memory, expected: Judgement, said: str) -> None:
    """A process that ended, or that is not here, has not shown that it does not grow."""
    judgement, sentence = judged(stage(), profile=Profile.SOAK, memory=memory)
    assert judgement is expected
    assert said in sentence
