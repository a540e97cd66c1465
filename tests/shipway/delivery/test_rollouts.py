"""The controller with evidence: a gateway that is only its files, and counters that the test sets."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from shipway.contract import metrics
from shipway.contract.errors import Retryable
from shipway.contract.metrics import LATENCY_EDGES_SECONDS, PREDICTION_BINS, Outcome, Slot
from shipway.contract.model import RolloutSpec
from shipway.contract.rollout import Move
from shipway.contract.route import Phase, RolloutState, RouteSpec
from shipway.delivery.controller import Controller
from shipway.delivery.history import read_history
from shipway.delivery.ledger import Ledger
from shipway.delivery.prometheus import Prometheus, Series
from shipway.delivery.rollouts import Rollouts
from tests.shipway.delivery.test_controller import A, B, World

QUICK = RolloutSpec(
    steps_percent=(10, 50, 100),
    harm_budget_ratio=0.1,
    min_step_seconds=0,
    max_step_seconds=60,
    prepare_seconds=30,
    guard_seconds=30,
)


class Counters(Prometheus):
    """Prometheus as the controller asks it: the counters of two slots, scraped whenever the test says so."""

    def __init__(self) -> None:
        super().__init__(0)
        self.totals: dict[Slot, Counter[str]] = {slot: Counter() for slot in Slot}
        self.scraped_at_seconds, self.silent = 1000.0, False

    def newest(self, selector: str, window_seconds: float) -> list[Series]:
        """Returns every series of both slots under every job; of one metric alone when only that is asked for."""
        if self.silent:
            raise Retryable("Prometheus does not answer on port 9 (timed out)", 1)
        found: list[Series] = []
        for slot in Slot:
            for job in ("models", "rollout"):
                labels = {"model": "digits", "slot": str(slot), "instance": str(slot), "job": job}
                found += self._of(labels, self.totals[slot])
        asked = selector.partition("{")[0]
        return [one for one in found if asked in ("", one.name)]

    def _of(self, labels: dict[str, str], totals: "Counter[str]") -> list[Series]:
        def one(name: str, value: float, **more: str) -> Series:
            return Series(name, labels | more, value, self.scraped_at_seconds)

        requests = sum(totals[outcome] for outcome in Outcome)
        found = [one(metrics.REQUESTS_TOTAL, totals[outcome], outcome=str(outcome)) for outcome in Outcome]
        edges = [*map(repr, LATENCY_EDGES_SECONDS), "+Inf"]
        found += [one(f"{metrics.REQUEST_SECONDS}_bucket", requests, le=edge) for edge in edges]
        found += [one(metrics.FALLBACKS_TOTAL, 0, source="constant")]
        found += [one(metrics.FEATURE_MISSING_REQUESTS_TOTAL, 0), one(metrics.UNITS_TOTAL, 0)]
        for reference in ("a" * 12, "b" * 12):
            for number in range(PREDICTION_BINS):
                found.append(one(metrics.UNIT_PREDICTION_BIN_TOTAL, 0, reference=reference, bin=str(number)))
        return found

    def serve(self, candidate: int = 0, live: int = 0, candidate_errors: int = 0, live_errors: int = 0) -> None:
        """Counts requests (blue is live, green the candidate) and scrapes once."""
        for slot, good, bad in ((Slot.GREEN, candidate, candidate_errors), (Slot.BLUE, live, live_errors)):
            self.totals[slot][Outcome.OK] += good
            self.totals[slot][Outcome.ERROR] += bad
        self.scraped_at_seconds += 1


class Road:
    """Blue `a` is live, green `b` is declared; a tick is a second."""

    def __init__(self, root: Path, rollout: RolloutSpec = QUICK) -> None:
        self.world, self.rollout, self.seconds = World(root), rollout, 0.0
        self.world.prometheus, self.world.clock = Counters(), lambda: self.seconds
        self.controller = self.started()
        self.declare(A)
        self.tick()
        self.declare(A, B)
        self.tick()

    @property
    def counters(self) -> Counters:
        assert isinstance(self.world.prometheus, Counters)
        return self.world.prometheus

    def started(self) -> Controller:
        """Returns a controller as a new process has it."""
        rollouts = Rollouts(self.counters, lambda: "now", lambda: self.seconds)
        made = dataclasses.replace(self.world.controller(), rollouts=rollouts)
        made.load()
        return made

    def declare(self, blue: str = "", green: str = "") -> None:
        self.world.declare(blue, green)
        path = self.world.layout.routes / "digits.json"
        spec = RouteSpec.model_validate_json(path.read_text())
        path.write_text(spec.model_copy(update={"rollout": self.rollout}).model_dump_json())

    def tick(self, **served: int) -> RolloutState:
        """Lets a second pass in which `served` happened, and returns the state after it."""
        self.seconds += 1
        self.counters.serve(**served)
        self.controller.tick()
        return self.state

    @property
    def state(self) -> RolloutState:
        return self.controller.served["digits"].state

    def told(self) -> list[tuple[str, int | None]]:
        return [(entry.action, entry.weight_percent) for entry in Ledger(self.world.layout.ledger).entries("digits")]


@pytest.fixture
def road(tmp_path: Path) -> Road:
    return Road(tmp_path)


def stepping(road: Road) -> None:
    """Brings the rollout into its first step, past the increment that straddles the change of weight."""
    while road.state.phase is not Phase.STEPPING:
        road.tick(live=100)
    road.tick(live=90, candidate=10)


def test_a_good_version_is_promoted_by_evidence(road: Road) -> None:
    """It takes every step in order, is guarded and settles; the ledger has each transition once, with its weight."""
    stepping(road)
    weights = [road.state.weight_percent]
    while road.state.candidate is not None:
        weight = road.tick(live=500, candidate=500).weight_percent
        if road.state.candidate is not None and weight != weights[-1]:
            weights.append(weight)
    assert weights == [10, 50]
    assert (road.state.live, road.state.phase, road.state.previous_digest) == (Slot.GREEN, Phase.GUARDING, A)
    for _ in range(40):
        road.tick(candidate=100)
    assert (road.state.live, road.state.phase, road.state.progress) == (Slot.GREEN, Phase.SETTLED, None)
    assert road.told() == [
        ("first_live", 100),
        ("candidate", 0),
        ("stepping", 10),
        ("advanced", 50),
        ("promoted", 100),
        ("settled", 100),
    ]
    looks = list(read_history(road.world.layout.history, "digits", 1))
    assert {"stepping", "guarding", "settled"} <= {look.phase for look in looks}
    assert looks[-1].sentence.startswith("nothing was proved against it in 3")


def test_a_bad_version_is_rolled_back_and_stays_so(road: Road) -> None:
    """Its verdicts are in the ledger; declared again, also after another version, it takes no traffic."""
    stepping(road)
    while road.state.phase is Phase.STEPPING:
        road.tick(live=90, candidate=5, candidate_errors=5)
    assert (road.state.phase, road.state.weight_percent, road.state.rejected_digests) == (Phase.ROLLED_BACK, 0, (B,))
    entry = Ledger(road.world.layout.ledger).entries("digits")[-1]
    assert "harm is proved: " in entry.reason
    assert {str(verdict.gate) for verdict in entry.evidence} >= {"errors", "slo_errors", "harm_budget", "evidence"}
    before = road.state
    for _ in range(5):
        assert road.tick(live=100) == before
    road.declare(A, "sha256:" + "c" * 64)
    road.tick(live=100)
    road.declare(A, B)
    road.tick(live=100)
    for _ in range(5):
        road.tick(live=100)
    assert (road.state.phase, road.state.candidate_digest, road.state.weight_percent) == (Phase.ROLLED_BACK, B, 0)


def test_without_evidence_nothing_moves_and_the_deadline_rolls_back(road: Road) -> None:
    """A silent Prometheus holds the weight, is entered into the ledger once, and ends in a rollback."""
    stepping(road)
    road.counters.silent = True
    for _ in range(58):
        assert road.tick(live=500, candidate=500).weight_percent == 10
    while road.state.phase is Phase.STEPPING:
        road.tick()
    assert road.state.phase is Phase.ROLLED_BACK
    actions = [action for action, _ in road.told()]
    assert actions[-2:] == ["evidence_missing", "rolled_back"]
    reason = Ledger(road.world.layout.ledger).entries("digits")[-1].reason
    assert "not earned within 60 s: evidence: Prometheus does not answer on port 9 (timed out)" in reason


def test_a_crash_loses_no_evidence(road: Road) -> None:
    """A new process goes on from the route: what happened meanwhile is one increment, and no step is repeated."""
    stepping(road)
    road.counters.serve(live=90, candidate=2, candidate_errors=8)
    road.controller = road.started()
    road.controller.tick()
    assert road.state.phase is Phase.ROLLED_BACK
    assert "8 of 20 candidate requests" in Ledger(road.world.layout.ledger).entries("digits")[-1].reason


def test_a_rollout_whose_rules_change_begins_anew(road: Road) -> None:
    """Evidence gathered under other rules is none under these."""
    stepping(road)
    road.rollout = QUICK.model_copy(update={"harm_budget_ratio": 0.2})
    road.declare(A, B)
    state = road.tick(live=90, candidate=10)
    assert state.rollout == 2
    assert ("rules_changed", 0) in road.told()


def test_a_person_lifts_a_pause(tmp_path: Path) -> None:
    """A manual gate waits for however long, then goes on where it stood."""
    road = Road(tmp_path, QUICK.model_copy(update={"manual_gate_before_percent": 50}))
    stepping(road)
    while road.state.phase is Phase.STEPPING:
        road.tick(live=500, candidate=500)
    assert (road.state.phase, road.state.weight_percent) == (Phase.PAUSED, 10)
    for _ in range(100):
        road.tick(live=500, candidate=500)
    assert (road.state.phase, road.state.weight_percent) == (Phase.PAUSED, 10)
    road.controller.approve("digits", "ada", "looked at it")
    assert road.tick(live=500, candidate=500).weight_percent == 50
    assert ("approved", 10) in road.told()


def test_a_full_disk_moves_nothing_and_forgets_nothing(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback that cannot be written is reported and done as soon as it can be."""
    stepping(road)

    def full(path: Path, text: str, mode: int = 0o644, **_: bool) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("shipway.delivery.envoy.files.write_atomic", full)
        state = road.tick(live=90, candidate_errors=10)
        assert (state.phase, state.weight_percent) == (Phase.STEPPING, 10)
        assert "rolled_back could not be carried out; cannot write in" in road.controller.problems["digits"]
    road.tick(live=90)
    assert road.state.phase is Phase.ROLLED_BACK


