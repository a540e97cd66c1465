"""A rollout's history as the production decision makes it, on made-up counts."""

from datetime import UTC, datetime, timedelta

from shipway.contract.evidence import Sample, SlotCounts
from shipway.contract.ledger import Entry
from shipway.contract.metrics import Slot
from shipway.contract.model import RolloutSpec, SloSpec
from shipway.contract.rollout import Look, Move
from shipway.delivery.evidence import steps
from shipway.delivery.evidence.gate import Rules

CANDIDATE, LIVE = "sha256:" + "b" * 64, "sha256:" + "a" * 64
START = datetime(2026, 11, 26, 14, 0, tzinfo=UTC)
ACTIONS = {Move.ADVANCE: "advanced", Move.PROMOTE: "promoted", Move.ROLL_BACK: "rolled_back", Move.PAUSE: "paused"}


def looks(bad_every: int = 0, rollout: int = 7, most: int = 400) -> list[Look]:
    """Returns one look a second of a rollout at 200 requests/s, until it ends.

    Args:
        bad_every: every so-manieth candidate request fails; none for 0.
        rollout: its number.
        most: after so many looks it is left under way.
    """
    rules = Rules.of_route(RolloutSpec(), SloSpec())
    progress, weight, found, sent = steps.begin(rules), 1, list[Look](), 0
    for second in range(1, most + 1):
        requests = 2 * weight
        bad = (sent + requests) // bad_every - sent // bad_every if bad_every else 0
        sent += requests
        live = SlotCounts(requests=200 - requests, units=200 - requests, prediction_bins=_bins(200 - requests))
        counts = SlotCounts(requests=requests, errors=bad, units=requests, prediction_bins=_bins(requests))
        decision = steps.advance(rules, progress, Sample(candidate=counts, live=live), 1.0)
        found.append(
            Look(
                time=(START + timedelta(seconds=second)).isoformat(timespec="milliseconds"),
                model="digits",
                rollout=rollout,
                phase="guarding" if decision.move is Move.PROMOTE else "stepping",
                candidate=Slot.GREEN,
                candidate_digest=CANDIDATE,
                live_digest=LIVE,
                step_index=progress.step_index,
                weight_percent=decision.weight_percent,
                step_elapsed_seconds=decision.progress.step_elapsed_seconds,
                move=decision.move,
                sentence=decision.sentence,
                verdicts=decision.verdicts,
            )
        )
        progress, weight = decision.progress, decision.weight_percent
        if decision.move in (Move.PROMOTE, Move.ROLL_BACK):
            break
    return found


def _bins(count: int) -> tuple[int, ...]:
    return (*(0 for _ in range(19)), count)


def entries(history: list[Look]) -> list[Entry]:
    """Returns the ledger of that rollout: the candidate, every transition, each a moment after its look."""
    first = entry(1, START.isoformat(timespec="milliseconds"), "candidate", history[0], weight=0)
    moved = [look for look in history if look.move is not Move.HOLD]
    return [first] + [
        entry(number, look.time.replace(".000", ".004"), ACTIONS[look.move], look)
        for number, look in enumerate(moved, start=2)
    ]


def entry(number: int, time: str, action: str, look: Look, *, weight: int | None = None, actor: str = "") -> Entry:
    """Returns one entry about `look`."""
    return Entry(
        number=number,
        previous="0" * 64,
        time=time,
        actor=actor or "delivery",
        action=action,
        model=look.model,
        digests={"candidate": look.candidate_digest, "live": look.live_digest},
        reason=look.sentence,
        generation=number,
        rollout=look.rollout,
        weight_percent=look.weight_percent if weight is None else weight,
        evidence=look.verdicts if action != "candidate" else (),
    )
