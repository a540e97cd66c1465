"""Documents: strict parsing, one clear error, whole-file writes."""

import contextlib
import errno
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from shipway.contract.documents import Spec, parse, read_json, read_yaml, write_atomic
from shipway.contract.errors import SpecError


class Inner(Spec):
    """A nested document."""

    size_gib: int


class Outer(Spec):
    """A document with every kind of trouble."""

    name: str
    inner: Inner
    steps: tuple[Annotated[int, Field(gt=0)], ...] = ()


GOOD = {"name": "a", "inner": {"size_gib": 1}}


def test_lists_become_tuples() -> None:
    """A YAML list fits a tuple although scalars stay strict."""
    assert parse(Outer, {**GOOD, "steps": [1, 2]}, "x").steps == (1, 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"inner": {"size_gib": 1}}, "f.yaml: name: got 'nothing', expected a value: this key is required"),
        ({**GOOD, "inner": {"size_gib": "1"}}, "f.yaml: inner.size_gib: got '1', expected a valid integer"),
        (
            {**GOOD, "inner": {"size_gib": 1, "sizegib": 2}},
            "f.yaml: inner.sizegib: got 2, expected no such key; known keys are size_gib",
        ),
        (
            {"nmae": "a", "inner": {"size_gib": 1}},
            "f.yaml: nmae: got 'a', expected no such key; known keys are inner, name, steps",
        ),
        ({**GOOD, "steps": [3, -1]}, "f.yaml: steps.1: got -1, expected greater than 0"),
        ({**GOOD, "name": None}, "f.yaml: name: got None, expected a valid string"),
    ],
)
def test_the_error_names_file_key_value_and_expectation(data: object, message: str) -> None:
    """Each wrong document gives one error with all four parts."""
    with pytest.raises(SpecError) as caught:
        parse(Outer, data, "f.yaml")
    assert str(caught.value) == message


def test_a_long_value_is_shortened() -> None:
    """A person never has to read a page of repr to find the key."""
    with pytest.raises(SpecError) as caught:
        parse(Outer, {**GOOD, "inner": "x" * 10_000}, "f.yaml")
    assert len(str(caught.value)) < 300


@given(st.dictionaries(st.text(), st.integers() | st.none() | st.text() | st.lists(st.floats())))
def test_any_document_is_parsed_or_refused(data: object) -> None:
    """No input raises anything but SpecError."""
    with contextlib.suppress(SpecError):
        parse(Outer, data, "f.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "expected valid YAML"),
        ("- 1", "got [1], expected a mapping of keys to values"),
        ("", "got None, expected a mapping of keys to values"),
    ],
)
def test_bad_yaml_is_named(tmp_path: Path, text: str, message: str) -> None:
    """A file that is no YAML mapping is refused with its path."""
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_yaml(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Reading what is not there says so for both formats."""
    for read in (read_yaml, read_json):
        with pytest.raises(SpecError, match="no such file"):
            read(tmp_path / "none")


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the write fails the previous content stays and no temporary file is left."""
    path = tmp_path / "state.json"
    write_atomic(path, "old")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]
