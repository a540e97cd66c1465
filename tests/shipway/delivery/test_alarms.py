"""What of the rollouts a person hears of, and how Alertmanager hears of it."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shipway.contract.alerts import AlertName, Severity, runbook
from shipway.contract.evidence import EvidenceState, Pause, Progress, UnitState
from shipway.contract.metrics import Slot
from shipway.contract.model import RolloutSpec
from shipway.contract.route import Phase, RolloutState, RouteSpec, SlotEndpoint
from shipway.delivery.alarms import Alarm, Notifier, alarms
from shipway.delivery.served import Change, ServedModel
from tests.e2e.machine import free_port
from tests.shipway.delivery.stack import digest, wait_until

NOW, LATER = "2026-01-02T03:04:05.000+00:00", "2026-01-02T03:05:05.000+00:00"
LIVE, CANDIDATE = digest("a"), digest("b")
PROGRESS = Progress(evidence=EvidenceState(guardrails=(), live_slo=(), units=UnitState(log_weights=())))
SPEC = RouteSpec(
    model="digits",
    owner="vision",
    blue=SlotEndpoint(port=2000, digest=LIVE),
    green=SlotEndpoint(port=2001, digest=CANDIDATE),
    timeout_seconds=1,
    max_body_bytes=1,
    rollout=RolloutSpec(min_step_seconds=0, max_step_seconds=60),
    escalation="lead@example.com",
    runbook_url="https://example.com/r",
)


def served(phase: Phase = Phase.STEPPING, change: tuple[str, str] | None = None, **progress: Any) -> ServedModel:
    """Returns digits with a candidate at 5 %, or in its guard, and progress of the given kind."""
    candidate = None if phase in (Phase.GUARDING, Phase.ROLLED_BACK, Phase.FAILED) else Slot.GREEN
    state = RolloutState(
        live=Slot.BLUE,
        live_digest=LIVE,
        candidate=candidate,
        candidate_digest=CANDIDATE if candidate else "",
        phase=phase,
        weight_percent=5 if candidate else 0,
        progress=PROGRESS.model_copy(update=progress),
        rejected_digests=(CANDIDATE,) if phase in (Phase.ROLLED_BACK, Phase.FAILED) else (),
    )
    action, reason = change or ("stepping", "its first step")
    return ServedModel(SPEC, state, Change(time=NOW, actor="delivery", action=action, reason=reason, generation=0))


def raised(entry: ServedModel, **problems: str) -> list[Alarm]:
    return alarms({"digits": entry}, problems, [], NOW)


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(served(), id="a step just begun"),
        pytest.param(served(step_elapsed_seconds=30.0), id="half of the step's time"),
        pytest.param(served(silent_seconds=10.0), id="a short silence"),
        pytest.param(served(Phase.GUARDING, step_elapsed_seconds=3000.0), id="a long guard"),
        pytest.param(served(Phase.PREPARING, silent_seconds=99.0, step_elapsed_seconds=99.0), id="no traffic yet"),
        pytest.param(ServedModel(SPEC, RolloutState(live=Slot.BLUE, live_digest=LIVE)), id="settled"),
    ],
)
def test_a_rollout_that_goes_well_raises_nothing(entry: ServedModel) -> None:
    """Nobody is told of what needs nobody."""
    assert raised(entry, digits="the gateway refused this route") == []


@pytest.mark.parametrize(
    ("entry", "name", "summary"),
    [
        (
            served(step_elapsed_seconds=30.1),
            AlertName.ROLLOUT_STUCK,
            "digits: bbbbbbbbbbbb in green at 5 % has used more than half of the 60 s that a step may take; "
            "at their end it is rolled back",
        ),
        (
            served(silent_seconds=10.1),
            AlertName.EVIDENCE_MISSING,
            "digits: no evidence about bbbbbbbbbbbb in green at 5 % of the traffic for more than 10 s, "
            "so it is held there",
        ),
        (
            served(Phase.GUARDING, silent_seconds=10.1),
            AlertName.EVIDENCE_MISSING,
            "digits: no evidence about aaaaaaaaaaaa in blue at 100 % of the traffic for more than 10 s, "
            "so it is held there",
        ),
        (
            served(Phase.ROLLED_BACK, ("rolled_back", "errors: 12 of 40")),
            AlertName.ROLLED_BACK,
            "digits: bbbbbbbbbbbb was rolled back: errors: 12 of 40",
        ),
        (
            served(Phase.FAILED, ("failed", "not ready after 300 s")),
            AlertName.ROLLED_BACK,
            "digits: bbbbbbbbbbbb never became ready: not ready after 300 s",
        ),
        (
            served(Phase.PAUSED, ("paused", "every gate says pass"), paused=Pause.MANUAL),
            AlertName.ROLLOUT_PAUSED,
            "digits: bbbbbbbbbbbb in green waits for a person at 5 % (manual): every gate says pass",
        ),
        (
            served(Phase.PAUSED, ("paused", "both fail"), paused=Pause.BOTH_SLOTS_BAD, step_elapsed_seconds=59.0),
            AlertName.BOTH_SLOTS_BAD,
            "digits: bbbbbbbbbbbb in green waits for a person at 5 % (both_slots_bad): both fail",
        ),
        (
            served(Phase.PAUSED, paused=Pause.LIVE_BAD),
            AlertName.BOTH_SLOTS_BAD,
            "digits: bbbbbbbbbbbb in green waits for a person at 5 % (live_bad)",
        ),
    ],
)
def test_each_trouble_is_one_alarm_with_its_reason(entry: ServedModel, name: AlertName, summary: str) -> None:
    """The alarm says what, where, why, who answers and where to read on."""
    own = "https://example.com/r"
    assert raised(entry) == [Alarm(name, "digits", "vision", "lead@example.com", runbook(name), own, summary, NOW)]


def test_missing_evidence_names_what_stands_in_the_way() -> None:
    """A dead Prometheus is said by name, in the alarm that does not go through it."""
    (alarm,) = raised(served(silent_seconds=11.0), prometheus="Prometheus does not answer on port 9", history="full")
    assert alarm.summary.endswith("so it is held there; Prometheus does not answer on port 9")
    assert alarm.severity is Severity.PAGE


def test_an_alarm_that_goes_on_keeps_its_start() -> None:
    """A start is when it was first seen; one that ended and comes again starts anew."""
    first = alarms({"digits": served(silent_seconds=11.0)}, {}, [], NOW)
    second = alarms({"digits": served(silent_seconds=71.0, step_elapsed_seconds=45.0)}, {}, first, LATER)
    assert {alarm.name: alarm.starts_at for alarm in second} == {
        AlertName.EVIDENCE_MISSING: NOW,
        AlertName.ROLLOUT_STUCK: LATER,
    }


def test_a_summary_is_bounded() -> None:
    """However long a reason is, the alarm stays short."""
    (alarm,) = raised(served(Phase.ROLLED_BACK, ("rolled_back", "x" * 10_000)))
    assert len(alarm.summary) == 500


class Alertmanager(http.server.HTTPServer):
    """An Alertmanager that keeps what it is sent, and answers as the test says."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.status, self.posted = 200, list[list[dict[str, Any]]]()

    @property
    def told(self) -> list[dict[str, bool]]:
        """Returns, of each post, alert -> whether it stands."""
        now = datetime.now(UTC)
        return [
            {one["labels"]["alertname"]: datetime.fromisoformat(one["endsAt"]) > now for one in post}
            for post in self.posted
        ]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Alertmanager

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.server.status == 200:
            self.server.posted.append(body)
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"no\nroom")

    def log_message(self, *_: object) -> None:
        """Keeps the test's output readable."""


