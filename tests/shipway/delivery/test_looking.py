"""From series to what both slots did: whole or not at all, and nothing that cannot be read counts as zero."""

import dataclasses
import math
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.contract import metrics
from shipway.contract.evidence import CounterRow, Gate, Judgement, Sample
from shipway.contract.metrics import PREDICTION_BINS, Outcome, Slot
from shipway.delivery.evidence.gate import NoEvidence
from shipway.delivery.looking import Asked, Seen, aligned, query_of, see, selector, slow_edge
from shipway.delivery.prometheus import Series

BUCKET = f"{metrics.REQUEST_SECONDS}_bucket"
ASKED = Asked(
    model="digits",
    candidate=Slot.GREEN,
    live=Slot.BLUE,
    versions={Slot.BLUE: "a" * 12, Slot.GREEN: "b" * 12},
    rollout=7,
    slow_slo_edge_seconds=0.339582,
    slow_live_edge_seconds=0.016594,
)
NONE_FAILED = dict.fromkeys(Slot, 0)


def page(slot: Slot, at: float, *, requests: int = 0, errors: int = 0, slow: int = 0, units: int = 0) -> list[Series]:
    """Returns all series of one slot, scraped at `at`."""
    labels = {"model": "digits", "slot": str(slot), "instance": f"127.0.0.1:{slot}", "job": "rollout"}

    def one(name: str, value: float, **more: str) -> Series:
        return Series(name, labels | more, value, at)

    counts = {Outcome.OK: requests - errors, Outcome.ERROR: errors}
    return [
        *(one(metrics.REQUESTS_TOTAL, counts.get(outcome, 0), outcome=str(outcome)) for outcome in Outcome),
        one(BUCKET, requests - slow, le="0.016594"),
        one(BUCKET, requests, le="0.339582"),
        one(BUCKET, requests, le="+Inf"),
        one(metrics.FALLBACKS_TOTAL, 0, source="constant"),
        one(metrics.FEATURE_MISSING_REQUESTS_TOTAL, 0),
        one(metrics.UNITS_TOTAL, units),
        *(
            one(metrics.UNIT_PREDICTION_BIN_TOTAL, units if number == 3 else 0, reference="a" * 12, bin=str(number))
            for number in range(PREDICTION_BINS)
        ),
    ]


def labelled(version: str, rollout: int, right: int, wrong: int, at: float) -> list[Series]:
    """Returns what the labels process counts of one version."""
    labels = {"model": "digits", "version": version, "rollout": str(rollout), "instance": "labels", "job": "labels"}
    counts = (("right", right), ("wrong", wrong))
    return [Series(metrics.LABELLED_TOTAL, labels | {"outcome": outcome}, count, at) for outcome, count in counts]


def based(*more: Series) -> dict[str, tuple[CounterRow, ...]]:
    """Returns the base after a first reading of both slots."""
    first = see(ASKED, {}, [*page(Slot.BLUE, 1), *page(Slot.GREEN, 1), *more], NONE_FAILED)
    assert first.look is None
    return first.counters


def looked(base: dict[str, tuple[CounterRow, ...]], series: Iterable[Series], window_seconds: float = 2.0) -> Seen:
    """Returns what a look at the aligned series brings, as a rollout asks for it."""
    taken = aligned(ASKED, base, series, window_seconds)
    return Seen(base, None) if taken is None else see(ASKED, base, taken, NONE_FAILED)


def seen(series: Iterable[Series], base: dict[str, tuple[CounterRow, ...]] | None = None) -> Seen:
    return see(ASKED, based() if base is None else base, series, NONE_FAILED)


def test_a_look_counts_what_happened_in_both_slots() -> None:
    """Requests, errors, slow ones beyond each edge, units and their first predictions, each slot by itself."""
    series = [
        *page(Slot.BLUE, 2, requests=90, errors=1, slow=4, units=30),
        *page(Slot.GREEN, 2, requests=10, errors=2, slow=5, units=3),
    ]
    look = seen(series).look
    assert isinstance(look, Sample)
    candidate, live = look.candidate, look.live
    assert (candidate.requests, candidate.errors, candidate.slow_live, candidate.slow_slo) == (10, 2, 5, 0)
    assert (live.requests, live.errors, live.slow_live, live.units) == (90, 1, 4, 30)
    assert (candidate.units, candidate.prediction_bins[3], sum(candidate.prediction_bins)) == (3, 3, 3)


