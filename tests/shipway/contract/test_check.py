"""What model.yaml may say about checks."""

from typing import Any

import pytest

from shipway.contract.check import ChecksSpec
from shipway.contract.documents import parse
from shipway.contract.errors import SpecError


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"required": ["cost", "cost"]}, "each check once in required, not cost, cost"),
        ({"required": ["speed"]}, "required.0: got 'speed', expected 'schema', 'unit', 'regression'"),
        ({"relations": [{"field": "x", "answer": "grows"}]}, "relations.0.answer: got 'grows', expected 'not_lower'"),
        ({"relations": [{"field": "x", "answer": "same"}] * 2}, "each relation once, not x same again"),
        ({"fairness": {"selection_ratio": 0}}, "fairness.selection_ratio: got 0, expected greater than 0"),
        ({"sample_rows": 1}, "sample_rows: got 1, expected greater than or equal to 2"),
        ({"usd_per_1000_predictions": 0}, "usd_per_1000_predictions: got 0, expected greater than 0"),
    ],
)
def test_nonsense_is_refused_by_its_key(document: dict[str, Any], message: str) -> None:
    """The error names key, value and what was expected."""
    with pytest.raises(SpecError, match=message):
        parse(ChecksSpec, document, "model.yaml")


def test_bounds_of_fairness_can_be_lifted() -> None:
    """Null is no bound; a key that is not given has its default."""
    spec = parse(ChecksSpec, {"fairness": {"selection_ratio": None}}, "model.yaml").fairness
    assert spec.selection_ratio is None
    assert spec.true_positive_gap_ratio == 0.1
