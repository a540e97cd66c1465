"""What a look makes of a rollout that cannot do at once what was decided: it is done as soon as it can be."""

from shipway.contract.evidence import Judgement, Pause, Sample, SlotCounts
from shipway.contract.metrics import Slot
from shipway.contract.model import RolloutSpec
from shipway.contract.rollout import Move
from shipway.contract.route import Phase, RolloutState, RouteSpec, SlotEndpoint
from shipway.delivery import decide
from shipway.delivery.decide import Action, Readiness, Step
from shipway.delivery.evidence.gate import NoEvidence
from shipway.delivery.judge import SCRAPE_SECONDS, UNREADY_SECONDS, judge

A, B = ("sha256:" + letter * 64 for letter in "ab")
RULES = RolloutSpec(
    steps_percent=(10, 50, 100), harm_budget_ratio=0.1, min_step_seconds=1, max_step_seconds=30, guard_seconds=10
)
ALL = Readiness({})
NO_BLUE = Readiness({Slot.BLUE: "it is not up"})
SILENT = NoEvidence(Judgement.INCONCLUSIVE, "Prometheus does not answer")
GOOD = Sample(candidate=SlotCounts(requests=3000), live=SlotCounts(requests=3000))
BAD = Sample(candidate=SlotCounts(requests=100, errors=100), live=SlotCounts(requests=1000))


def route(**rollout: object) -> RouteSpec:
    """Returns a route with `a` in blue and `b` in green."""
    return RouteSpec(
        model="m",
        owner="team",
        blue=SlotEndpoint(port=2000, digest=A),
        green=SlotEndpoint(port=2001, digest=B),
        timeout_seconds=1.0,
        max_body_bytes=1,
        rollout=RULES.model_copy(update=rollout),
    )


def stepping(spec: RouteSpec) -> RolloutState:
    """Returns the state in which green takes its first share beside blue."""
    declared = decide.observe(spec, RolloutState(live=Slot.BLUE, live_digest=A), ALL).state
    begun = judge(spec, declared, ALL, GOOD, 0.5).step.state
    assert begun.phase is Phase.STEPPING
    return begun


def test_a_deadline_that_live_could_not_take_is_kept_once_it_can() -> None:
    """Nothing was proved and nothing will be: without a look at the pause itself, nobody would ever go back."""
    spec = route()
    late = judge(spec, stepping(spec), NO_BLUE, SILENT, 31.0)
    assert (late.move, late.step.state.weight_percent) == (Move.PAUSE, 10)
    assert late.step.state.progress is not None
    assert late.step.state.progress.paused is Pause.LIVE_BAD
    still = judge(spec, late.step.state, NO_BLUE, SILENT, 1.0)
    assert still.move is Move.HOLD
    back = judge(spec, still.step.state, ALL, SILENT, 1.0)
    assert (back.move, back.step.action, back.step.state.weight_percent) == (Move.ROLL_BACK, Action.ROLLED_BACK, 0)


def test_what_is_to_go_back_waits_for_live_and_for_no_scrape() -> None:
    """Scrapes may lie a minute apart: callers of a bad version do not wait for the next one once live is ready."""
    spec = route()
    proved = judge(spec, stepping(spec), NO_BLUE, BAD, 1.0).step.state
    still = judge(spec, proved, NO_BLUE, None, 1.0)
    assert (still.move, still.step.state.weight_percent) == (Move.HOLD, 10)
    back = judge(spec, still.step.state, ALL, None, 1.0)
    assert (back.move, back.step.state.weight_percent) == (Move.ROLL_BACK, 0)


def test_a_proof_that_live_could_not_take_is_kept_once_it_can() -> None:
    """Evidence may weaken while live is away; that it was enough once is what counts."""
    spec = route()
    proved = judge(spec, stepping(spec), NO_BLUE, BAD, 1.0).step.state
    assert proved.progress is not None
    assert proved.progress.paused is Pause.LIVE_BAD
    weaker = Sample(candidate=SlotCounts(requests=100_000), live=SlotCounts(requests=1000, errors=1000))
    still = judge(spec, proved, NO_BLUE, weaker, 1.0)
    assert still.move is Move.HOLD
    back = judge(spec, still.step.state, ALL, weaker, 1.0)
    assert back.move is Move.ROLL_BACK
    assert "blue is ready again" in back.sentence


