"""Where a release goes: the pure rule behind `shipway release`, which keeps the live slot untouched."""

from dataclasses import dataclass

from shipway.contract.metrics import Slot
from shipway.contract.release import Release, short_digest
from shipway.contract.route import Phase, RolloutState
from shipway.delivery.decide import Refusal

__all__ = ["Placement", "place"]

# While one of these runs, the idle slot is needed: it takes traffic, or it is where a rollback would go.
_BUSY = frozenset({Phase.STEPPING, Phase.PAUSED, Phase.GUARDING})


def _needed(state: RolloutState) -> bool:
    """Returns whether the idle slot is needed; the guard of a first version has nowhere to go back to."""
    return state.phase in _BUSY and (state.candidate is not None or state.previous_digest != "")


@dataclass(frozen=True)
class Placement:
    """The release file to write, the slot the digest is in, and one sentence; not changed means nothing to do."""

    release: Release
    slot: Slot
    changed: bool
    sentence: str


def place(
    release: Release, state: RolloutState, digest: str, *, submitted_by: str, reason: str, supersede: bool = False
) -> Placement | Refusal:
    """Returns where `digest` goes, or why it goes nowhere.

    Args:
        release: the release file as it is.
        state: the rollout state the gateway serves, an empty one for a model that is not deployed.
        digest: the bundle to release.
        submitted_by: who releases it.
        reason: why.
        supersede: overwrite the idle slot although a rollout or its guard still needs it.
    """
    short = short_digest(digest)
    live = state.live or release.live
    if state.live is not None:
        written = release.digest(state.live)
        if written not in ("", state.live_digest):
            return Refusal(
                f"{state.live} is live with {short_digest(state.live_digest)}, but the release file says "
                f"{short_digest(written)}; correct the file first"
            )
        # The file of a local environment is not in git: after a fresh checkout the gateway knows more than the file.
        release = release.model_copy(update={"live": state.live, str(state.live): state.live_digest})
    for slot in Slot:
        if release.digest(slot) == digest:
            standing = "is already live in" if slot is live else "is already released into"
            return Placement(release, slot, False, f"{short} {standing} {slot}; nothing was changed")
    slot = Slot.BLUE if live is None else live.other
    if _needed(state) and not supersede:
        return Refusal(
            f"{slot} is needed: the rollout is {state.phase} and {short_digest(release.digest(slot)) or 'its digest'} "
            "would be overwritten; wait for its end, or pass --supersede"
        )
    changes = {str(slot): digest, "submitted_by": submitted_by, "reason": reason}
    return Placement(release.model_copy(update=changes), slot, True, f"{short} is released into {slot}")
