"""What is simulated: each scenario is traffic, a fault of the evidence, and what must become of the version."""

from dataclasses import dataclass, replace
from enum import StrEnum

from shipway.delivery.simulate.traffic import Events, Traffic, daily, steep

__all__ = ["FAULT_BEGINS_WITHIN_SECONDS", "MISSING", "SCENARIOS", "Expected", "Fault", "Scenario"]


# A fault of the evidence begins somewhere here: before the first step is earned, or after some were.
FAULT_BEGINS_WITHIN_SECONDS = 30.0


class Fault(StrEnum):
    """What is wrong with the evidence, from some time on."""

    NONE = "none"
    CANDIDATE_IDLE = "candidate_idle"
    CANDIDATE_UNSCRAPED = "candidate_unscraped"
    LIVE_UNSCRAPED = "live_unscraped"
    NO_ANSWER = "no_answer"
    FROZEN = "frozen"
    NOT_A_NUMBER = "not_a_number"
    DUPLICATE = "duplicate"
    WRONG_LABEL = "wrong_label"
    OLDER = "older"
    RESTARTS = "restarts"
    GAPS = "gaps"


class Expected(StrEnum):
    """What must become of a version."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    PAUSED = "paused"
    NOT_PROMOTED = "not_promoted"


@dataclass(frozen=True)
class Scenario:
    """One kind of rollout.

    Args:
        name: for the command line and the table.
        traffic: what both slots meet.
        expected: what must become of the candidate.
        fault: what is wrong with the evidence.
        max_step_seconds: the deadline of a step; shorter where nothing but the deadline can end it.
        unseen: the traffic from when the fault begins; the same as before when not given.
    """

    name: str
    traffic: Traffic
    expected: Expected
    fault: Fault = Fault.NONE
    max_step_seconds: float = 1800.0
    unseen: Traffic | None = None

    def at(self, seconds: float, fault_begins_seconds: float) -> Traffic:
        """Returns the traffic at a time of a rollout whose fault begins at another."""
        return self.unseen if self.unseen is not None and seconds >= fault_begins_seconds else self.traffic


def _errors(live: float, candidate: float) -> Traffic:
    return Traffic(candidate=Events(errors=candidate), live=Events(errors=live))


def _missing(name: str, fault: Fault, requests_per_second: float = 200.0) -> Scenario:
    # Good as long as anyone can see it; then it fails every request: the worst that could be promoted unseen.
    seen = Traffic(candidate=Events(errors=0.001), live=Events(errors=0.001), requests_per_second=requests_per_second)
    unseen = replace(seen, candidate=Events(errors=1.0))
    return Scenario(name, seen, Expected.NOT_PROMOTED, fault, max_step_seconds=60.0, unseen=unseen)


_LIVE = Events()

MISSING: tuple[Scenario, ...] = (
    _missing("no traffic", Fault.NONE, requests_per_second=0.0),
    _missing("no candidate traffic", Fault.CANDIDATE_IDLE),
    _missing("candidate not scraped", Fault.CANDIDATE_UNSCRAPED),
    _missing("live not scraped", Fault.LIVE_UNSCRAPED),
    _missing("prometheus silent", Fault.NO_ANSWER),
    _missing("scrape frozen", Fault.FROZEN),
    _missing("NaN", Fault.NOT_A_NUMBER),
    _missing("duplicate series", Fault.DUPLICATE),
    _missing("wrong label", Fault.WRONG_LABEL),
    _missing("older samples", Fault.OLDER),
)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("errors 0.1% -> 0.1%", _errors(0.001, 0.001), Expected.PROMOTED),
    Scenario("errors 1% -> 1%", _errors(0.01, 0.01), Expected.PROMOTED),
    Scenario("errors 1% -> 2%", _errors(0.01, 0.02), Expected.ROLLED_BACK),
    Scenario("errors 1% -> 5%", _errors(0.01, 0.05), Expected.ROLLED_BACK),
    Scenario("errors 1% -> 20%", _errors(0.01, 0.20), Expected.ROLLED_BACK),
    Scenario("errors 1% -> 100%", _errors(0.01, 1.0), Expected.ROLLED_BACK),
    Scenario("invalid output 2%", Traffic(candidate=Events(invalid_outputs=0.02)), Expected.ROLLED_BACK),
    Scenario("latency x1.5", Traffic(candidate=_LIVE.slower(1.5)), Expected.ROLLED_BACK),
    Scenario("latency x2", Traffic(candidate=_LIVE.slower(2.0)), Expected.ROLLED_BACK),
    Scenario("features missing 10%", Traffic(candidate=Events(missing_features=0.1)), Expected.ROLLED_BACK),
    Scenario("predictions moved 4%", Traffic(shift_ratio=0.04), Expected.PROMOTED),
    Scenario("predictions moved 30%", Traffic(shift_ratio=0.3), Expected.PAUSED),
    Scenario("units split 1.5x", Traffic(unit_factor=1.5), Expected.PAUSED),
    Scenario("both 1% -> 5% at once", Traffic(baseline=steep), Expected.NOT_PROMOTED),
    Scenario("moving baseline", replace(_errors(0.002, 0.002), baseline=daily), Expected.PROMOTED),
    Scenario("clustered callers", Traffic(clustered=True), Expected.PROMOTED),
    Scenario("restarts", _errors(0.001, 0.001), Expected.PROMOTED, Fault.RESTARTS),
    Scenario("half the looks lost", _errors(0.001, 0.001), Expected.PROMOTED, Fault.GAPS),
    *MISSING,
)
