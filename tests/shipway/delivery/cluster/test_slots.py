"""Readiness of slots: pods that are ready, and that run what is declared."""

import pytest

from shipway.contract.metrics import Slot
from shipway.delivery.cluster import slots
from tests.shipway.delivery.cluster.objects import A, B, C, declared, endpoint_slice, pod

ONE, TWO = pod(Slot.GREEN, B, 1), pod(Slot.GREEN, B, 2)
OLD = pod(Slot.GREEN, C, 3)
UNNAMED = {"metadata": {"name": "stranger"}}


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ([], "there is no Service digits-green yet"),
        ([endpoint_slice(Slot.GREEN)], "it has no pods yet"),
        ([endpoint_slice(Slot.GREEN, ONE, TWO, ready=False)], "none of its 2 pods is ready"),
        ([endpoint_slice(Slot.GREEN, ONE)], ""),
        ([endpoint_slice(Slot.GREEN, ONE), endpoint_slice(Slot.GREEN, TWO, ready=False)], ""),
        (
            [endpoint_slice(Slot.GREEN, ONE, OLD)],
            "1 of its 2 ready pods run cccccccccccc, expected bbbbbbbbbbbb",
        ),
        ([endpoint_slice(Slot.GREEN, ONE), endpoint_slice(Slot.GREEN, OLD, ready=False)], ""),
        (
            [endpoint_slice(Slot.GREEN, UNNAMED)],
            "1 of its 1 ready pods run an unknown version, expected bbbbbbbbbbbb",
        ),
    ],
)
def test_a_slot_is_ready_when_all_its_ready_pods_run_the_digest(slices: list, expected: str) -> None:  # type: ignore[type-arg]
    """One ready pod is enough, and one of another version is too many: the share would go to both."""
    found = slots.readiness(declared(A, B), slots.slices_by_service(slices), slots.releases([ONE, TWO, OLD, UNNAMED]))
    assert found.problem(Slot.GREEN) == expected
    assert found.problem(Slot.BLUE) == "there is no Service digits-blue yet"


def test_a_slot_that_nothing_was_released_into_is_not_ready() -> None:
    """Whatever its Service leads to."""
    found = slots.readiness(declared(A), slots.slices_by_service([endpoint_slice(Slot.GREEN, ONE)]), {})
    assert found.problem(Slot.GREEN) == "nothing was released into it"


def test_an_endpoint_that_says_nothing_is_ready() -> None:
    """As the API defines a condition that is absent."""
    one = endpoint_slice(Slot.GREEN, ONE)
    one["endpoints"][0]["conditions"] = None
    found = slots.readiness(declared("", B), slots.slices_by_service([one]), slots.releases([ONE]))
    assert found.problem(Slot.GREEN) == ""