@pytest.fixture
def alertmanager() -> Iterator[Alertmanager]:
    with Alertmanager() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


STUCK = raised(served(step_elapsed_seconds=45.0))
SILENT = raised(served(silent_seconds=11.0))


def test_alertmanager_hears_of_each_change_at_once(alertmanager: Alertmanager) -> None:
    """What stands is open for some minutes; what ended is closed once and told no more."""
    notifier = Notifier(alertmanager.server_address[1])
    with notifier.running():
        notifier.show(STUCK)
        wait_until(lambda: len(alertmanager.posted) == 1, "the alarm is told")
        notifier.show([*STUCK, *SILENT])
        wait_until(lambda: len(alertmanager.posted) == 2, "the second alarm is told")
        notifier.show(STUCK)
        wait_until(lambda: len(alertmanager.posted) == 3, "the second alarm is closed")
        notifier.show([])
        wait_until(lambda: len(alertmanager.posted) == 4, "the first alarm is closed")
    assert alertmanager.told == [
        {"ShipwayRolloutStuck": True},
        {"ShipwayRolloutStuck": True, "ShipwayEvidenceMissing": True},
        {"ShipwayRolloutStuck": True, "ShipwayEvidenceMissing": False},
        {"ShipwayRolloutStuck": False},
    ]
    (first,) = alertmanager.posted[0]
    assert first["labels"] == {
        "alertname": "ShipwayRolloutStuck",
        "model": "digits",
        "owner": "vision",
        "severity": "ticket",
    }
    assert first["annotations"]["owner_runbook_url"] == "https://example.com/r"
    assert first["annotations"]["runbook_url"].startswith("docs/alerts.md#shipway")
    assert first["startsAt"] == NOW


