import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.bundle.manifest import CoveredFile, Manifest, covered_files
from shipway.bundle.store import ArtifactStore, verify_bundle
from shipway.contract.errors import ArtifactError, SpecError


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def test_the_digest_is_the_hash_of_the_manifest_file(store: ArtifactStore, files: Path, manifest: Manifest) -> None:
    """Anyone can check a digest with sha256sum."""
    digest = store.put(files, manifest)
    text = (store.path(digest) / "manifest.json").read_bytes()
    assert digest == f"sha256:{hashlib.sha256(text).hexdigest()}"
    assert store.verify(digest) == manifest
    assert store.digests() == [digest]


def test_putting_the_same_again_changes_nothing(store: ArtifactStore, files: Path, manifest: Manifest) -> None:
    """A second put of equal content returns the same digest and leaves the first one's files in place."""
    first = store.path(store.put(files, manifest)) / "manifest.json"
    written = first.stat().st_mtime_ns
    store.put(files, manifest)
    assert first.stat().st_mtime_ns == written


def test_what_lies_beside_is_not_covered(store: ArtifactStore, files: Path, manifest: Manifest, tmp_path: Path) -> None:
    """A Bento holds times and tags: it travels with the bundle but never changes its digest."""
    (tmp_path / "bento").mkdir()
    (tmp_path / "bento" / "bento.yaml").write_text("creation_time: now")
    digest = store.put(files, manifest, {"bento": tmp_path / "bento"})
    assert digest == manifest.digest
    assert (store.path(digest) / "bento" / "bento.yaml").exists()


def test_what_is_missing_beside_a_bundle_is_added(
    store: ArtifactStore, files: Path, manifest: Manifest, tmp_path: Path
) -> None:
    """A bundle that was fetched has nothing next to it; what is there is left as it is."""
    (tmp_path / "bento").mkdir()
    (tmp_path / "bento" / "bento.yaml").write_text("first")
    digest = store.put(files, manifest)
    assert not store.holds(digest, "bento")
    store.put(files, manifest, {"bento": tmp_path / "bento"})
    assert store.holds(digest, "bento")
    (tmp_path / "bento" / "bento.yaml").write_text("second")
    store.put(files, manifest, {"bento": tmp_path / "bento"})
    assert (store.path(digest) / "bento" / "bento.yaml").read_text() == "first"
    (store.path(digest) / "files" / "model.json").unlink()
    assert not store.holds(digest, "bento")


def test_a_corrupt_bundle_is_replaced_by_a_whole_one(store: ArtifactStore, files: Path, manifest: Manifest) -> None:
    """Training again repairs what a disk lost."""
    digest = store.put(files, manifest)
    (store.path(digest) / "files" / "model.json").unlink()
    assert store.put(files, manifest) == digest
    store.verify(digest)


def swap(folder: Path) -> None:
    service, model = folder / "files" / "src" / "toy" / "service.py", folder / "files" / "model.json"
    first, second = service.read_bytes(), model.read_bytes()
    service.write_bytes(second)
    model.write_bytes(first)


