"""The frozen regression set: labelled rows that no version is trained on and every retrained one is judged on.

It is kept with the service, `services/<model>/tests/regression/<digest>.parquet`, so that git says who froze what and
when. A file's name is the beginning of the sha256 of its bytes: a set that was changed is refused, not believed.
"""

import hashlib
from collections.abc import Set
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from shipway.contract.errors import ArtifactError, ShipwayError
from shipway.contract.schema import Schema

__all__ = ["RegressionSet", "freeze", "load_regression_set", "regression_folder", "without_units"]

_NAME_DIGITS = 12
_LABEL = "label"


@dataclass(frozen=True)
class RegressionSet:
    """What is frozen: rows as a plan's `load` returns them, their labels by the same index, and the sets' names."""

    rows: pd.DataFrame
    labels: "pd.Series[Any]"
    names: tuple[str, ...]

    @property
    def units(self) -> frozenset[str]:
        """The ids of the rows."""
        return frozenset(str(unit) for unit in self.rows.index)


def regression_folder(service: Path) -> Path:
    """Returns where the sets of the service at `service` lie."""
    return service / "tests" / "regression"


def load_regression_set(service: Path) -> RegressionSet | None:
    """Returns everything that is frozen for the service at `service`, None where nothing is.

    Raises:
        ArtifactError: naming a file that is not what its name says.
    """
    paths = sorted(regression_folder(service).glob("*.parquet"))
    if not paths:
        return None
    whole = pd.concat([_read(path) for path in paths])
    # A unit that was frozen twice counts once.
    whole = whole[~whole.index.duplicated()]
    return RegressionSet(whole.drop(columns=_LABEL), whole[_LABEL], tuple(path.stem for path in paths))


def freeze(service: Path, schema: Schema, rows: pd.DataFrame, labels: "pd.Series[Any]") -> Path:
    """Writes `rows` with their labels as one more set and returns its file; the same rows give the same one.

    Args:
        service: the service's folder.
        schema: of its requests.
        rows, labels: by the same index, the unit's id.

    Raises:
        ShipwayError: for no rows, or where the schema has personal fields: they must not be in git.
    """
    if personal := [field.name for field in schema.fields if field.personal]:
        raise ShipwayError(f"{service.name}: fields {', '.join(personal)} are personal, expected none in a set for git")
    if rows.empty:
        raise ShipwayError(f"{service.name}: no labelled rows, expected at least one to freeze")
    content = BytesIO()
    rows.assign(**{_LABEL: labels}).to_parquet(content)
    folder = regression_folder(service)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_digest(content.getvalue())}.parquet"
    path.write_bytes(content.getvalue())
    return path


def without_units(
    rows: pd.DataFrame, labels: "pd.Series[Any]", units: Set[str]
) -> tuple[pd.DataFrame, "pd.Series[Any]"]:
    """Returns the rows of no unit in `units`, and their labels."""
    kept = ~rows.index.astype(str).isin(list(units))
    return rows[kept], labels[kept]


def _read(path: Path) -> pd.DataFrame:
    content = path.read_bytes()
    if (found := _digest(content)) != path.stem:
        raise ArtifactError(f"{path}: its content is {found}, expected {path.stem}: a frozen set is never changed")
    return pd.read_parquet(BytesIO(content))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_NAME_DIGITS]
