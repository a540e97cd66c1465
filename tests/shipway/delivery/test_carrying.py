"""Which version goes to the next environment."""

import pytest

from shipway.contract.metrics import Slot
from shipway.contract.release import Release
from shipway.contract.route import Phase, RolloutState
from shipway.delivery.carrying import Carried, carried
from shipway.delivery.decide import Refusal

OLD, NEW, OTHER = (f"sha256:{digit * 64}" for digit in "abc")
IMAGE = "sha256:" + "1" * 64
BOTH = Release(blue=OLD, green=NEW, live=Slot.BLUE, images={NEW: IMAGE})
PROVED = RolloutState(live=Slot.GREEN, live_digest=NEW, previous_digest=OLD)


def test_what_is_live_and_settled_is_carried_with_its_image() -> None:
    """The route knows which slot is live; the release file's own line may be older."""
    assert carried(BOTH, PROVED) == Carried(NEW, IMAGE)
    assert carried(BOTH, PROVED, NEW) == Carried(NEW, IMAGE)


@pytest.mark.parametrize(
    ("state", "digest", "sentence"),
    [
        (PROVED, OLD, "aaaaaaaaaaaa is not live there, bbbbbbbbbbbb is"),
        (PROVED, OTHER, "cccccccccccc is not released there, expected one of aaaaaaaaaaaa, bbbbbbbbbbbb"),
        (PROVED.model_copy(update={"phase": Phase.GUARDING}), "", "is not proved there yet: it is still guarded"),
        (PROVED.model_copy(update={"phase": Phase.PAUSED}), "", "its guard is paused, because something was proved"),
        (PROVED.model_copy(update={"phase": Phase.PAUSED}), NEW, "its guard is paused, because something was proved"),
        (RolloutState(), "", "no version has taken traffic there yet"),
        (RolloutState(live=Slot.BLUE, live_digest=OTHER), "", "but the release file does not say so"),
        (RolloutState(live=Slot.BLUE, live_digest=OLD, rejected_digests=(NEW,)), NEW, "was rolled back or failed"),
        (
            RolloutState(
                live=Slot.BLUE, live_digest=OLD, candidate=Slot.GREEN, candidate_digest=NEW, phase=Phase.STEPPING
            ),
            "",
            "bbbbbbbbbbbb is on its way there, and aaaaaaaaaaaa is live",
        ),
    ],
)
def test_what_is_not_proved_is_not_carried(state: RolloutState, digest: str, sentence: str) -> None:
    """Not live, still guarded, rolled back, on its way, never served: each is refused in its own words."""
    found = carried(BOTH, state, digest)
    assert isinstance(found, Refusal)
    assert sentence in found.sentence


def test_a_named_live_version_is_carried_while_another_is_on_its_way() -> None:
    """It was proved before the other one came."""
    state = RolloutState(live=Slot.BLUE, live_digest=OLD, candidate=Slot.GREEN, candidate_digest=NEW)
    assert carried(BOTH, state.model_copy(update={"phase": Phase.STEPPING}), OLD) == Carried(OLD, "")


@pytest.mark.parametrize("phase", [Phase.ROLLED_BACK, Phase.FAILED])
def test_a_version_that_was_given_up_is_not_on_its_way(phase: Phase) -> None:
    """It stays in its slot until the next release; nobody has to wait for it, nor to name what is live beside it."""
    state = RolloutState(
        live=Slot.BLUE,
        live_digest=OLD,
        candidate=Slot.GREEN,
        candidate_digest=NEW,
        rejected_digests=(NEW,),
        phase=phase,
    )
    assert carried(BOTH, state) == Carried(OLD, "")


def test_without_asking_the_file_says_which() -> None:
    """The line `live`, or the only version there is; two of which neither is said to be live are no choice."""
    assert carried(BOTH, None) == Carried(OLD, "")
    assert carried(BOTH, None, NEW) == Carried(NEW, IMAGE)
    assert carried(Release(green=NEW), None) == Carried(NEW, "")
    for release, sentence in (
        (Release(), "nothing is released there"),
        (BOTH.model_copy(update={"live": None}), "does not say which is live; name one"),
    ):
        found = carried(release, None)
        assert isinstance(found, Refusal)
        assert sentence in found.sentence
