"""How warm the idle slot is kept."""

import pytest

from shipway.contract.metrics import Slot
from shipway.contract.route import Phase, RolloutState
from shipway.delivery.cluster.warm import Autoscaler, autoscaler, least_replicas
from tests.shipway.delivery.cluster.objects import A, B, declared
from tests.shipway.delivery.cluster.objects import autoscaler as document

SPEC = declared(A, B, min_replicas=2)


def state(phase: Phase, *, guarding: bool = False) -> RolloutState:
    """Returns blue live and green on its way, or green live and blue before it."""
    if guarding:
        return RolloutState(live=Slot.GREEN, live_digest=B, previous_digest=A, phase=phase)
    return RolloutState(live=Slot.BLUE, live_digest=A, candidate=Slot.GREEN, candidate_digest=B, phase=phase)


@pytest.mark.parametrize("phase", [Phase.PREPARING, Phase.STEPPING, Phase.PAUSED])
def test_a_candidate_is_as_large_as_live(phase: Phase) -> None:
    """The step to all traffic must not wait for pods."""
    scalers = {Slot.BLUE: Autoscaler(2, 10, 7), Slot.GREEN: Autoscaler(1, 10, 1)}
    assert least_replicas(SPEC, state(phase), scalers) == {Slot.GREEN: 7}


def test_within_a_rollout_it_never_shrinks() -> None:
    """Live scales down at night and up again in the morning; the other slot does not follow it down."""
    scalers = {Slot.BLUE: Autoscaler(2, 10, 3), Slot.GREEN: Autoscaler(7, 10, 7)}
    assert least_replicas(SPEC, state(Phase.STEPPING), scalers) == {}


def test_a_guard_keeps_the_version_before_warm_and_its_end_lets_it_cool() -> None:
    """While a rollback may come its pods are there; afterwards one is left, and live has its own least number."""
    scalers = {Slot.BLUE: Autoscaler(2, 10, 2), Slot.GREEN: Autoscaler(7, 10, 6)}
    assert least_replicas(SPEC, state(Phase.GUARDING, guarding=True), scalers) == {Slot.BLUE: 6, Slot.GREEN: 2}
    assert least_replicas(SPEC, state(Phase.SETTLED, guarding=True), scalers) == {Slot.BLUE: 1, Slot.GREEN: 2}


@pytest.mark.parametrize("phase", [Phase.ROLLED_BACK, Phase.FAILED])
def test_a_version_that_was_given_up_cools(phase: Phase) -> None:
    """It takes no traffic any more."""
    scalers = {Slot.BLUE: Autoscaler(2, 10, 2), Slot.GREEN: Autoscaler(7, 10, 7)}
    assert least_replicas(SPEC, state(phase), scalers) == {Slot.GREEN: 1}


def test_bounds_hold() -> None:
    """Never above what the slot may have, and nothing where it has no autoscaler."""
    scalers = {Slot.BLUE: Autoscaler(2, 20, 15), Slot.GREEN: Autoscaler(1, 4, 1)}
    assert least_replicas(SPEC, state(Phase.STEPPING), scalers) == {Slot.GREEN: 4}
    assert least_replicas(SPEC, state(Phase.STEPPING), {}) == {}
    assert least_replicas(SPEC, RolloutState(), {Slot.BLUE: Autoscaler(1, 4, 1)}) == {Slot.BLUE: 2}


def test_an_autoscaler_that_has_not_counted_yet_wants_its_least() -> None:
    """Before its first look its status is empty."""
    assert autoscaler(document(Slot.BLUE, 2)) == Autoscaler(2, 10, 2)
    assert autoscaler(document(Slot.BLUE, 2, desired=5)) == Autoscaler(2, 10, 5)
