"""Layers as bytes: they depend on their content, and every reader of gzip and tar understands them."""

import gzip
import hashlib
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.images.layers import Blobs, Entry, write_layer

NAMES = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,3}\.py", fullmatch=True)


@given(files=st.dictionaries(NAMES, st.binary(max_size=200_000), min_size=1, max_size=5), packed=st.booleans())
def test_a_layer_is_its_content(files: dict[str, bytes], packed: bool) -> None:
    """In whatever order files come, the bytes are the same; unpacked, they are the files and nothing else."""
    entries = [Entry(name, content) for name, content in files.items()]
    with tempfile.TemporaryDirectory() as folder:
        blobs = Blobs(Path(folder))
        layer = write_layer(entries, blobs, compressed=packed)
        assert write_layer(reversed(entries), blobs, compressed=packed) == layer
        content = blobs.path(layer.blob.digest).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (layer.blob.size_bytes, layer.blob.digest[7:])
        assert f"sha256:{hashlib.sha256(gzip.decompress(content)).hexdigest()}" == layer.diff_id
        with tarfile.open(blobs.path(layer.blob.digest)) as archive:
            members = {one.name: one for one in archive}
            read = {name: archive.extractfile(one) for name, one in members.items() if one.isfile()}
            assert {name: stream.read() for name, stream in read.items() if stream} == files
    assert {(one.uid, one.gid, one.uname, one.mtime) for one in members.values()} == {(0, 0, "", 0)}
    assert {str(parent) for name in files for parent in Path(name).parents} - {"."} <= set(members)


def test_the_bytes_are_the_same_on_every_machine(tmp_path: Path) -> None:
    """What is not packed holds nothing that a build of Python could do otherwise: the digest is a constant."""
    layer = write_layer(
        [Entry("a/b.txt", b"text"), Entry("a/run", b"", executable=True)], Blobs(tmp_path), compressed=False
    )
    assert layer.blob.digest == "sha256:2c4af48292c98d395993905e444f98bf042dba6e82213f340be239e68b9c21ad"


def test_a_files_time_and_owner_say_nothing(tmp_path: Path) -> None:
    """A copy made later, readable by fewer, is the same file."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("x")
    second.write_text("x")
    os.utime(second, (1, 1))
    second.chmod(0o600)
    made = [write_layer([Entry("x", one)], Blobs(tmp_path), compressed=False) for one in (first, second)]
    assert made[0] == made[1]


def test_a_blob_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """A build that fails leaves nothing behind that could pass for a layer."""
    with pytest.raises(FileNotFoundError):
        write_layer([Entry("a", b"1"), Entry("b", tmp_path / "missing")], Blobs(tmp_path / "blobs"), compressed=False)
    assert list((tmp_path / "blobs" / "sha256").iterdir()) == []
