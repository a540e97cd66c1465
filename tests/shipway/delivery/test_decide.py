"""The decisions on declarations and requests, by example; every reachable state is explored in test_laws."""

import pytest

from shipway.contract.metrics import Slot
from shipway.contract.route import Phase, RolloutState, RouteSpec, SlotEndpoint
from shipway.delivery.decide import Action, Readiness, Refusal, Step, approve, observe, promote, retry, rollback

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
BOTH_READY = Readiness({})
NONE_READY = Readiness(dict.fromkeys(Slot, "it is not up"))


def spec(blue: str = "", green: str = "", hint: Slot | None = None) -> RouteSpec:
    return RouteSpec(
        model="m",
        owner="team",
        blue=SlotEndpoint(port=2000, digest=blue),
        green=SlotEndpoint(port=2001, digest=green),
        live_hint=hint,
        timeout_seconds=1.0,
        max_body_bytes=1,
    )


def live(slot: Slot = Slot.BLUE, digest: str = A, **changes: object) -> RolloutState:
    return RolloutState.model_validate({"live": slot, "live_digest": digest} | changes)


def test_the_first_version_waits_until_it_is_ready() -> None:
    """Nothing is live before its slot is ready; then it takes 100 % without anybody's word."""
    waiting = observe(spec(blue=A), RolloutState(), NONE_READY)
    assert (waiting.action, waiting.state.live, waiting.state.phase) == (Action.WAITING, None, Phase.PREPARING)
    assert observe(spec(blue=A), waiting.state, NONE_READY).action is Action.NONE
    first = observe(spec(blue=A), waiting.state, BOTH_READY)
    assert (first.action, first.state.live, first.state.live_digest) == (Action.FIRST_LIVE, Slot.BLUE, A)
    assert first.state.candidate is None
    assert first.sentence == "aaaaaaaaaaaa in blue is the first version live"


def test_a_rebuilt_stack_starts_with_the_version_promoted_last() -> None:
    """With the release file's `live` as a hint the other slot never goes first, even when it is ready earlier."""
    only_blue = Readiness({Slot.GREEN: "it is not up"})
    assert observe(spec(A, B, hint=Slot.GREEN), RolloutState(), only_blue).state.live is None
    assert observe(spec(A, B, hint=Slot.GREEN), RolloutState(), BOTH_READY).state.live is Slot.GREEN
    assert observe(spec(A, "", hint=Slot.GREEN), RolloutState(), BOTH_READY).state.live is Slot.BLUE


@pytest.mark.parametrize("hint", [None, Slot.GREEN])
def test_a_rebuilt_stack_does_not_start_with_what_was_rolled_back(hint: Slot | None) -> None:
    """The version live before is declared no more: another one goes first, although the failed one is ready earlier."""
    known = RolloutState(live_digest=A, rejected_digests=(B,))
    only_green = Readiness({Slot.BLUE: "it is not up"})
    waiting = observe(spec(C, B, hint=hint), known, only_green)
    assert (waiting.action, waiting.state.live, waiting.state.candidate_digest) == (Action.WAITING, None, C)
    first = observe(spec(C, B, hint=hint), waiting.state, BOTH_READY).state
    assert (first.live, first.rejected_digests) == (Slot.BLUE, (B,))
    # Where nothing else is declared there is nothing else to serve.
    assert observe(spec("", B, hint=hint), known, BOTH_READY).state.live is Slot.GREEN


def test_a_new_digest_in_the_idle_slot_takes_no_traffic() -> None:
    """A candidate is noticed, gets nothing, and live is untouched, however ready it is."""
    step = observe(spec(A, B), live(), BOTH_READY)
    assert (step.action, step.state.candidate, step.state.weight_percent) == (Action.CANDIDATE, Slot.GREEN, 0)
    assert (step.state.live, step.state.live_digest) == (Slot.BLUE, A)
    assert observe(spec(A, B), step.state, BOTH_READY).action is Action.NONE
    gone = observe(spec(A, ""), step.state, BOTH_READY)
    assert (gone.action, gone.state.candidate, gone.state.phase) == (Action.CANDIDATE_GONE, None, Phase.SETTLED)


def test_promote_and_roll_back_again() -> None:
    """A promotion swaps the slots; a rollback swaps them back and marks the version that failed."""
    candidate = observe(spec(A, B), live(), BOTH_READY).state
    promoted = promote(spec(A, B), candidate, BOTH_READY)
    assert isinstance(promoted, Step)
    assert promoted.sentence == "bbbbbbbbbbbb in green takes 100 % of the traffic: before it was earned"
    assert promoted.action is Action.OVERRIDE
    assert (promoted.state.live, promoted.state.live_digest, promoted.state.previous_digest) == (Slot.GREEN, B, A)
    assert (promoted.state.candidate, promoted.state.phase, promoted.state.generation) == (None, Phase.GUARDING, 2)
    again = promote(spec(A, B), promoted.state, BOTH_READY)
    assert again == Step(promoted.state, Action.NONE, "bbbbbbbbbbbb is already live in green")
    back = rollback(spec(A, B), promoted.state, BOTH_READY)
    assert isinstance(back, Step)
    assert back.sentence == "aaaaaaaaaaaa in blue takes 100 % of the traffic back from bbbbbbbbbbbb"
    assert (back.state.live, back.state.candidate, back.state.phase) == (Slot.BLUE, Slot.GREEN, Phase.ROLLED_BACK)
    # The same state declared again changes nothing: what was rolled back stays so.
    assert observe(spec(A, B), back.state, BOTH_READY).action is Action.NONE
    assert rollback(spec(A, B), back.state, BOTH_READY) == Step(
        back.state, Action.NONE, "bbbbbbbbbbbb is already rolled back; aaaaaaaaaaaa in blue is live"
    )
    retried = promote(spec(A, B), back.state, BOTH_READY, retry=True)
    assert isinstance(retried, Step)
    assert retried.state.live is Slot.GREEN


