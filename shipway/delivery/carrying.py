"""Which version goes from one environment to the next: the pure rules behind `shipway carry`, which never builds."""

from dataclasses import dataclass

from shipway.contract.metrics import Slot
from shipway.contract.release import Release, short_digest
from shipway.contract.route import Phase, RolloutState
from shipway.delivery.decide import Refusal

__all__ = ["Carried", "carried"]

# Such a version stays in its slot, but nothing is under way with it.
_GIVEN_UP = frozenset({Phase.ROLLED_BACK, Phase.FAILED})


@dataclass(frozen=True)
class Carried:
    """The version to carry: its bundle, and the image that holds it, empty where the release names none."""

    digest: str
    image: str


def carried(release: Release, state: RolloutState | None, digest: str = "") -> Carried | Refusal:
    """Returns which version of the first environment goes to the next, or why none does.

    Args:
        release: the first environment's release file.
        state: where its rollout stands, as its route says; None where nobody was asked.
        digest: the version that a person named; empty for the one that is live.
    """
    released = {slot: release.digest(slot) for slot in Slot if release.digest(slot)}
    if not released:
        return Refusal("nothing is released there")
    if digest and digest not in released.values():
        named = ", ".join(sorted(short_digest(one) for one in released.values()))
        return Refusal(f"{short_digest(digest)} is not released there, expected one of {named}")
    if state is not None:
        return _proved(release, state, digest)
    if not digest:
        slot = next(iter(released)) if len(released) == 1 else release.live
        if slot is None or slot not in released:
            return Refusal("two versions are released there, and the file does not say which is live; name one")
        digest = released[slot]
    return Carried(digest, release.images.get(digest, ""))


def _proved(release: Release, state: RolloutState, digest: str) -> Carried | Refusal:
    """Returns the version that its rollout proved: live, and no guard could take it back."""
    chosen = digest or state.live_digest
    if not chosen:
        return Refusal("no version has taken traffic there yet")
    short = short_digest(chosen)
    if chosen in state.rejected_digests:
        return Refusal(f"{short} was rolled back or failed there")
    if chosen != state.live_digest:
        return Refusal(f"{short} is not live there, {short_digest(state.live_digest) or 'nothing'} is")
    if state.phase is Phase.GUARDING:
        return Refusal(f"{short} is not proved there yet: it is still guarded, and could go back; wait for its end")
    if state.phase is Phase.PAUSED and state.candidate is None:
        said = "its guard is paused, because something was proved against it or it was not ready"
        return Refusal(f"{short} is not proved there: {said}; wait for what a person makes of it")
    if state.candidate is not None and state.phase not in _GIVEN_UP and not digest:
        coming = short_digest(state.candidate_digest)
        return Refusal(f"{coming} is on its way there, and {short} is live; wait for its end, or name one")
    if chosen not in (release.blue, release.green):
        return Refusal(f"{short} is live there, but the release file does not say so; correct the file first")
    return Carried(chosen, release.images.get(chosen, ""))