def test_a_look_needs_a_scrape_of_both_slots(road: Road) -> None:
    """What the candidate did is not compared with a live slot that was not scraped meanwhile: it waits for it."""
    stepping(road)
    stale = road.counters._of
    held = {slot: Counter(totals) for slot, totals in road.counters.totals.items()}
    at = road.counters.scraped_at_seconds

    def live_is_late(labels: dict[str, str], totals: "Counter[str]") -> list[Series]:
        if labels["slot"] == Slot.BLUE:
            return [one._replace(scraped_at_seconds=at) for one in stale(labels, held[Slot.BLUE])]
        return stale(labels, totals)

    road.counters._of = live_is_late  # type: ignore[method-assign]
    before = road.controller.newest["digits"].state.progress
    road.tick(live=90, candidate=10)
    after = road.controller.newest["digits"].state.progress
    assert before is not None
    assert after is not None
    assert after.evidence == before.evidence
    road.counters._of = stale  # type: ignore[method-assign]
    road.tick(live=90, candidate=10)
    later = road.controller.newest["digits"].state.progress
    assert later is not None
    assert later.evidence.step_candidate_requests == before.evidence.step_candidate_requests + 20
    assert later.evidence.step_live_requests == before.evidence.step_live_requests + 180


def test_no_candidate_is_judged_by_an_edge_that_nobody_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without live's latency there is no first step; at the deadline the candidate has failed to begin."""
    monkeypatch.setattr(Counters, "_of", lambda *_: [])
    road = Road(tmp_path)
    seconds = 0
    while road.state.phase is Phase.PREPARING:
        road.tick(live=100)
        seconds += 1
    assert (road.state.phase, road.state.weight_percent, seconds) == (Phase.FAILED, 0, 30)
    reason = Ledger(road.world.layout.ledger).entries("digits")[-1].reason
    assert reason.endswith("bbbbbbbbbbbb in green is ready, but nothing can be counted of both slots yet")


