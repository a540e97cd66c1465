"""The Lease: one holder, numbered tenures, and no trust in anybody's wall clock."""

import pytest

from shipway.delivery.cluster.api import LEASES
from shipway.delivery.cluster.lease import DEADLINE_SECONDS, DURATION_SECONDS, RENEW_SECONDS, Lease
from shipway.delivery.cluster.target import NotHeld
from tests.shipway.delivery.cluster.fake import FakeApi


class Pair:
    """Two copies with clocks of their own, which need not agree."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.seconds = {"one": 0.0, "two": 5_000.0}
        self.counted = 0
        self.one, self.two = map(self.copy, self.seconds)

    def copy(self, name: str) -> Lease:
        return Lease(self.api, "shipway-test", "delivery", name, lambda: self.seconds[name], self.now)

    def now(self) -> str:
        self.counted += 1
        return f"t{self.counted}"

    def passes(self, seconds: float) -> None:
        for name in self.seconds:
            self.seconds[name] += seconds


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_the_first_one_holds_it_and_renews_it(pair: Pair) -> None:
    """The other one waits for as long as the holder renews, however long that is."""
    assert pair.one.hold()
    for _ in range(100):
        pair.passes(RENEW_SECONDS)
        assert pair.one.hold()
        assert not pair.two.hold()
    assert pair.one.token() == 1
    spec = pair.api.get(LEASES, "delivery")["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"], spec["acquireTime"]) == ("one", 1, "t1")
    assert spec["renewTime"] > "t1"


def test_it_is_asked_no_more_often_than_it_must(pair: Pair) -> None:
    """Between two renewals holding costs nothing."""
    pair.one.hold()
    before = pair.counted
    for _ in range(10):
        pair.passes(RENEW_SECONDS / 11)
        assert pair.one.hold()
    assert pair.counted == before


def test_a_holder_that_is_silent_for_the_whole_duration_is_followed(pair: Pair) -> None:
    """The time runs from when the other one saw the record last change, and the tenure's number grows."""
    pair.one.hold()
    pair.two.hold()
    pair.passes(DURATION_SECONDS - 0.1)
    assert not pair.two.hold()
    pair.passes(0.2)
    assert pair.two.hold()
    assert pair.two.token() == 2
    with pytest.raises(NotHeld, match="one does not hold the Lease shipway-test/delivery"):
        pair.one.token()
    assert not pair.one.hold()


def test_a_stopped_holder_finds_its_time_over_before_anybody_may_follow_it(pair: Pair) -> None:
    """Its last moment to write lies before the first moment of the next one."""
    assert DEADLINE_SECONDS < DURATION_SECONDS
    pair.one.hold()
    pair.passes(DEADLINE_SECONDS - 0.1)
    assert pair.one.token() == 1
    pair.passes(0.2)
    with pytest.raises(NotHeld):
        pair.one.token()


def test_without_an_api_server_it_ends(pair: Pair) -> None:
    """It goes on until its deadline, says why it cannot renew, and nobody else takes it meanwhile."""
    pair.one.hold()
    pair.api.up = False
    pair.passes(RENEW_SECONDS)
    assert pair.one.hold()
    assert pair.one.problem == "the API server does not answer (refused)"
    pair.passes(DEADLINE_SECONDS)
    assert not pair.one.hold()
    assert not pair.two.hold()
    pair.api.up = True
    assert pair.one.hold()
    assert (pair.one.token(), pair.one.problem) == (1, "")


def test_one_that_is_given_back_is_taken_at_once(pair: Pair) -> None:
    """A clean end costs the other copy no waiting."""
    pair.one.hold()
    assert not pair.two.hold()
    pair.one.release()
    assert "holderIdentity" not in pair.api.get(LEASES, "delivery")["spec"]
    assert pair.two.hold()
    assert pair.two.token() == 2
    pair.one.release()
    assert pair.api.get(LEASES, "delivery")["spec"]["holderIdentity"] == "two"


def test_of_two_who_take_it_at_once_one_gets_it(pair: Pair) -> None:
    """The write of the second is refused, because the record is no longer the one it read."""
    pair.one.hold()
    pair.two.hold()
    pair.passes(DURATION_SECONDS)
    record = pair.api.get(LEASES, "delivery")
    pair.api.put(LEASES, record)
    replace = pair.api.replace

    def late(*arguments):
        pair.api.replace = replace  # type: ignore[method-assign]
        pair.one.hold()
        return replace(*arguments)

    pair.api.replace = late  # type: ignore[method-assign]
    pair.passes(DURATION_SECONDS)
    assert not pair.two.hold()
    assert pair.one.token() == 1


def test_a_lease_made_anew_does_not_count_from_the_beginning(pair: Pair) -> None:
    """Routes carry greater numbers than it, so its holder takes one that is greater still."""
    pair.one.hold()
    pair.one.outbid(7)
    with pytest.raises(NotHeld):
        pair.one.token()
    assert pair.one.hold()
    assert pair.one.token() == 8
    assert pair.api.get(LEASES, "delivery")["spec"]["leaseTransitions"] == 8


def test_who_is_outbid_by_the_holder_gets_nothing(pair: Pair) -> None:
    """A deposed copy cannot win by counting higher."""
    pair.one.hold()
    pair.two.hold()
    pair.passes(DURATION_SECONDS)
    pair.two.hold()
    pair.one.outbid(2)
    assert not pair.one.hold()
    assert pair.two.token() == 2
