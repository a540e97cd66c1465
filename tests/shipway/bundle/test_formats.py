import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.bundle.formats import ALLOWED_SUFFIXES, check_file, check_formats
from shipway.contract.errors import ArtifactError

GOOD = {
    "trees.cbm": b"CBM1....",
    "trees.json": b'{"learner":{}}',
    "trees.txt": b"tree\nversion=v4\n\nend of trees\n",
    "trees.ubj": b"{L\x00",
    # The format's version, who made it, and a graph of two bytes.
    "net.onnx": b"\x08\x0a\x12\x07pytorch\x3a\x02\x12\x00",
    "net.safetensors": (53).to_bytes(8, "little") + b'{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}abc',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return tmp_path


def test_every_format_of_the_list_has_an_example(files: Path) -> None:
    """The examples below cover the whole allow-list."""
    assert sorted({Path(name).suffix for name in GOOD} | {".skops"}) == list(ALLOWED_SUFFIXES)
    check_formats(files)


@pytest.mark.parametrize("name", GOOD)
def test_allowed_formats_pass(folder: Path, name: str) -> None:
    """Suffix and first bytes fit."""
    (folder / "model" / name).write_bytes(GOOD[name])
    check_formats(folder)


@pytest.mark.parametrize("name", [*GOOD, "model.skops"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_whatever_it_is_called(folder: Path, name: str, protocol: int) -> None:
    """No suffix of the allow-list lets a pickle of any protocol in."""
    (folder / "model" / name).write_bytes(pickle.dumps({"a": 1}, protocol))
    with pytest.raises(ArtifactError, match=rf"{name}: found .*, expected one of \.cbm"):
        check_formats(folder)


@pytest.mark.parametrize("name", ["net.onnx", "net.safetensors", "trees.txt"])
def test_a_file_that_was_cut_off_is_refused(folder: Path, name: str) -> None:
    """At whatever byte: these formats say where they end."""
    path = folder / "model" / name
    for length in range(1, len(GOOD[name].rstrip())):
        path.write_bytes(GOOD[name][:length])
        with pytest.raises(ArtifactError, match=rf"{name}: found content or suffix .*, or a file that is cut off"):
            check_file(path)


@pytest.mark.parametrize(
    "content", [b"\x08\x0a", b"\x08\x0a\x3b", b"\x08\x0a\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"]
)
def test_a_message_without_a_graph_is_no_network(folder: Path, content: bytes) -> None:
    """The first byte alone makes no ONNX file, and a length beyond every file is no length."""
    (folder / "model" / "net.onnx").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"net\.onnx: found content or suffix"):
        check_formats(folder)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The error says why it cannot be read."""
    with pytest.raises(ArtifactError, match=r"no\.onnx: found no file to read \(No such file or directory\)"):
        check_file(tmp_path / "no.onnx")


def test_a_pickle_is_refused_anywhere(folder: Path) -> None:
    """Also among the code."""
    (folder / "src").mkdir()
    (folder / "src" / "data.bin").write_bytes(pickle.dumps([1], 4))
    with pytest.raises(ArtifactError, match=r"data\.bin: found a pickle, which can run any code"):
        check_formats(folder)


def test_a_pickle_inside_an_archive_is_refused(folder: Path) -> None:
    """A skops archive that carries a pickle is not one."""
    with zipfile.ZipFile(folder / "model" / "model.skops", "w") as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("1.bin", pickle.dumps([1], 4))
    with pytest.raises(ArtifactError, match=r"model\.skops: found content or suffix '\.skops' of no allowed format"):
        check_formats(folder)


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.pt", "model.h5", "model"])
def test_unknown_suffixes_are_refused(folder: Path, name: str) -> None:
    """What is not on the list does not get in, however harmless its bytes."""
    (folder / "model" / name).write_bytes(b"harmless")
    with pytest.raises(ArtifactError, match=rf"{name}: found "):
        check_formats(folder)


def marked(path: Path, offset: int, value: int) -> Path:
    """Returns an archive of two files whose headers, both kinds of them, say `value` of each file."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("x.npy", b"abc" * 100)
    content = bytearray(path.read_bytes())
    for sign, place in ((b"PK\x03\x04", offset), (b"PK\x01\x02", offset + 2)):
        at = content.find(sign)
        while at >= 0:
            content[at + place] |= value
            at = content.find(sign, at + 1)
    path.write_bytes(content)
    return path


def tensors(path: Path, header: bytes) -> Path:
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


@pytest.mark.parametrize(
    "made",
    [
        lambda folder: marked(folder / "encrypted.skops", 6, 1),
        lambda folder: marked(folder / "packed.skops", 8, 99),
        lambda folder: tensors(folder / "a.safetensors", b'{"w":{"data_offsets":[0,"x"]}}'),
        lambda folder: tensors(folder / "a.safetensors", b'{"w":{"data_offsets":[0,null]}}'),
        lambda folder: tensors(folder / "a.safetensors", b'{"w":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ],
)
def test_a_file_that_was_made_to_break_its_reader_is_refused(folder: Path, made: Callable[[Path], Path]) -> None:
    """Encrypted, packed in an unknown way, offsets that are no numbers, deeper than any reader goes: one error."""
    with pytest.raises(ArtifactError, match=r"found content or suffix .*, or a file that is cut off"):
        check_file(made(folder / "model"))