def test_a_first_step_needs_a_prometheus_that_answers(tmp_path: Path) -> None:
    """What could be counted before it died is no reason to give a version traffic now."""
    road = Road(tmp_path)
    road.world.down.add(2001)
    for _ in range(3):
        road.tick(live=100)
    road.counters.silent = True
    road.world.down.clear()
    for _ in range(5):
        state = road.tick(live=100)
    assert (state.phase, state.weight_percent) == (Phase.PREPARING, 0)
    look = road.controller.rollouts.looks()["digits"]
    assert "nothing can be counted of both slots yet: Prometheus does not answer on port 9" in look.sentence
    road.counters.silent = False
    assert road.tick(live=100).phase is Phase.STEPPING


def promoted(road: Road) -> None:
    """Brings the candidate to its guard."""
    stepping(road)
    while road.state.phase is not Phase.GUARDING:
        road.tick(live=500, candidate=500)


def guarded_requests(road: Road) -> int:
    """Returns how many requests the guard has taken in."""
    progress = road.controller.newest["digits"].state.progress
    assert progress is not None
    return progress.evidence.step_candidate_requests


def test_an_outage_of_the_gateway_is_no_candidates_time(road: Road) -> None:
    """A version that is ready after it has all of its time to be counted: what nobody saw is held against nobody."""
    road.world.down.add(2001)
    road.tick(live=100)
    road.world.gateway_up = False
    for _ in range(10 * int(QUICK.prepare_seconds)):
        road.tick()
    assert road.controller.newest["digits"].state.progress is not None
    road.world.gateway_up, road.counters.silent = True, True
    road.world.down.clear()
    road.tick(live=100)
    road.counters.silent = False
    for _ in range(2):
        road.tick(live=100)
    assert (road.state.phase, road.state.rejected_digests) == (Phase.STEPPING, ())