def test_callers_that_do_not_stay_say_nothing_about_the_split() -> None:
    """Where each request is drawn anew a caller is seen in both slots; requests and predictions count all the same."""
    asked = dataclasses.replace(ASKED, callers_stay=False)
    base = see(asked, {}, [*page(Slot.GREEN, 1.0), *page(Slot.BLUE, 1.0)], NONE_FAILED).counters
    after = [*page(Slot.GREEN, 2.0, requests=10, units=8), *page(Slot.BLUE, 2.0, requests=90, units=9)]
    look = see(asked, base, after, NONE_FAILED).look
    assert isinstance(look, Sample)
    assert (look.candidate.units, look.live.units) == (0, 0)
    assert (look.candidate.requests, look.live.requests) == (10, 90)
    assert (sum(look.candidate.prediction_bins), sum(look.live.prediction_bins)) == (8, 9)


def test_lives_counts_reach_at_least_as_far() -> None:
    """A candidate scraped after live waits for live's next scrape: what befalls both at once is not its own alone."""
    ahead = looked(based(), [*page(Slot.BLUE, 2, requests=90), *page(Slot.GREEN, 2.2, requests=14, errors=4)])
    assert ahead == Seen(based(), None)
    both = [*page(Slot.BLUE, 2.25, requests=190, errors=40), *page(Slot.GREEN, 2.2, requests=14, errors=4)]
    look = looked(ahead.counters, both).look
    assert isinstance(look, Sample)
    assert (look.candidate.errors, look.live.errors) == (4, 40)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.001, 0.249), st.floats(0.02, 0.12), st.sampled_from(Slot))
