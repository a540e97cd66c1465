"""Generated pages say what the code says."""

from pathlib import Path

import pytest

from tools.docs import TABLES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", TABLES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """A change of a registry without `python -m tools.docs` is noticed."""
    assert (ROOT / name).read_text(encoding="utf-8") == TABLES[name]()