def test_what_a_guard_saw_counts_whatever_could_not_be_written(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the progress cannot be saved each look is taken in all the same: a version that turns bad goes back."""
    promoted(road)
    refused: list[str] = []

    def full(path: Path, text: str, mode: int = 0o644, **_: bool) -> None:
        refused.append(path.name)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("shipway.delivery.envoy.files.write_atomic", full)
        while not refused:
            road.tick(candidate=100)
        before = guarded_requests(road)
        for _ in range(5):
            road.tick(candidate=100)
            assert "none could not be carried out" in road.controller.problems["digits"]
        assert guarded_requests(road) == before + 500
    for _ in range(10):
        road.tick(candidate_errors=100)
    assert road.state.phase is Phase.ROLLED_BACK


def test_a_guard_that_both_slots_stopped_goes_back_once_it_can(road: Road) -> None:
    """Live is dead, and so was the version before when it was looked at: a moment later it is not, and takes over."""
    promoted(road)
    road.world.down.update({2000, 2001})
    while road.state.phase is not Phase.PAUSED:
        road.tick()
    assert road.state.live is Slot.GREEN
    for _ in range(3):
        assert road.tick().phase is Phase.PAUSED
    road.world.down.discard(2000)
    for _ in range(3):
        road.tick()
    assert (road.state.phase, road.state.live) == (Phase.ROLLED_BACK, Slot.BLUE)


def test_between_two_scrapes_the_last_look_stands(road: Road) -> None:
    """Whoever watches sees what was counted last, not that a scrape is awaited, and the history has no empty look."""
    stepping(road)
    road.tick(live=90, candidate=10)
    before = road.controller.rollouts.looks()["digits"]
    assert before.verdicts
    road.seconds += 1
    road.controller.tick()
    assert road.controller.rollouts.looks()["digits"] == before
    compared = [look for look in read_history(road.world.layout.history, "digits", 1) if look.phase == "stepping"]
    assert all(look.verdicts for look in compared if look.move is Move.HOLD)
