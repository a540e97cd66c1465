"""The pure decisions, by example, in every reachable state, and on random histories."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.metrics import Slot
from shipway.contract.route import Phase, RolloutState, RouteSpec, SlotEndpoint
from shipway.delivery.decide import Action, Readiness, Refusal, Step, observe, promote, rollback

DIGESTS = tuple("sha256:" + letter * 64 for letter in "abc")
A, B, C = DIGESTS
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
    assert promoted.sentence == "bbbbbbbbbbbb in green takes 100 % of the traffic"
    assert promoted.state == live(Slot.GREEN, B, previous_digest=A, generation=2)
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


def readinesses() -> Iterator[Readiness]:
    for down in ((), (Slot.BLUE,), (Slot.GREEN,), tuple(Slot)):
        yield Readiness(dict.fromkeys(down, "it is not up"))


def successors(before: RolloutState, declared: RouteSpec, ready: Readiness) -> Iterator[tuple[str, RolloutState]]:
    seen = observe(declared, before, ready).state
    yield "observe", seen
    for name, outcome in (
        ("promote", promote(declared, seen, ready)),
        ("retry", promote(declared, seen, ready, retry=True)),
        ("rollback", rollback(declared, seen, ready)),
    ):
        if isinstance(outcome, Step):
            yield name, outcome.state


def assert_laws(name: str, before: RolloutState, after: RolloutState, declared: RouteSpec, ready: Readiness) -> None:
    """The three laws, and what makes a state one that can be served."""
    if after.live is not before.live:
        assert after.live is not None, "what is live stays live or is replaced, it never just ends"
        assert not ready.problem(after.live), "what is not ready never takes traffic"
        assert after.live_digest == declared.endpoint(after.live).digest != "", "traffic goes to a digest in place"
        if name == "observe":
            assert before.live is None, "after the first version nothing goes live by itself"
        if name == "rollback":
            assert after.live_digest == before.previous_digest, "a rollback goes to what served before"
    if name == "promote" and after.live is not before.live:
        assert before.candidate_digest != after.live_digest or before.phase is not Phase.ROLLED_BACK, "sticky"
    assert after.weight_percent == 0, "a candidate takes nothing before it is promoted"
    assert (after.candidate is None) == (after.candidate_digest == "")
    assert after.candidate is None or after.candidate is not after.live
    assert (after.generation > before.generation) == (after != before), "every change counts, and nothing else does"
    once = observe(declared, after, ready).state
    assert observe(declared, once, ready).state == once, "the same declaration again changes nothing"


def test_every_reachable_state_keeps_the_laws() -> None:
    """From nothing, by every declaration, readiness and request, only states that keep the laws are reached."""
    declarations = [spec(*slots, hint=hint) for slots in product(("", *DIGESTS), repeat=2) for hint in (None, *Slot)]
    start = RolloutState()
    reached, fresh = {start}, [start]
    while fresh:
        before = fresh.pop()
        for declared, ready in product(declarations, readinesses()):
            # Pulumi refuses to change the live slot, so no other declaration ever arrives.
            if before.live is not None and declared.endpoint(before.live).digest != before.live_digest:
                continue
            for name, after in successors(before, declared, ready):
                assert_laws(name, before, after, declared, ready)
                plain = after.model_copy(update={"generation": 0})
                if plain not in reached:
                    reached.add(plain)
                    fresh.append(plain)
    assert len(reached) > 50


digests = st.sampled_from(("", *DIGESTS))
events = st.tuples(
    st.sampled_from(("observe", "promote", "retry", "rollback")),
    st.builds(spec, digests, digests, st.sampled_from((None, *Slot))),
    st.sampled_from(tuple(readinesses())),
)


@given(st.lists(events, max_size=30))
def test_any_history_keeps_the_laws(history: list[tuple[str, RouteSpec, Readiness]]) -> None:
    """Whatever is declared and asked in whatever order, also a changed live slot, the laws hold at each step."""
    state = RolloutState()
    for wanted, declared, ready in history:
        for name, after in successors(state, declared, ready):
            assert_laws(name, state, after, declared, ready)
        state = dict(successors(state, declared, ready)).get(wanted, state)
