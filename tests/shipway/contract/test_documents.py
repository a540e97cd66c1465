"""Documents: strict parsing, one clear error, whole-file writes."""

import contextlib
import errno
from pathlib import Path
from typing import Annotated, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from shipway.contract.documents import Spec, parse, read_json, read_yaml, write_atomic
from shipway.contract.errors import SpecError


class Inner(Spec):
    """A nested document."""

    size_gib: int


class Span(Spec):
    """A section whose keys depend on each other."""

    least: int
    most: int

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.most < self.least:
            raise ValueError(f"most ({self.most}) to be at least least ({self.least})")
        return self


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


def test_keys_that_contradict_each_other_are_said_without_their_section() -> None:
    """The rule names the keys; everything else in the section would hide it."""
    with pytest.raises(SpecError) as caught:
        parse(Span, {"least": 3, "most": 2}, "f.yaml")
    assert str(caught.value) == "f.yaml: got values that do not go together, expected most (2) to be at least least (3)"


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
        ("slo: 1\nowner: 2\nslo: 3\n", "slo: got 'it a second time at line 3, column 1', expected each key once"),
        ("a: {b: 1, c: [{d: 1, d: 2}]}", "d: got 'it a second time at line 1, column 22', expected each key once"),
        ("born: 2013-13-45", "got 'a text that cannot be read', expected valid YAML"),
        ("a: &a [*a]", "got 'more at line 1, column 4', expected at most 1000000 values"),
        ("a: 1\n---\nb: 1", "got 'a text that cannot be read at line 2, column 1', expected valid YAML"),
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


def test_aliases_of_aliases_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Nine of nine, nine times over, are refused before the first is unfolded."""
    path = tmp_path / "m.yaml"
    lines = ["a0: &a0 [" + ",".join("x" * 9) + "]"]
    lines += [f"a{n}: &a{n} [" + ",".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 10)]
    path.write_text("\n".join(lines))
    with pytest.raises(SpecError, match="expected at most 1000000 values, those that aliases repeat among them"):
        read_yaml(path)


def test_aliases_and_merged_keys_are_read(tmp_path: Path) -> None:
    """What YAML allows stays allowed: a value said once and used twice, and a key that a merge brings again."""
    path = tmp_path / "m.yaml"
    path.write_text("base: &base {a: 1, b: 2}\nsame: *base\nother: {<<: *base, b: 3}\n")
    base = {"a": 1, "b": 2}
    assert read_yaml(path) == {"base": base, "same": base, "other": {"a": 1, "b": 3}}


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder in a file's place is one sentence for both formats."""
    for read in (read_yaml, read_json):
        with pytest.raises(SpecError, match=r"got 'Is a directory', expected a (YAML|JSON) file that can be read"):
            read(tmp_path)


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
