"""Generated pages say what the code says."""

from pathlib import Path

import pytest

from shipway.contract.model import RolloutSpec
from tools.docs import TABLES, rollout_table

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", TABLES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """A change of a registry without `python -m tools.docs` is noticed."""
    assert (ROOT / name).read_text(encoding="utf-8") == TABLES[name]()


def test_a_key_without_a_meaning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of `rollout` that its docstring does not explain stops the page, and both lists are named."""
    monkeypatch.setattr(RolloutSpec, "__doc__", "Says.\n\n    Args:\n        gates: what a gate does.\n    ")
    with pytest.raises(ValueError, match=r"Args of RolloutSpec: expected \[.*'gates', .*\], got \['gates'\]"):
        rollout_table()
