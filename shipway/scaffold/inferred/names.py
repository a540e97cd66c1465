"""From a CSV's column names to names of request fields."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from shipway.contract.drift import LABEL, PREDICTION, RELATION
from shipway.contract.errors import SpecError

__all__ = ["field_name", "field_names"]

_LONGEST = 60

# Drift shows what is answered and what turns out true under these names, beside those of the fields.
_TAKEN = frozenset({LABEL, PREDICTION, RELATION})


def field_name(column: str) -> str:
    """Returns the field's name for a column, empty where nothing of it can be kept.

    >>> field_name("Mean Radius (mm)"), field_name("petalWidth"), field_name("2nd"), field_name("label")
    ('mean_radius_mm', 'petal_width', 'field_2nd', 'label_field')
    """
    plain = unicodedata.normalize("NFKD", column.replace("ß", "ss")).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower()
    name = re.sub(r"[^a-z0-9]+", "_", words).strip("_")[:_LONGEST].strip("_")
    if name[:1].isdigit():
        name = f"field_{name}"
    return f"{name}_field" if name in _TAKEN else name


def field_names(path: Path, columns: Iterable[str]) -> dict[str, str]:
    """Returns column -> name of its field, each name once.

    Raises:
        SpecError: for a column of which nothing can be kept, and for two that would be one field.
    """
    found: dict[str, str] = {}
    of: dict[str, str] = {}
    for column in columns:
        name = field_name(column)
        if not name:
            expected = "a name with a letter from a to z in it; rename the column, or `--leave-out` it"
            raise SpecError(path, column, "no field name", expected)
        if name in of:
            expected = f"names that differ in letters and digits from {of[name]!r}; rename one of the two columns"
            raise SpecError(path, column, f"the field name {name}", expected)
        found[column], of[name] = name, column
    return found
