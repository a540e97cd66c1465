"""Where a release goes."""

import pytest

from shipway.contract.metrics import Slot
from shipway.contract.release import Release
from shipway.contract.route import Phase, RolloutState
from shipway.delivery.decide import Refusal
from shipway.delivery.placing import Placement, place

A, B, C = ("sha256:" + letter * 64 for letter in "abc")


def placed(release: Release, state: RolloutState, digest: str, *, supersede: bool = False) -> Placement | Refusal:
    return place(release, state, digest, submitted_by="ada", reason="why", supersede=supersede)


def test_the_first_release_goes_to_blue() -> None:
    """Where nothing is live, blue gets the digest, also in place of one that never went live."""
    first = placed(Release(), RolloutState(), A)
    assert first == Placement(
        Release(blue=A, submitted_by="ada", reason="why"), Slot.BLUE, True, "aaaaaaaaaaaa is released into blue"
    )
    second = placed(Release(blue=A), RolloutState(), B)
    assert isinstance(second, Placement)
    assert (second.release.blue, second.slot) == (B, Slot.BLUE)


def test_the_live_slot_keeps_its_digest() -> None:
    """A release goes into the other slot, and the file says what the gateway knows of the live one."""
    state = RolloutState(live=Slot.GREEN, live_digest=B)
    for release in (Release(green=B, live=Slot.GREEN), Release()):
        found = placed(release, state, C)
        assert isinstance(found, Placement)
        assert (found.release.blue, found.release.green, found.release.live) == (C, B, Slot.GREEN)


@pytest.mark.parametrize(
    ("digest", "sentence"),
    [
        (A, "aaaaaaaaaaaa is already live in blue; nothing was changed"),
        (B, "bbbbbbbbbbbb is already released into green; nothing was changed"),
    ],
)
def test_what_is_in_place_already_changes_nothing(digest: str, sentence: str) -> None:
    """Releasing the live digest or the idle one again does nothing and says so."""
    found = placed(Release(blue=A, green=B), RolloutState(live=Slot.BLUE, live_digest=A), digest)
    assert isinstance(found, Placement)
    assert (found.changed, found.sentence) == (False, sentence)


def test_a_slot_that_a_rollout_needs_is_kept() -> None:
    """During steps or a guard a release is refused, unless it supersedes."""
    state = RolloutState(live=Slot.BLUE, live_digest=A, phase=Phase.GUARDING, previous_digest=B)
    assert placed(Release(blue=A, green=B), state, C) == Refusal(
        "green is needed: the rollout is guarding and bbbbbbbbbbbb would be overwritten; wait for its end, or pass "
        "--supersede"
    )
    found = placed(Release(blue=A, green=B), state, C, supersede=True)
    assert isinstance(found, Placement)
    assert found.release.green == C


def test_a_file_that_contradicts_the_gateway_is_refused() -> None:
    """A live line edited by hand is named with both digests."""
    assert placed(Release(blue=C), RolloutState(live=Slot.BLUE, live_digest=A), B) == Refusal(
        "blue is live with aaaaaaaaaaaa, but the release file says cccccccccccc; correct the file first"
    )