def test_a_deadline_needs_no_scrape() -> None:
    """Where scrapes of both slots never meet there is no look: the step ends all the same, a little later."""
    spec = route()
    state, seconds = stepping(spec), 0.0
    judged = judge(spec, state, ALL, None, 0.0)
    while judged.move is Move.HOLD and seconds < 1000:
        seconds += 5.0
        judged = judge(spec, judged.step.state, ALL, None, 5.0)
    assert judged.move is Move.ROLL_BACK
    assert seconds == spec.rollout.max_step_seconds + SCRAPE_SECONDS
    assert "not earned within 30 s: evidence: no scrape of both slots has come" in judged.sentence


def test_one_late_look_is_no_deadline() -> None:
    """A process that stood still finds its clock far ahead: what the next scrape brings is heard before the verdict."""
    spec = route()
    state = stepping(spec)
    for _ in range(2):
        state = judge(spec, state, ALL, GOOD, 0.4).step.state
    late = judge(spec, state, ALL, None, 3600.0)
    assert (late.move, late.step.state.weight_percent) == (Move.HOLD, 10)
    assert judge(spec, late.step.state, ALL, GOOD, 0.1).move is Move.ADVANCE


def guarding(spec: RouteSpec, ready: Readiness = ALL) -> RolloutState:
    """Returns the state after a person promoted green."""
    done = decide.promote(spec, stepping(spec), ready, fix_forward=True)
    assert isinstance(done, Step)
    assert (done.state.live, done.state.phase) == (Slot.GREEN, Phase.GUARDING)
    return done.state


def test_nothing_is_held_back_for_a_version_that_is_down() -> None:
    """Whoever promotes because live is down must not leave a share of the traffic there."""
    spec = route(holdback_percent=20)
    assert guarding(spec).weight_percent == 20
    assert guarding(spec, NO_BLUE).weight_percent == 0


def test_a_holdback_ends_when_its_version_goes_down() -> None:
    """Its callers would fail and the guard, which compares, would never end; one lost probe is forgiven."""
    spec = route(holdback_percent=20)
    state, ready = guarding(spec), NO_BLUE
    once = judge(spec, state, ready, GOOD, 1.0)
    assert (once.step.action, once.step.state.weight_percent) == (Action.NONE, 20)
    assert judge(spec, once.step.state, ALL, GOOD, 0.1).step.state.weight_percent == 20
    ended = judge(spec, once.step.state, ready, SILENT, UNREADY_SECONDS)
    assert (ended.step.action, ended.step.state.weight_percent) == (Action.HOLDBACK_ENDED, 0)
    assert (ended.step.state.live, ended.step.state.phase) == (Slot.GREEN, Phase.GUARDING)
    assert ended.sentence == "aaaaaaaaaaaa in blue is not ready, so it keeps no share any more: it is not up"
    after = judge(spec, ended.step.state, ready, GOOD, 20.0)
    assert after.step.state.phase is Phase.SETTLED


def test_a_lost_probe_of_each_is_no_reason_to_leave() -> None:
    """In a guard that holds back a share the seconds of both are one sum: the control's own bring nobody back."""
    spec = route(holdback_percent=20)
    no_green = Readiness({Slot.GREEN: "it is not up"})
    once = judge(spec, guarding(spec), NO_BLUE, GOOD, 1.0)
    state = judge(spec, once.step.state, no_green, GOOD, 1.0).step.state
    assert (state.live, state.phase, state.weight_percent) == (Slot.GREEN, Phase.GUARDING, 20)
    down, seconds = judge(spec, state, no_green, SILENT, 1.0), 2.0
    while down.move is Move.HOLD:
        down, seconds = judge(spec, down.step.state, no_green, SILENT, 1.0), seconds + 1.0
    assert (down.move, down.step.state.live, seconds) == (Move.ROLL_BACK, Slot.BLUE, UNREADY_SECONDS + 1)
