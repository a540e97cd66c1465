"""What the ledger remembers of a model whose route is gone, as after `make down` and `make up`; pure."""

from collections.abc import Iterable

from shipway.contract.ledger import Entry
from shipway.contract.route import RolloutState
from shipway.delivery.decide import Action
from shipway.delivery.served import RETRIED

__all__ = ["remembered"]

_FAILED = frozenset({Action.ROLLED_BACK, Action.FAILED})
_FORGIVEN = frozenset({Action.RETRIED, Action.OVERRIDE, Action.PROMOTED, Action.FIRST_LIVE})


def remembered(entries: Iterable[Entry]) -> RolloutState:
    """Returns a state without a live slot that knows which digest was live, which one before it, and which failed.

    Args:
        entries: those of one model, in order.
    """
    live = previous = ""
    rejected: list[str] = []
    generation = rollout = 0
    for entry in entries:
        if entry.generation is None:
            continue
        generation, rollout = entry.generation, entry.rollout or rollout
        if "live" in entry.digests:
            live, previous = entry.digests["live"], entry.digests.get("previous", "")
        candidate = entry.digests.get("candidate", "")
        # A retry names its digest, which need not be the one that is in the slot.
        named = entry.digests.get(RETRIED, candidate)
        forgiven = {live, named} if entry.action in _FORGIVEN else {live}
        rejected = [digest for digest in rejected if digest not in forgiven]
        if entry.action in _FAILED and candidate:
            rejected = [*(digest for digest in rejected if digest != candidate), candidate]
    return RolloutState(
        live_digest=live,
        previous_digest=previous,
        rejected_digests=tuple(rejected),
        generation=generation,
        rollout=rollout,
    )