@pytest.mark.parametrize(
    ("decision", "slots", "state", "ready", "sentence"),
    [
        (promote, (), RolloutState(), NONE_READY, "m has no live version: the first one goes live by itself; "
         "nothing was released yet"),
        (promote, (A,), RolloutState(), NONE_READY, "m has no live version: the first one goes live by itself; "
         "blue: it is not up"),
        (promote, (A,), live(), BOTH_READY, "m has no candidate: blue is live with aaaaaaaaaaaa and green holds "
         "nothing new; `shipway release` puts a digest there and `pulumi up` starts it"),
        (promote, (A, B), live(candidate=Slot.GREEN, candidate_digest=B, phase=Phase.PREPARING), NONE_READY,
         "bbbbbbbbbbbb in green is not ready: it is not up"),
        (promote, (A, B), live(candidate=Slot.GREEN, candidate_digest=B, phase=Phase.ROLLED_BACK), BOTH_READY,
         "bbbbbbbbbbbb in green was rolled back; release another digest, or promote with --retry"),
        (rollback, (), RolloutState(), NONE_READY, "m has no live version, so there is nothing to go back from; "
         "nothing was released yet"),
        (rollback, (A,), live(), BOTH_READY, "m was never promoted: aaaaaaaaaaaa in blue is the only version that ever "
         "served"),
        (rollback, (A, ""), live(previous_digest=C), BOTH_READY, "the version before aaaaaaaaaaaa, cccccccccccc, is "
         "no longer in green: it holds nothing"),
        (rollback, (A, C), live(previous_digest=C), NONE_READY, "the version before aaaaaaaaaaaa, cccccccccccc in "
         "green, is not ready: it is not up"),
    ],
)  # fmt: skip
def test_refusals(
    decision: object, slots: tuple[str, ...], state: RolloutState, ready: Readiness, sentence: str
) -> None:
    """What cannot be done is refused with the reason and, where there is one, the way on."""
    # Only a candidate that still loads is worth waiting for; a rollback never waits.
    passing = decision is promote and sentence.endswith("is not ready: it is not up")
    assert decision(spec(*slots), state, ready) == Refusal(sentence, passing)  # type: ignore[operator]


def test_only_the_candidate_is_withdrawn_while_there_is_one() -> None:
    """A rollback during a rollout takes the candidate out and leaves live alone."""
    state = live(candidate=Slot.GREEN, candidate_digest=B, previous_digest=C, phase=Phase.PREPARING)
    step = rollback(spec(A, B), state, BOTH_READY)
    assert isinstance(step, Step)
    assert (step.state.live, step.state.phase, step.state.weight_percent) == (Slot.BLUE, Phase.ROLLED_BACK, 0)
    assert step.sentence == "bbbbbbbbbbbb in green gets no traffic; aaaaaaaaaaaa stays live"


def test_a_digest_that_failed_takes_no_traffic_until_somebody_asks() -> None:
    """Declared again after another version it stays rolled back; `retry` begins a new rollout from zero evidence."""
    candidate = observe(spec(A, B), live(), BOTH_READY).state
    failed = rollback(spec(A, B), candidate, BOTH_READY)
    assert isinstance(failed, Step)
    assert failed.state.rejected_digests == (B,)
    other = observe(spec(A, C), failed.state, BOTH_READY).state
    assert (other.phase, other.rollout) == (Phase.PREPARING, 2)
    again = observe(spec(A, B), other, BOTH_READY)
    assert (again.state.phase, again.state.progress) == (Phase.ROLLED_BACK, None)
    assert again.sentence == "bbbbbbbbbbbb in green was rolled back before and gets no traffic without --retry"
    retried = retry(spec(A, B), again.state, B)
    assert isinstance(retried, Step)
    assert (retried.state.phase, retried.state.rollout, retried.state.rejected_digests) == (Phase.PREPARING, 3, ())
    assert retry(spec(A, B), retried.state, B) == Refusal(
        "bbbbbbbbbbbb of m was not rolled back, so there is nothing to retry"
    )


def test_approval_without_a_pause_is_refused() -> None:
    """The refusal says where the rollout stands."""
    assert approve(spec(A), live()) == Refusal("m waits for nobody: its rollout is settled")


def test_a_rollback_into_an_outage_is_refused() -> None:
    """While live is down and the candidate serves, the weights stay, and the way forward is named."""
    state = live(candidate=Slot.GREEN, candidate_digest=B, phase=Phase.STEPPING, weight_percent=25)
    assert rollback(spec(A, B), state, Readiness({Slot.BLUE: "it is not up"})) == Refusal(
        "aaaaaaaaaaaa in blue is not ready (it is not up), so a rollback would end in an outage; `shipway promote m` "
        "goes forward instead"
    )