def test_what_stands_is_told_again_and_again(alertmanager: Alertmanager) -> None:
    """An alarm that nobody repeats would end by itself."""
    notifier = Notifier(alertmanager.server_address[1], resend_seconds=0.05)
    with notifier.running():
        notifier.show(STUCK)
        wait_until(lambda: len(alertmanager.posted) >= 3, "the alarm was told three times")
    assert alertmanager.told[:3] == [{"ShipwayRolloutStuck": True}] * 3


def test_an_alertmanager_that_is_away_is_said_once_and_hears_all_when_it_is_back() -> None:
    """Its absence is one line in the log; an end that it missed is told as soon as it answers."""
    port, said = free_port(), list[str]()
    notifier = Notifier(port, say=said.append)
    with notifier.running():
        notifier.show(STUCK)
        wait_until(lambda: said, "the absence is said")
        notifier.show(SILENT)
        with Alertmanager(port) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            wait_until(lambda: server.posted, "everything is told")
            server.shutdown()
            thread.join()
        assert server.told == [{"ShipwayRolloutStuck": False, "ShipwayEvidenceMissing": True}]
        wait_until(lambda: len(said) == 2, "the return is said")
    assert said == [
        f"alarms: Alertmanager on port {port} does not answer ([Errno 111] Connection refused); "
        "they are told as soon as it answers",
        "alarms: Alertmanager answers again",
    ]


def test_a_refusal_is_said_with_its_words(alertmanager: Alertmanager) -> None:
    """An answer that is no consent counts as none."""
    alertmanager.status, said = 500, list[str]()
    notifier = Notifier(alertmanager.server_address[1], say=said.append)
    with notifier.running():
        notifier.show(STUCK)
        wait_until(lambda: said, "the refusal is said")
    assert f"port {alertmanager.server_address[1]} answered 500 no room;" in said[0]


def test_an_end_is_never_before_its_start(alertmanager: Alertmanager) -> None:
    """A clock that was set back does not make Alertmanager refuse the end."""
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    notifier = Notifier(alertmanager.server_address[1], now=lambda: long_ago)
    with notifier.running():
        notifier.show(STUCK)
        wait_until(lambda: alertmanager.posted, "the alarm is told")
        notifier.show([])
        wait_until(lambda: len(alertmanager.posted) == 2, "its end is told")
    assert alertmanager.posted[1][0]["startsAt"] == alertmanager.posted[1][0]["endsAt"] == NOW


def test_whoever_shows_the_alarms_never_waits() -> None:
    """A notifier whose thread does not run, or hangs, takes every list at once and keeps the newest."""
    notifier = Notifier(free_port())
    for number in range(10_000):
        notifier.show(STUCK if number % 2 else SILENT)
    notifier.show([])


def test_a_rollback_says_what_keeps_it_from_taking_effect() -> None:
    """Where the gateway has not confirmed it, callers may meet the version still, however long the reason is."""
    entry = served(Phase.ROLLED_BACK, ("rolled_back", "x" * 10_000))
    (alarm,) = raised(entry, digits="the gateway has not confirmed it yet")
    assert alarm.summary.startswith("digits: bbbbbbbbbbbb was rolled back (the gateway has not confirmed it yet): xxx")


@pytest.mark.parametrize(("weight", "names"), [(5, {AlertName.EVIDENCE_MISSING, AlertName.ROLLOUT_PAUSED}), (0, None)])
def test_a_pause_with_traffic_is_judged_on_and_so_its_silence_is_told(
    weight: int, names: set[AlertName] | None
) -> None:
    """A person may take a night to answer, and guardrails that see nothing bring no version back meanwhile."""
    entry = served(Phase.PAUSED, ("paused", "50 % waits"), paused=Pause.MANUAL, silent_seconds=10.1)
    entry = replace(entry, state=entry.state.model_copy(update={"weight_percent": weight}))
    assert {alarm.name for alarm in raised(entry)} == (names or {AlertName.ROLLOUT_PAUSED})
