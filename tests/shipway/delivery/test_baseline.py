"""What live does now, gate by gate, from the answers of Prometheus."""

import pytest

from shipway.contract.evidence import Gate
from shipway.contract.metrics import LATENCY_EDGES_SECONDS
from shipway.delivery import survey
from shipway.delivery.baseline import Baseline, measure, slow_ratios
from shipway.delivery.looking import latency_edge

ANSWERS = {
    "requests_total": [({"outcome": "ok"}, 9.6), ({"outcome": "error"}, 0.2), ({"outcome": "invalid_output"}, 0.2)],
    "fallbacks_total": [({"model": "digits"}, 1.0)],
    "feature_missing_requests_total": [({"model": "digits"}, 2.0)],
    "request_seconds_bucket": [({"le": repr(latency_edge(0.3))}, 9.0), ({"le": "+Inf"}, 10.0)],
    "labelled_total": [({"outcome": "right"}, 30.0), ({"outcome": "wrong"}, 10.0)],
}
EXPECTED = {
    Gate.ERRORS: 0.02,
    Gate.INVALID_OUTPUTS: 0.02,
    Gate.SLO_ERRORS: 0.04,
    Gate.FALLBACKS: 0.1,
    Gate.MISSING_FEATURES: 0.2,
    Gate.SLOW_SLO: 0.1,
    Gate.SLO_LATENCY: 0.1,
    Gate.LABEL_ERRORS: 0.25,
}


@pytest.fixture
def prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Prometheus that answers by the metric in the question."""

    def query(_port: int, text: str) -> list[tuple[dict[str, str], float]]:
        name = max((name for name in ANSWERS if f"shipway_{name}" in text), key=len)
        return ANSWERS[name]

    monkeypatch.setattr(survey, "query", query)


@pytest.mark.parametrize("gate", EXPECTED)
def test_each_gate_has_its_ratio(prometheus: None, gate: Gate) -> None:
    """Bad requests among those that were not the caller's fault, or wrong labels among all labels."""
    assert measure(1, "digits", 0.3).ratios[gate] == pytest.approx(EXPECTED[gate])


def test_the_p95_edge_is_lives_own() -> None:
    """Slower than live's p95 edge is what the share above the first edge that 95 % stay below says."""
    low, high = LATENCY_EDGES_SECONDS[3], LATENCY_EDGES_SECONDS[4]
    found = slow_ratios({low: 90.0, high: 97.0, float("inf"): 100.0}, 0.3)
    assert found == {Gate.SLOW_LIVE: pytest.approx(0.03)}
    assert slow_ratios({}, 0.3) == {}


def test_no_answer_is_not_no_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Prometheus that is down is unknown; one without series says that there is no traffic."""
    monkeypatch.setattr(survey, "query", lambda _port, _text: None)
    assert measure(1, "digits", 0.3) == Baseline(None, None, {})
    monkeypatch.setattr(survey, "query", lambda _port, _text: [])
    assert measure(1, "digits", 0.3) == Baseline(0.0, None, {})
