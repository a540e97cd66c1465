"""A model card says what is true, or nothing."""

from pathlib import Path

import pytest

from shipway.contract.errors import SpecError
from shipway.scaffold.card import card_problems, load_card

CARD = """---
language: en
license: apache-2.0
library_name: scikit-learn
pipeline_tag: tabular-regression
tags: [shipway]
metrics: [mae]
model-index:
  - name: churn
    results:
      - task: {type: tabular-regression, name: Tabular regression}
        dataset: {type: sample, name: A sample, split: validation}
        metrics: [{type: mae, name: mae, value: 42.9}]
---
# churn
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "MODEL_CARD.md"
    path.write_text(CARD, encoding="utf-8")
    return path


def test_a_true_card_has_no_problem(path: Path) -> None:
    """Rounding for people is no lie, and other keys of the Hub are let through."""
    assert not card_problems(path, "churn", {"mae": 42.9249, "rmse": 50.0})
    assert load_card(path).index[0].results[0].dataset.name == "A sample"


@pytest.mark.parametrize(
    ("model", "measured", "message"),
    [
        ("leave", {"mae": 42.9}, "model-index: got 'churn', expected 'leave'"),
        ("churn", {"mae": 45.0}, "mae: got 42.9, expected 45, which training measures now"),
        ("churn", {"rmse": 45.0}, "mae: training measures no such metric, expected one of rmse"),
    ],
)
def test_a_card_that_says_otherwise_is_told_so(
    path: Path, model: str, measured: dict[str, float], message: str
) -> None:
    """The sentence holds what to write instead."""
    assert [problem.partition(": ")[2] for problem in card_problems(path, model, measured)] == [message]


def test_a_card_without_numbers_claims_nothing(path: Path) -> None:
    """`results: []` is what a model has before anyone has measured it."""
    before, _, after = CARD.partition("    results:\n")
    path.write_text(before + "    results: []\n---\n" + after.rpartition("---\n")[2], encoding="utf-8")
    assert not card_problems(path, "churn", {})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("---\nlanguage", "language", "expected a front matter of YAML between two lines"),
        ("tags: [shipway]", "tags: []", "tags"),
        ("library_name: scikit-learn\n", "", "library_name"),
        ("license: apache-2.0", "license: 'apache", "expected a front matter of YAML"),
    ],
)
def test_a_card_that_no_catalogue_reads_is_refused(path: Path, old: str, new: str, message: str) -> None:
    """The error names the file and the key."""
    path.write_text(CARD.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError, match=message) as refused:
        load_card(path)
    assert str(path) in str(refused.value)
