"""When a model is retrained: laws over any order of verdicts, outcomes and time."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.retraining import RetrainingSpec
from shipway.retraining.memory import Memory, Planned
from shipway.retraining.outcome import Outcome, Status
from shipway.retraining.schedule import due_seconds, retry_seconds, took, wanted, with_verdicts
from shipway.retraining.verdicts import Verdict

RULE = RetrainingSpec(cool_down_seconds=100, first_retry_seconds=10, last_retry_seconds=60)
DAY = datetime(2013, 6, 1, tzinfo=UTC)


def verdict(days: float = 0, *, alarming: bool = True, accuracy: bool = False) -> Verdict:
    return Verdict(DAY + timedelta(days=days), alarming, accuracy, f"day {days:g}")


def outcome(status: Status, run: str = "r", as_of: datetime = DAY) -> Outcome:
    return Outcome(
        run=run,
        model="m",
        environment="local",
        status=status,
        reason="why",
        as_of=as_of.isoformat(),
        started=DAY.isoformat(),
        finished=DAY.isoformat(),
        sentence="what",
    )


def test_a_verdict_starts_one_run() -> None:
    """Ten verdicts ask for one run, whose reason is the newest of them."""
    memory = with_verdicts(RULE, Memory(), [verdict(day) for day in range(10)])
    assert wanted(RULE, memory, 1000) == "day 9"
    started = memory.model_copy(update={"pending": "", "last_started_seconds": 1000.0})
    assert wanted(RULE, started, 1e9) == ""


def test_nothing_starts_beside_a_run() -> None:
    """Whatever is pending or due waits for the one that is under way."""
    planned = Planned(run="r", reason="why", started_seconds=0)
    memory = Memory(planned=planned, pending="drift", failures=2)
    assert wanted(RetrainingSpec(every_seconds=1), memory, 1e12) == ""


def test_a_verdict_waits_for_the_cool_down_and_is_not_lost() -> None:
    """One that comes right after a run is answered when that is long enough ago, however long the run took."""
    memory = with_verdicts(RULE, Memory(last_started_seconds=10, last_ended_seconds=1000), [verdict()])
    assert [wanted(RULE, memory, at) for at in (1000.0, 1099.9, 1100.0)] == ["", "", "day 0"]


def test_what_the_newest_version_knew_asks_for_nothing() -> None:
    """A verdict about a window that ended before the last run's moment was answered by that run."""
    memory = took(RULE, Memory(), outcome(Status.RELEASED), 0)
    assert with_verdicts(RULE, memory, [verdict(-1), verdict(0)]).pending == ""
    assert with_verdicts(RULE, memory, [verdict(0.5)]).pending == "day 0.5"


def test_a_verdict_about_an_older_window_does_not_answer_for_a_newer_one() -> None:
    """Labels come late, so theirs is read after that of drift; a run that knew of the older one left the newer."""
    for order in ([verdict(2), verdict(1, accuracy=True)], [verdict(1, accuracy=True), verdict(2)]):
        memory = Memory()
        for one in order:
            memory = with_verdicts(RULE, memory, [one])
        assert memory.pending == "day 2"
        known = took(RULE, memory, outcome(Status.RELEASED, as_of=DAY + timedelta(days=1.5)), 0)
        assert wanted(RULE, known, 1000) == "day 2"


def test_only_what_alarms_and_was_asked_for_starts_a_run() -> None:
    """A stable window starts none, nor does drift where only accuracy shall, and the other way round."""
    assert with_verdicts(RULE, Memory(), [verdict(alarming=False)]).pending == ""
    drift, accuracy = verdict(), verdict(accuracy=True)
    on_accuracy, on_drift = RetrainingSpec(on_drift=False), RetrainingSpec(on_accuracy=False)
    assert with_verdicts(on_accuracy, Memory(), [drift]).pending == ""
    assert with_verdicts(on_drift, Memory(), [accuracy]).pending == ""
    assert with_verdicts(on_accuracy, Memory(), [accuracy]).pending
    assert with_verdicts(on_drift, Memory(), [drift]).pending


def test_the_clock_counts_from_the_last_start_or_from_the_first_look() -> None:
    """A new model is not retrained at once; a restart of the scheduler does not put it off."""
    rule = RetrainingSpec(every_seconds=50)
    assert due_seconds(rule, Memory(begun_seconds=10)) == 60
    assert due_seconds(rule, Memory(begun_seconds=10, last_started_seconds=55)) == 105
    memory = Memory(begun_seconds=10)
    assert [wanted(rule, memory, at) for at in (59.0, 60.0)] == ["", "every 50 s"]
    assert wanted(RetrainingSpec(), memory, 1e12) == ""


def test_a_failure_is_retried_later_and_later_and_says_why() -> None:
    """Each try waits twice as long, up to a limit; the cause stays the first one, and a success forgets it all."""
    memory, now, waits = Memory(), 0.0, list[float]()
    for number in range(5):
        memory = took(RULE, memory, outcome(Status.FAILED, f"r{number}"), now)
        waits.append(memory.not_before_seconds - now)
        assert wanted(RULE, memory, memory.not_before_seconds - 0.1) == ""
        now = memory.not_before_seconds
        assert wanted(RULE, memory, now) == f"try {number + 2}: why"
    assert waits == [10, 20, 40, 60, 60]
    assert (memory.failures, memory.problem) == (5, "what")
    done = took(RULE, memory, outcome(Status.PROPOSED, "r9"), now)
    assert (done.failures, done.problem, done.cause) == (0, "", "")
    assert wanted(RULE, done, 1e12) == ""


def test_an_outcome_counts_once() -> None:
    """A scheduler that reads a file again, as after a crash, does not count it again."""
    once = took(RULE, Memory(), outcome(Status.REFUSED), 5)
    assert once.failures == 1
    assert took(RULE, once, outcome(Status.REFUSED), 99) == once


@given(st.integers(1, 10_000))
def test_a_retry_never_waits_longer_than_said(failures: int) -> None:
    """However often it failed, the wait is between the first one and the last."""
    assert RULE.first_retry_seconds <= retry_seconds(RULE, failures) <= RULE.last_retry_seconds


@given(st.lists(st.sampled_from([Status.FAILED, Status.REFUSED, Status.RELEASED, Status.UNCHANGED]), max_size=20))
def test_failures_are_those_since_the_last_success(statuses: list[Status]) -> None:
    """For any history."""
    memory = Memory()
    for number, status in enumerate(statuses):
        memory = took(RULE, memory, outcome(status, str(number)), 0)
    bad = [status in (Status.FAILED, Status.REFUSED) for status in statuses]
    assert memory.failures == (bad[::-1].index(False) if False in bad else len(bad))


@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), max_size=30), st.integers(0, 30))
def test_verdicts_read_in_two_pieces_ask_for_the_same(given_verdicts: list[tuple[float, bool]], cut: int) -> None:
    """Where the reading was interrupted does not matter."""
    verdicts = [verdict(days, alarming=alarming) for days, alarming in given_verdicts]
    memory = Memory(last_as_of=DAY.isoformat())
    whole = with_verdicts(RULE, memory, verdicts)
    assert with_verdicts(RULE, with_verdicts(RULE, memory, verdicts[:cut]), verdicts[cut:]) == whole
