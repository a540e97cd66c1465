"""A model that was trained elsewhere: its sample, its file, and what is said when they do not fit."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from shipway.contract.errors import SpecError
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.training.brought import load_sample

TAKEN = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA = Schema(
    fields=(
        FieldSpec(name="n", kind=FieldKind.NUMBER),
        FieldSpec(name="c", kind=FieldKind.CATEGORY, nullable=True),
    )
)


@pytest.mark.parametrize("units", [True, False])
def test_a_sample_judges_with_all_its_rows(tmp_path: Path, units: bool) -> None:
    """CSV by the schema's kinds, `007` and `None` are texts; without ids the rows are numbered."""
    ids = ["u1,", "u2,"] if units else ["", ""]
    path = tmp_path / "sample.csv"
    path.write_text(f"{'unit_id,' if units else ''}c,n,label\n{ids[0]}007,1.5,0\n{ids[1]}None,,1\n", encoding="utf-8")
    data = load_sample(path, SCHEMA, TAKEN)
    assert data.train is data.validation
    assert list(data.validation.columns) == ["n", "c"]
    assert data.validation["c"].tolist() == ["007", "None"]
    assert data.validation["n"].isna().tolist() == [False, True]
    assert data.validation_labels.tolist() == [0, 1]
    assert list(data.validation.index) == (["u1", "u2"] if units else ["sample-000000", "sample-000001"])
    assert data.as_of == data.newest == TAKEN
    assert len(data.data_version) == 64


def test_a_sample_with_vectors_is_parquet(tmp_path: Path) -> None:
    """A list in a cell is one there."""
    schema = Schema(fields=(FieldSpec(name="v", kind=FieldKind.VECTOR, length=2),))
    pd.DataFrame({"v": [[1.0, 2.0]], "label": [1]}).to_parquet(tmp_path / "sample.parquet")
    assert list(load_sample(tmp_path / "sample.parquet", schema, TAKEN).train["v"].iloc[0]) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("n,label\n1,0\n", r"columns: got \['label', 'n'\], expected \['c', 'label', 'n'\], and unit_id where"),
        ("n,c\n1,a\n", r"columns: got \['c', 'n'\]"),
        ("", "No columns to parse from file.*expected CSV or Parquet"),
    ],
)
def test_a_sample_that_does_not_fit(tmp_path: Path, content: str, words: str) -> None:
    """The file and its columns are named."""
    path = tmp_path / "sample.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SpecError, match=rf"sample\.csv: .*{words}|sample\.csv: {words}"):
        load_sample(path, SCHEMA, TAKEN)


def test_a_sample_that_is_not_there(tmp_path: Path) -> None:
    """What it is for is said."""
    with pytest.raises(SpecError, match="a sample with labels, to judge the artifact by"):
        load_sample(tmp_path / "sample.csv", SCHEMA, TAKEN)