def test_looks_keep_coming_however_the_scrapes_lie(offset: float, every: float, first: Slot) -> None:
    """At each offset of the scrapes there is a look for nearly every one of live's, none with the candidate ahead."""
    base, looks, now = based(), 0, 2.0
    while now < 6:
        times = {first: now // 0.25 * 0.25, first.other: (now - offset) // 0.25 * 0.25 + offset}
        series = [one for slot, at in times.items() for one in scraped(slot, at)]
        found = looked(base, series)
        if found.look is not None:
            assert isinstance(found.look, Sample)
            newest = {
                slot: max(row[4] for row in found.counters[metrics.REQUESTS_TOTAL] if row[0] == slot) for slot in Slot
            }
            assert newest[Slot.BLUE] >= newest[Slot.GREEN]
            looks += 1
        base, now = found.counters, now + every
    assert looks >= 13


def test_a_candidate_that_is_not_scraped_is_missing() -> None:
    """What it said before stands in for a newer reading only, never for none."""
    look = looked(based(), page(Slot.BLUE, 2, requests=90)).look
    assert isinstance(look, NoEvidence)
    assert look.sentence == "shipway_requests_total: no series of digits in green"


def scraped(
    slot: Slot, at: float, every: float = 0.25, pod: int = 0, bad: tuple[float, float] = (0, 0)
) -> list[Series]:
    """Returns all series of one pod that was scraped last at `at`, and its three scrapes before.

    It takes a hundred requests a second, all of which fail while it is `bad`.
    """

    def paged(time: float) -> list[Series]:
        errors = round(100 * max(0.0, min(time, bad[1]) - bad[0]))
        found = page(slot, time, requests=max(round(100 * time), 0), errors=errors)
        return [one._replace(labels=one.labels | {"instance": f"{slot}-{pod}"}) for one in found]

    earlier = [paged(round(at - back * every, 6)) for back in (3, 2, 1)]
    return [
        one._replace(earlier=[(before[number].scraped_at_seconds, str(before[number].value)) for before in earlier])
        for number, one in enumerate(paged(round(at, 6)))
    ]


@pytest.mark.parametrize("candidate_pods", [1, 3])
@pytest.mark.parametrize("began", [124.0, 131.0])
def test_what_befalls_all_pods_at_once_is_never_the_candidates_own(began: float, candidate_pods: int) -> None:
    """Ten pods of live are scraped one after the other: the candidate's count waits for the last of them."""
    base, looks, errors = dict[str, tuple[CounterRow, ...]](), 0, dict.fromkeys(Slot, 0)
    for now in range(100, 200):
        series = list[Series]()
        for slot, pods, phase in ((Slot.GREEN, candidate_pods, 5.0), (Slot.BLUE, 10, 0.0)):
            for pod in range(pods):
                offset = phase + pod * 15 / pods
                series += scraped(slot, (now - offset) // 15 * 15 + offset, 15, pod, (began, began + 30))
        found = looked(base, series, 37.5)
        base = found.counters
        if isinstance(found.look, Sample):
            looks += 1
            errors[Slot.GREEN] += found.look.candidate.errors
            errors[Slot.BLUE] += found.look.live.errors
            # A tenth of the pods for each of the candidate's: as long as it is no worse, so is what was counted.
            assert errors[Slot.GREEN] / candidate_pods <= errors[Slot.BLUE] / 10
    assert looks >= 5
    assert errors == {Slot.GREEN: 3000 * candidate_pods, Slot.BLUE: 30_000}


def test_a_pod_of_live_that_is_gone_holds_up_no_look() -> None:
    """Its last scrape stays in the answer for a while, and the candidate's newer ones count all the same."""
    base, late = dict[str, tuple[CounterRow, ...]](), 0.0
    for now in range(100, 200):
        series = [*scraped(Slot.GREEN, (now - 5) // 15 * 15 + 5, 15), *scraped(Slot.BLUE, now // 15 * 15, 15)]
        if now < 150:
            series += scraped(Slot.BLUE, min((now - 7) // 15 * 15 + 7, 112.0), 15, pod=1)
        found = looked(base, series, 37.5)
        base = found.counters
        if isinstance(found.look, Sample):
            late = max(late, now - max(row[4] for row in base[metrics.REQUESTS_TOTAL] if row[0] == Slot.GREEN))
    assert 0 < late < 37.5


def pod(slot: Slot, number: int, *times: float, errors: int = 0) -> list[Series]:
    """Returns all series of one pod that was scraped at these times, of which the last one counts `errors`."""
    pages = [page(slot, at, requests=round(at), errors=errors if at == times[-1] else 0) for at in times]
    return [
        one._replace(
            labels=one.labels | {"instance": f"{slot}-{number}"},
            earlier=[(series[place].scraped_at_seconds, str(series[place].value)) for series in pages[:-1]],
        )
        for place, one in enumerate(pages[-1])
    ]


def test_a_candidate_without_an_old_reading_waits_for_the_slowest_pod() -> None:
    """One pod of live missed a scrape: another one's newer scrape is no leave to count the candidate ahead of it."""
    first = [*pod(Slot.GREEN, 0, 90.0), *pod(Slot.BLUE, 0, 92.0), *pod(Slot.BLUE, 1, 93.0)]
    base = looked({}, first, 37.5).counters
    green = pod(Slot.GREEN, 0, 110.0, 125.0, errors=9)
    blue = pod(Slot.BLUE, 0, 107.0, 127.0)
    assert looked(base, [*green, *blue, *pod(Slot.BLUE, 1, 108.0)], 37.5) == Seen(base, None)
    look = looked(base, [*green, *blue, *pod(Slot.BLUE, 1, 108.0, 126.0)], 37.5).look
    assert isinstance(look, Sample)
    assert look.candidate.errors == 9


def test_a_pod_of_live_that_missed_one_scrape_is_waited_for() -> None:
    """What befalls all pods makes scrapes late too: a single lost one lets nobody count the candidate ahead."""
    first = [*pod(Slot.GREEN, 0, 80.0), *pod(Slot.BLUE, 0, 81.0), *pod(Slot.BLUE, 1, 83.0)]
    base = looked({}, first, 37.5).counters
    green, blue = pod(Slot.GREEN, 0, 95.0, 110.0, 125.0, errors=9), pod(Slot.BLUE, 0, 96.0, 111.0, 126.0)
    before = looked(base, [*green, *blue, *pod(Slot.BLUE, 1, 98.0)], 37.5)
    assert isinstance(before.look, Sample)
    assert (before.look.candidate.requests, before.look.candidate.errors) == (15, 0)
    after = looked(before.counters, [*green, *blue, *pod(Slot.BLUE, 1, 98.0, 128.0)], 37.5).look
    assert isinstance(after, Sample)
    assert (after.candidate.requests, after.candidate.errors) == (30, 9)


def test_a_pod_of_live_that_is_late_takes_nothing_back() -> None:
    """A new pod's first scrape lasted: it is told after the candidate was counted further, and is no flaw of anyone."""
    first = [*pod(Slot.GREEN, 0, 90.0), *pod(Slot.BLUE, 0, 91.0)]
    base = looked({}, first, 37.5).counters
    taken = looked(base, [*pod(Slot.GREEN, 0, 90.0, 105.0), *pod(Slot.BLUE, 0, 106.0)], 37.5)
    assert isinstance(taken.look, Sample)
    green, blue = pod(Slot.GREEN, 0, 90.0, 105.0, 120.0, errors=4), pod(Slot.BLUE, 0, 106.0, 121.0)
    waits = looked(taken.counters, [*green, *blue, *pod(Slot.BLUE, 1, 104.0)], 37.5)
    assert waits == Seen(taken.counters, None)
    look = looked(taken.counters, [*green, *blue, *pod(Slot.BLUE, 1, 104.0, 120.5)], 37.5).look
    assert isinstance(look, Sample)
    assert (look.candidate.requests, look.candidate.errors) == (15, 4)


def test_a_slot_that_restarted_is_told() -> None:
    """Counters that fell mean that a process has forgotten its callers; the gateway's own restart means nothing."""
    base = see(ASKED, {}, [*page(Slot.BLUE, 1, requests=50), *page(Slot.GREEN, 1)], {Slot.BLUE: 5, Slot.GREEN: 5})
    green = page(Slot.GREEN, 2, requests=10)
    fell = see(ASKED, base.counters, [*page(Slot.BLUE, 2, requests=9), *green], {Slot.BLUE: 5, Slot.GREEN: 5}).look
    assert isinstance(fell, Sample)
    assert (fell.restarted, fell.live.requests) == (True, 9)
    grew = see(ASKED, base.counters, [*page(Slot.BLUE, 2, requests=59), *green], NONE_FAILED).look
    assert isinstance(grew, Sample)
    assert (grew.restarted, grew.live.requests) == (False, 9)


def test_what_the_gateway_saw_fail_is_an_error_of_its_slot() -> None:
    """An attempt without an answer is a request and an error, also when the slot never heard of it."""
    series = [*page(Slot.BLUE, 2, requests=90), *page(Slot.GREEN, 2, requests=10)]
    look = see(ASKED, based(), series, {Slot.GREEN: 4, Slot.BLUE: 0}).look
    assert isinstance(look, Sample)
    assert (look.candidate.requests, look.candidate.errors, look.live.errors) == (14, 4, 0)


def test_late_labels_count_by_version_and_rollout() -> None:
    """Labels of another rollout, or of a version in neither slot, are none of this one's."""
    start = [*labelled("a" * 12, 7, 0, 0, 1), *labelled("b" * 12, 7, 0, 0, 1)]
    now = [
        *labelled("a" * 12, 7, 40, 2, 2),
        *labelled("b" * 12, 7, 5, 6, 2),
        *labelled("b" * 12, 6, 70, 80, 2),
        *labelled("c" * 12, 7, 90, 99, 2),
    ]
    look = seen([*page(Slot.BLUE, 2), *page(Slot.GREEN, 2), *now], based(*start)).look
    assert isinstance(look, Sample)
    assert (look.candidate.labelled, look.candidate.label_errors) == (11, 6)
    assert (look.live.labelled, look.live.label_errors) == (42, 2)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda one: one._replace(value=math.nan), "is nan, expected a count"),
        (lambda one: one._replace(value=math.inf), "is inf, expected a count"),
        (lambda one: one._replace(value=0.5), "expected a whole number: a raw counter, no rate"),
        (lambda one: one._replace(value=-1.0), "expected a count"),
        (lambda one: one._replace(labels=one.labels | {"slot": "canary"}), "label slot is 'canary', expected blue or"),
        (lambda one: one._replace(labels=one.labels | {"outcome": "fine"}), "expected one of error, invalid_output"),
        (lambda one: one._replace(scraped_at_seconds=0.5), "s older than what was seen before"),
    ],
)
def test_one_flawed_series_rejects_the_look_whole(spoil: "object", said: str) -> None:
    """It is an error that names what is wrong, and the base stays: the next sound reading brings the gap."""
    first, *rest = page(Slot.GREEN, 2, requests=10)
    found = seen([spoil(first), *rest, *page(Slot.BLUE, 2, requests=90)])  # type: ignore[operator]
    assert isinstance(found.look, NoEvidence)
    assert found.look.judgement is Judgement.ERROR
    assert said in found.look.sentence
    assert found.counters == based()
    after = seen([*page(Slot.GREEN, 3, requests=10), *page(Slot.BLUE, 3, requests=90)], found.counters).look
    assert isinstance(after, Sample)
    assert after.candidate.requests == 10


def test_a_series_that_is_there_twice_or_not_at_all_is_an_error() -> None:
    """Neither is guessed: what is doubled is not halved, and what is missing is not zero."""
    green, blue = page(Slot.GREEN, 2, requests=10), page(Slot.BLUE, 2, requests=90)
    double = seen([*green, *blue, green[0]._replace(labels=green[0].labels | {"pod": "x"})]).look
    assert isinstance(double, NoEvidence)
    assert double.sentence.endswith("is there twice")
    missing = seen(blue).look
    assert isinstance(missing, NoEvidence)
    assert missing.sentence == "shipway_requests_total: no series of digits in green"


def test_counts_that_cannot_be_wait_for_the_next_reading() -> None:
    """More slow requests than requests are no sample; together with what is lacking they are one."""
    green = [
        one._replace(value=0.0) if one.name == metrics.REQUESTS_TOTAL else one
        for one in page(Slot.GREEN, 2, requests=9, slow=9)
    ]
    found = seen([*green, *page(Slot.BLUE, 2)])
    assert isinstance(found.look, NoEvidence)
    assert found.look.sentence == "counts of candidate cannot be: expected slow_live (9) to be at most requests (0)"
    after = seen([*page(Slot.GREEN, 3, requests=9, slow=9), *page(Slot.BLUE, 3)], found.counters).look
    assert isinstance(after, Sample)
    assert (after.candidate.requests, after.candidate.slow_live) == (9, 9)


def test_one_question_is_for_all_models_and_answers_each_alone() -> None:
    """The selector names every model, edge, reference and rollout; another model's series are passed over."""
    other = Asked("flights", Slot.BLUE, Slot.GREEN, ASKED.versions, 9, 0.339582, 0.5)
    text = selector([ASKED, other])
    for part in (
        'model=~"digits|flights"',
        'rollout=~"|7|9"',
        'le=~"|0.016594|0.339582|0.5|\\\\+Inf"',
        'job=~"rollout|labels"',
    ):
        assert part in text
    foreign = [one._replace(labels=one.labels | {"model": "flights"}, value=math.nan) for one in page(Slot.GREEN, 2)]
    assert isinstance(seen([*page(Slot.GREEN, 2), *page(Slot.BLUE, 2), *foreign]).look, Sample)


@pytest.mark.parametrize("gate", list(Gate))
def test_every_gate_has_a_query(gate: Gate) -> None:
    """A person can ask Prometheus for the counts behind any verdict."""
    assert query_of(gate, "digits").endswith('{model="digits"}')


@pytest.mark.parametrize(
    ("buckets", "edge"),
    [
        ({}, None),
        ({"+Inf": 99.0, "0.016594": 99.0}, 0.3),
        ({"+Inf": 200.0, "0.016594": 190.0}, 0.016594),
        ({"+Inf": 200.0, "0.016594": 189.0}, 0.3),
        ({"+Inf": math.nan, "0.016594": 189.0}, None),
        ({"+Inf": 200.0, "soon": 190.0}, None),
    ],
)
def test_the_edge_beyond_which_a_request_is_slow(buckets: dict[str, float], edge: float | None) -> None:
    """Live's p95, the objective's edge for few requests, and none where the page cannot be read."""
    series = [Series(BUCKET, {"le": le}, value, 1.0) for le, value in buckets.items()]
    assert slow_edge(series, 0.3) == edge