def truncate(folder: Path) -> None:
    path = folder / "files" / "model" / "model.skops"
    path.write_bytes(path.read_bytes()[:-1])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed file": (
        lambda folder: (folder / "files" / "model.json").write_text("[]"),
        r"files/model\.json: found sha256 [0-9a-f]{64} \(2 bytes\), expected sha256 [0-9a-f]{64} \(2 bytes\)",
    ),
    "a truncated artifact": (
        truncate,
        r"model\.skops: found sha256 \w+ \(\d+ bytes\), expected sha256 \w+ \(\d+ bytes\)",
    ),
    "two files swapped": (swap, r"files/model\.json: found sha256 .*, expected sha256 "),
    "a missing file": (
        lambda folder: (folder / "files" / "model.json").unlink(),
        r"files/model\.json: found no file, expected sha256 [0-9a-f]{64}",
    ),
    "an extra file": (
        lambda folder: (folder / "files" / "src" / "toy" / "more.py").write_text("x = 1"),
        r"more\.py: found an extra file, expected only what manifest\.json lists",
    ),
    "an extra file beside": (
        lambda folder: (folder / "notes.txt").write_text("x"),
        r"notes\.txt: found an extra file, expected only \['bento', 'files', 'manifest\.json'\]",
    ),
    "a changed manifest": (
        lambda folder: (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes() + b" "),
        r"manifest\.json: found sha256:[0-9a-f]{64}, expected sha256:[0-9a-f]{64}",
    ),
    "no manifest": (
        lambda folder: (folder / "manifest.json").unlink(),
        r"no bundle sha256:[0-9a-f]{64} here, expected manifest\.json",
    ),
    "a link out of the bundle": (
        lambda folder: (folder / "files" / "src" / "link").symlink_to("/etc/hostname"),
        r"link: expected a plain file or folder, found a link",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_damage_is_named(store: ArtifactStore, files: Path, manifest: Manifest, damage: str) -> None:
    """The error names the file, what was found and what was expected."""
    break_it, message = DAMAGE[damage]
    digest = store.put(files, manifest)
    break_it(store.path(digest))
    with pytest.raises(ArtifactError, match=message):
        store.verify(digest)


def test_a_manifest_that_does_not_fit_the_files_is_never_stored(
    store: ArtifactStore, files: Path, manifest: Manifest, tmp_path: Path
) -> None:
    """A refused put leaves neither a bundle nor a half of one."""
    (files / "model.json").write_text("[1]")
    with pytest.raises(ArtifactError, match=r"files/model\.json: found sha256"):
        store.put(files, manifest)
    assert store.digests() == []
    assert list((tmp_path / "artifacts").glob(".put-*")) == []


def test_an_unknown_digest_says_how_to_get_one(store: ArtifactStore) -> None:
    """The error of a digest that is not there names it and the command that makes bundles."""
    digest = f"sha256:{'0' * 64}"
    with pytest.raises(ArtifactError, match=rf"no bundle {digest} in this store, expected one of 0 .*`shipway train`"):
        store.verify(digest)


def test_a_tag_is_no_digest(store: ArtifactStore) -> None:
    """Only a whole digest names a bundle."""
    with pytest.raises(SpecError, match="a tag or a short form is not a digest"):
        store.path("latest")


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "a/../../b", "", "a//b"])
def test_a_manifest_never_points_outside(path: str) -> None:
    """A path in a manifest is a plain relative one."""
    with pytest.raises(ValueError, match="a plain relative path"):
        CoveredFile(path=path, sha256="0" * 64, size_bytes=0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(position=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_any_flipped_bit_is_found(
    store: ArtifactStore, files: Path, manifest: Manifest, position: int, bit: int
) -> None:
    """Whatever bit of whatever covered file changes, the bundle is refused."""
    digest = store.put(files, manifest)
    paths = sorted(path for path in store.path(digest).rglob("*") if path.is_file())
    whole = [(path, offset) for path in paths for offset in range(path.stat().st_size)]
    path, offset = whole[position % len(whole)]
    content = bytearray(path.read_bytes())
    content[offset] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(ArtifactError):
        verify_bundle(store.path(digest))


def test_copies_of_a_bundle_verify_by_their_content(
    store: ArtifactStore, files: Path, manifest: Manifest, tmp_path: Path
) -> None:
    """A bundle copied to another environment keeps its digest: it is a copy, not a build."""
    digest = store.put(files, manifest)
    copied = tmp_path / "elsewhere" / digest.removeprefix("sha256:")
    shutil.copytree(store.path(digest), copied)
    assert verify_bundle(copied) == manifest
    assert covered_files(copied / "files") == manifest.files


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    store: ArtifactStore, files: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all the files that it refuses the first is named, and the next try begins anew."""

    def refuse(source: str, target: str, **_: bool) -> None:
        raise OSError(28, "No space left on device", target)

    monkeypatch.setattr(shutil, "copy2", refuse)
    monkeypatch.setattr(shutil.copytree, "__defaults__", (False, None, refuse, False, False))
    with pytest.raises(ArtifactError, match=r"cannot be copied into the artifact store: \[Errno 28\] No space left"):
        store.put(files, manifest)
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == ["sha256"]
    assert store.verify(store.put(files, manifest)) == manifest
