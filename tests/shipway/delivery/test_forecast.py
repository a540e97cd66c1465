"""The forecast says what a rollout needs, what each guardrail could see, and plainly when it cannot be met."""

import pytest

from shipway.contract.evidence import ABSOLUTE_GATES, LATE_GATES, Gate
from shipway.contract.model import RolloutSpec, SloSpec
from shipway.delivery.evidence.gate import Rules
from shipway.delivery.forecast import forecast

RULES = Rules.of_route(RolloutSpec(), SloSpec())


@pytest.mark.parametrize("gate", RULES.gates)
def test_each_gate_sees_more_with_each_step(gate: Gate) -> None:
    """The least ratio that is seen falls from step to step and stays above live's own; unknown labels are no number."""
    told = forecast(RULES, 100.0, 0.005, {})
    (sight,) = (one for one in told.sights if one.gate is gate)
    assert sight.assumed
    if gate in LATE_GATES:
        assert (sight.base_ratio, set(sight.detectable_ratios)) == (None, {None})
        return
    seen = [ratio for ratio in sight.detectable_ratios if ratio is not None]
    assert len(seen) == 4
    assert seen == sorted(seen, reverse=True)
    assert sight.base_ratio is not None
    assert seen[-1] > sight.base_ratio
    (measured,) = (one for one in forecast(RULES, 100.0, 0.005, {gate: 0.004}).sights if one.gate is gate)
    assert (measured.base_ratio, measured.assumed) == (0.004, False)


def test_enough_traffic_can_be_met() -> None:
    """Without errors the steps need the design's numbers of requests, each at its own weight of the traffic."""
    told = forecast(RULES, 100.0, 0.0, {})
    assert told.reasons == ()
    assert [need.candidate_requests for need in told.steps] == [27, 168, 357, 754]
    assert told.steps[0].seconds == 27.0


@pytest.mark.parametrize(
    ("rollout", "per_second", "errors", "expected"),
    [
        (RolloutSpec(), 0.0, 0.0, "there is no traffic, so no step is ever earned"),
        (
            RolloutSpec(max_step_seconds=60),
            10.0,
            0.0,
            "1 %: 27 candidate requests take 4.5 minutes at 10.00 requests/s, and a step may take 1.0",
        ),
        (
            RolloutSpec(),
            1000.0,
            0.05,
            "slo_errors: live's 5.00% misses the objective of 1.00%, and a version as good as live would be stopped",
        ),
    ],
)
def test_what_cannot_be_met_is_said_with_its_reason(
    rollout: RolloutSpec, per_second: float, errors: float, expected: str
) -> None:
    """No traffic, too slow, and live itself too bad, each in one sentence."""
    told = forecast(Rules.of_route(rollout, SloSpec()), per_second, errors, {})
    assert any(reason.startswith(expected) for reason in told.reasons), told.reasons


@pytest.mark.parametrize("gate", ABSOLUTE_GATES)
def test_an_objective_that_live_keeps_is_no_reason(gate: Gate) -> None:
    """At the objective itself a version as good as live is never stopped for it."""
    told = forecast(RULES, 1000.0, 0.0, {gate: RULES.objective_ratio(gate)})
    assert told.reasons == ()
