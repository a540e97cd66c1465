"""Releases: digests only, and the live slot stays as it is."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.errors import SpecError
from shipway.contract.metrics import Slot
from shipway.contract.release import (
    Release,
    check_digest,
    load_release,
    refuse_live_change,
    release_path,
    save_release,
    short_digest,
)

A, B, C = ("sha256:" + c * 64 for c in "abc")
IMAGE, OTHER = ("sha256:" + c * 64 for c in "12")
SEEN_AT = datetime(2026, 11, 27, 9, tzinfo=UTC)
DIGESTS = st.sampled_from(["", A, B])


def test_a_release_survives_the_file(tmp_path: Path) -> None:
    """What is saved is what is loaded."""
    path = release_path(tmp_path, "local")
    release = Release(blue=A, live=Slot.BLUE, submitted_by="me", reason="first")
    save_release(path, release)
    assert load_release(path) == release


def test_an_image_belongs_to_its_bundle(tmp_path: Path) -> None:
    """It stays with its bundle whatever slot that is in, and goes when the bundle is in none."""
    path = release_path(tmp_path, "onprem")
    release = Release(blue=A, green=B).with_image(A, IMAGE).with_image(B, OTHER)
    save_release(path, release)
    assert load_release(path) == release
    assert (release.image(Slot.BLUE), release.image(Slot.GREEN)) == (IMAGE, OTHER)
    replaced = release.model_copy(update={"green": C})
    assert replaced.image(Slot.GREEN) == ""
    assert replaced.with_image(C, IMAGE).images == {A: IMAGE, C: IMAGE}


def test_a_load_test_was_seen_of_one_bundle(tmp_path: Path) -> None:
    """Another digest in the same slot has none, and what is in no slot is forgotten."""
    path = release_path(tmp_path, "onprem")
    release = Release(blue=A).with_load_tests(A, SEEN_AT)
    save_release(path, release)
    assert load_release(path) == release
    replaced = release.model_copy(update={"blue": B})
    assert replaced.load_tested.get(B) is None
    assert replaced.with_load_tests(B, SEEN_AT).load_tested == {B: SEEN_AT}


def test_a_release_of_processes_says_nothing_of_images(tmp_path: Path) -> None:
    """The file of a local environment is as it was."""
    path = release_path(tmp_path, "local")
    save_release(path, Release(blue=A))
    assert set(yaml.safe_load(path.read_text())) == {"blue", "green", "live", "submitted_by", "reason"}


def test_an_image_by_its_tag_is_refused(tmp_path: Path) -> None:
    """A tag can be moved to other bytes."""
    path = tmp_path / "onprem.yaml"
    path.write_text(f"blue: {A}\nimages: {{{A}: latest}}\n")
    with pytest.raises(SpecError, match=rf"onprem.yaml: images.{A}: got 'latest'"):
        load_release(path)


def test_a_model_never_released_has_empty_slots(tmp_path: Path) -> None:
    """No file means no digest, not an error."""
    assert load_release(release_path(tmp_path, "local")) == Release()


@pytest.mark.parametrize("text", ["latest", "sha256:abc", A.upper(), f"{A} ", f"{A}\n", ""])
def test_only_a_whole_digest_is_a_digest(text: str) -> None:
    """A tag or a short form is refused by name."""
    with pytest.raises(SpecError, match="sha256: and 64 hexadecimal digits"):
        check_digest(text, "local.yaml", "blue")


def test_a_tag_in_the_file_is_refused(tmp_path: Path) -> None:
    """The release file cannot hold a tag either."""
    path = tmp_path / "local.yaml"
    path.write_text("blue: v3\n")
    with pytest.raises(SpecError, match=r"local.yaml: blue: got 'v3'"):
        load_release(path)


@given(blue=DIGESTS, green=DIGESTS, slot=st.sampled_from(Slot), live=DIGESTS)
def test_the_live_slot_never_changes(blue: str, green: str, slot: Slot, live: str) -> None:
    """A release is refused exactly when the slot that takes traffic would hold another digest."""
    release = Release(blue=blue, green=green)
    refused = refuse_live_change({"m": release}, {"m": (slot, live)})
    assert bool(refused) == (release.digest(slot) != live)


def test_the_refusal_names_both_digests_and_the_way_out() -> None:
    """The sentence says what is live, what was wanted and which verb to use."""
    (sentence,) = refuse_live_change({"m": Release(blue=B)}, {"m": (Slot.BLUE, A)})
    assert short_digest(A) in sentence
    assert short_digest(B) in sentence
    assert "shipway release" in sentence
