"""What counts as counts, and how it is refused."""

import pytest

from shipway.contract.documents import parse
from shipway.contract.errors import SpecError
from shipway.contract.evidence import ABSOLUTE_GATES, RELATIVE_GATES, Gate, SlotCounts


def test_every_guardrail_has_its_events() -> None:
    """Each relative gate counts the field of its name; the objective counts harm and slowness."""
    counts = SlotCounts(
        requests=90, errors=1, invalid_outputs=2, slow_slo=3, slow_live=4, fallbacks=5, missing_features=6
    )
    assert [counts.events(gate) for gate in (*RELATIVE_GATES, *ABSOLUTE_GATES)] == [1, 2, 3, 4, 5, 6, 3, 3]
    assert counts.events(Gate.SLO_ERRORS) == counts.harm


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"requests": 1, "slow_slo": 2}, "slow_slo (2) to be at most requests (1)"),
        ({"requests": 3, "errors": 2, "invalid_outputs": 2}, "harm (4) to be at most requests (3)"),
        ({"requests": -1}, "requests: got -1, expected greater than or equal to 0"),
        ({"prediction_bins": [1, 2]}, "at least 20 items"),
    ],
)
def test_counts_that_cannot_be_are_refused(counts: dict[str, object], message: str) -> None:
    """More events than requests, a negative count and bins that are not the shared ones are refused by name."""
    with pytest.raises(SpecError) as raised:
        parse(SlotCounts, counts, "sample")
    assert message in str(raised.value)
