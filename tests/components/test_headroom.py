"""Where a new version of a model finds room, and what is refused where it finds none."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.headroom import interruption, with_headroom
from components.services import Headroom, Service, Way
from shipway.contract.errors import SpecError
from shipway.contract.metrics import Slot
from shipway.contract.model import ModelSpec
from shipway.contract.release import Release

POOLS = "Pulumi.onprem.yaml"


def _service(name: str, *, gpus: int = 1, replicas: int = 1, allowed: bool = False, filled: int = 0) -> Service:
    document = {
        "name": name,
        "description": "a model",
        "owner": {"team": "t", "contact": "c", "escalation": "e", "runbook_url": "https://r"},
        "resources": {"cpu_millicores": 1, "memory_mib": 1, "min_replicas": replicas, "max_replicas": replicas}
        | ({"gpu_type": "l4", "gpus": gpus} if gpus else {}),
        "rollout": {"drain_and_swap": "allowed" if allowed else "refused"},
        "evaluation": {"gates": [{"metric": "auc", "minimum": 0.5}]},
    }
    digests = {str(slot): f"sha256:{place}" + "0" * 63 for place, slot in enumerate(Slot) if place < filled}
    return Service(Path(name), ModelSpec.model_validate(document, strict=False), Release(**digests))


def _room(free: int, *services: Service) -> list[Headroom | None]:
    return [service.room for service in with_headroom(services, {"l4": free}, POOLS)]


def test_two_versions_side_by_side() -> None:
    """The numbers are said, and the last GPU may be used."""
    (room,) = _room(4, _service("first", replicas=2))
    reason = "2 l4 are free beside first, 2 replicas need 2: both versions run side by side"
    assert room == Headroom(Way.CANARY, 2, reason)


def test_a_new_version_with_fewer_replicas() -> None:
    """One GPU short of two slots: the new version begins with what fits."""
    (room,) = _room(3, _service("first", replicas=2))
    reason = "1 l4 are free beside first, 2 replicas need 2: a new version starts with 1, until the old one ends"
    assert room == Headroom(Way.SURGE, 1, reason)


def test_a_pool_of_one_slot_is_refused_unless_the_model_allows_it() -> None:
    """A release would take the model down: somebody has to have said so, in the model's own file."""
    with pytest.raises(SpecError) as refused:
        _room(2, _service("first", replicas=2))
    assert (refused.value.path, refused.value.key) == ("first/model.yaml", "rollout.drain_and_swap")
    assert refused.value.expected == (
        "allowed, or room in a pool for a second version (Pulumi.onprem.yaml): 0 l4 are free beside first, 2 replicas "
        "need 2, so the version that serves would have to end before the new one starts, and nothing answers meanwhile"
    )
    (room,) = _room(2, _service("first", replicas=2, allowed=True))
    assert room is not None
    assert (room.way, room.candidate_replicas) == (Way.DRAIN_AND_SWAP, 0)


def test_a_model_that_does_not_fit_at_all() -> None:
    """Nothing allows that."""
    with pytest.raises(SpecError, match=r"second to fit the pools: 2 replicas need 4, 3 of 4 l4 are free \(Pulumi"):
        _room(4, _service("first", allowed=True), _service("second", gpus=2, replicas=2, allowed=True))


def test_a_model_without_gpus_always_has_room() -> None:
    """Its nodes come with its pods."""
    (room,) = _room(0, _service("first", gpus=0))
    assert room is not None
    assert room.way is Way.CANARY


@pytest.mark.parametrize(("free", "filled", "beside"), [(2, 1, True), (2, 2, False), (3, 2, False), (4, 2, True)])
def test_a_pod_that_changes_has_room_beside_it(free: int, filled: int, beside: bool) -> None:
    """What is kept for a slot is free while it is idle; with both filled each may want one pod more."""
    (room,) = _room(free, _service("first", filled=filled))
    assert room is not None
    assert (room.way, room.beside) == (Way.CANARY, beside)


def test_new_versions_go_before_pods_that_change() -> None:
    """The last two GPUs are the first model's, which comes first."""
    first, second = _room(6, _service("first", filled=2), _service("second", filled=2))
    assert (first and first.beside, second and second.beside) == (True, False)


def test_who_deploys_is_told_when_a_change_would_silence_a_model() -> None:
    """Of one replica without room; others answer where there are more."""
    one, more = with_headroom([_service("one", filled=2), _service("more", filled=2, replicas=2)], {"l4": 6}, POOLS)
    assert interruption(one).startswith(
        "one: has one replica a slot and no l4 free beside it, so where its pods change"
    )
    assert interruption(more) == ""
    assert interruption(_service("cpu", gpus=0)) == ""


@given(
    free=st.integers(0, 20),
    wanted=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4),
)
def test_all_that_is_promised_fits(free: int, wanted: list[tuple[int, int]]) -> None:
    """Whatever is chosen, the versions that serve and the new ones together fit the pools; no room is left unused."""
    services = [_service(f"m{number}", gpus=g, replicas=r, allowed=True) for number, (g, r) in enumerate(wanted)]
    serving = sum(gpus * replicas for gpus, replicas in wanted)
    if serving > free:
        with pytest.raises(SpecError):
            _room(free, *services)
        return
    rooms = [room for room in _room(free, *services) if room is not None]
    taken = serving + sum(gpus * room.candidate_replicas for (gpus, _), room in zip(wanted, rooms, strict=True))
    assert taken <= free
    for (gpus, replicas), room in zip(wanted, rooms, strict=True):
        assert (room.way is Way.CANARY) == (room.candidate_replicas == replicas)
        assert room.candidate_replicas == replicas or free - taken < gpus


@given(
    free=st.integers(0, 30), wanted=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2)), min_size=1, max_size=4)
)
def test_pods_that_change_fit_beside_all_that_is_promised(free: int, wanted: list[tuple[int, int]]) -> None:
    """One of each filled slot at once, with both slots of every model full."""
    services = [
        _service(f"m{number}", gpus=g, replicas=r, allowed=True, filled=2) for number, (g, r) in enumerate(wanted)
    ]
    if sum(gpus * replicas for gpus, replicas in wanted) > free:
        return
    rooms = [room for room in _room(free, *services) if room is not None]
    promised = sum(
        g * (r + room.candidate_replicas + 2 * room.beside) for (g, r), room in zip(wanted, rooms, strict=True)
    )
    assert promised <= free or not any(room.beside for room in rooms)
