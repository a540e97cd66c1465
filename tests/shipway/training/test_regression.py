"""The frozen regression set."""

from pathlib import Path

import pandas as pd
import pytest

from shipway.contract.errors import ArtifactError, ShipwayError
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.training.regression import freeze, load_regression_set, regression_folder, without_units

SCHEMA = Schema(fields=(FieldSpec(name="x", kind=FieldKind.NUMBER),))


def frame(*units: str) -> tuple[pd.DataFrame, "pd.Series[float]"]:
    index = pd.Index(units, name="unit_id")
    return pd.DataFrame({"x": range(len(units))}, index=index), pd.Series([1.0] * len(units), index=index)


def test_what_is_frozen_is_read_again(tmp_path: Path) -> None:
    """Rows and labels come back; the same rows are the same file; two sets are one, each unit once."""
    first = freeze(tmp_path, SCHEMA, *frame("a", "b"))
    assert freeze(tmp_path, SCHEMA, *frame("a", "b")) == first
    freeze(tmp_path, SCHEMA, *frame("b", "c"))
    found = load_regression_set(tmp_path)
    assert found is not None
    assert found.units == {"a", "b", "c"}
    assert len(found.rows) == 3
    assert first.stem in found.names
    assert list(found.rows.columns) == ["x"]


def test_a_set_that_was_changed_is_refused(tmp_path: Path) -> None:
    """Its name is what it holds."""
    path = freeze(tmp_path, SCHEMA, *frame("a"))
    other = freeze(tmp_path, SCHEMA, *frame("b"))
    path.write_bytes(other.read_bytes())
    with pytest.raises(ArtifactError, match=rf"{path.name}: its content is {other.stem}, expected {path.stem}"):
        load_regression_set(tmp_path)


def test_nothing_frozen_is_none(tmp_path: Path) -> None:
    """A service without sets has none, which is not an empty one."""
    assert load_regression_set(tmp_path) is None
    with pytest.raises(ShipwayError, match="no labelled rows, expected at least one to freeze"):
        freeze(tmp_path, SCHEMA, *frame())
    assert not regression_folder(tmp_path).exists()


def test_personal_fields_are_never_frozen(tmp_path: Path) -> None:
    """A set lies in git."""
    schema = Schema(fields=(FieldSpec(name="x", kind=FieldKind.NUMBER, personal=True),))
    with pytest.raises(ShipwayError, match="fields x are personal, expected none in a set for git"):
        freeze(tmp_path, schema, *frame("a"))


def test_frozen_units_are_taken_out_by_their_ids() -> None:
    """Rows and labels stay together."""
    rows, labels = frame("a", "b", "c")
    kept, theirs = without_units(rows, labels, frozenset("b"))
    assert list(kept.index) == list(theirs.index) == ["a", "c"]
