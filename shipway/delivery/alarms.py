"""What of the rollouts a person must hear of, and the thread that tells Alertmanager, also when Prometheus is dead."""

import http.client
import json
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shipway.contract.alerts import ALERTS, PLATFORM_RUNBOOK, AlertName, Severity, runbook
from shipway.contract.evidence import Pause
from shipway.contract.release import short_digest
from shipway.contract.route import Phase, RolloutState
from shipway.delivery.rollouts import SILENT_SECONDS
from shipway.delivery.served import ServedModel

__all__ = ["Alarm", "Notifier", "alarms"]

# After this share of `max_step_seconds` a person still has time to find out why a step is not earned.
STUCK_SHARE = 0.5
MAX_SUMMARY_LENGTH = 500

RESEND_SECONDS = 30.0
# An alarm that nobody repeats ends by itself: several repetitions may be lost before that.
LIFETIME_SECONDS = 180.0
RETRY_SECONDS = 1.0
TIMEOUT_SECONDS = 2.0
LOOPBACK = "127.0.0.1"

_NO_SLOT_IS_WELL = frozenset({Pause.BOTH_SLOTS_BAD, Pause.LIVE_BAD})
_JUDGED = frozenset({Phase.STEPPING, Phase.GUARDING})
_GAVE_UP = frozenset({Phase.ROLLED_BACK, Phase.FAILED})


@dataclass(frozen=True)
class Alarm:
    """One thing a person must hear of.

    Args:
        name: which alert.
        model: whose rollout.
        owner: the team that answers for it.
        escalation: who is asked next.
        runbook_url: where what to do about this alert is written.
        owner_runbook_url: where the model's owner has written what to do about the model.
        summary: what is the matter, and why.
        starts_at: since when, in UTC, ISO 8601.
    """

    name: AlertName
    model: str
    owner: str
    escalation: str
    runbook_url: str
    owner_runbook_url: str
    summary: str
    starts_at: str

    @property
    def severity(self) -> Severity:
        """How urgent it is."""
        return ALERTS[self.name].severity

    @property
    def labels(self) -> dict[str, str]:
        """What Alertmanager tells one alert from another by."""
        return {"alertname": self.name, "model": self.model, "owner": self.owner, "severity": self.severity}


def alarms(
    served: Mapping[str, ServedModel],
    problems: Mapping[str, str],
    previous: Iterable[Alarm],
    now: str,
    runbooks: str = PLATFORM_RUNBOOK,
) -> list[Alarm]:
    """Returns every alarm that stands now.

    Args:
        served: model -> what is served of it, its rollout state with the newest progress.
        problems: model or part -> what stands in its way, in one sentence.
        previous: what this returned before; an alarm that goes on keeps its start.
        now: the time, in UTC, ISO 8601.
        runbooks: where the page of all alerts lies.
    """
    since = {(alarm.name, alarm.model): alarm.starts_at for alarm in previous}
    return [
        Alarm(
            name=name,
            model=model,
            owner=entry.spec.owner,
            escalation=entry.spec.escalation,
            runbook_url=runbook(name, runbooks),
            owner_runbook_url=entry.spec.runbook_url,
            summary=f"{model}: {why}"[:MAX_SUMMARY_LENGTH],
            starts_at=since.get((name, model), now),
        )
        for model, entry in sorted(served.items())
        for name, why in _wrong(entry, problems).items()
    ]


def _wrong(entry: ServedModel, problems: Mapping[str, str]) -> dict[AlertName, str]:
    """Returns alert -> why it stands, of one model."""
    state, progress, found = entry.state, entry.state.progress, dict[AlertName, str]()
    if state.phase in _GAVE_UP:
        ended = "was rolled back" if state.phase is Phase.ROLLED_BACK else "never became ready"
        # Such as a gateway that has not confirmed it: then callers may meet the version still.
        beside = f" ({problems[entry.spec.model]})" if entry.spec.model in problems else ""
        found[AlertName.ROLLED_BACK] = f"{_last_rejected(state)} {ended}{beside}{_reason(entry, str(state.phase))}"
    if progress is None:
        return found
    judged = state.phase in _JUDGED or (state.phase is Phase.PAUSED and state.judged_percent > 0)
    if judged and progress.silent_seconds > SILENT_SECONDS:
        share = f"at {state.judged_percent} % of the traffic"
        said = [problems[subject] for subject in (entry.spec.model, "prometheus", "gateway") if subject in problems]
        missing = (
            f"no evidence about {_judged(state)} {share} for more than {SILENT_SECONDS:.0f} s, so it is held there"
        )
        found[AlertName.EVIDENCE_MISSING] = "; ".join([missing, *said])
    if progress.paused is not None:
        name = AlertName.BOTH_SLOTS_BAD if progress.paused in _NO_SLOT_IS_WELL else AlertName.ROLLOUT_PAUSED
        waits = f"{_judged(state)} waits for a person at {state.judged_percent} % ({progress.paused})"
        found[name] = waits + _reason(entry, str(Phase.PAUSED))
    elif (
        state.phase is Phase.STEPPING
        and progress.step_elapsed_seconds > STUCK_SHARE * entry.spec.rollout.max_step_seconds
    ):
        found[AlertName.ROLLOUT_STUCK] = (
            f"{_judged(state)} at {state.judged_percent} % has used more than half of the "
            f"{entry.spec.rollout.max_step_seconds:g} s that a step may take; at their end it is rolled back"
        )
    return found


def _judged(state: RolloutState) -> str:
    """Returns the version that is judged, and where."""
    return f"{short_digest(state.judged_digest)} in {state.judged}"


def _last_rejected(state: RolloutState) -> str:
    digest = state.candidate_digest or (state.rejected_digests[-1] if state.rejected_digests else "")
    return short_digest(digest) or "the candidate"


def _reason(entry: ServedModel, action: str) -> str:
    """Returns why the last change was made, when it was the one that `action` names."""
    return f": {entry.change.reason}" if entry.change is not None and entry.change.action == action else ""


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Notifier:
    """Tells Alertmanager what stands, in a thread of its own: whoever shows it the alarms never waits.

    Args:
        port, host: Alertmanager's, on loopback by default.
        say: takes a line for the log.
        now: the time.
        resend_seconds: how often what stands is told again.
    """

    def __init__(
        self,
        port: int,
        *,
        host: str = LOOPBACK,
        say: Callable[[str], None] = _log,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        resend_seconds: float = RESEND_SECONDS,
    ) -> None:
        self._port, self._host, self._say, self._now, self._resend_seconds = port, host, say, now, resend_seconds
        self._wake = threading.Condition()
        self._standing: dict[tuple[str, ...], Alarm] = {}
        self._ended: dict[tuple[str, ...], tuple[Alarm, datetime]] = {}
        self._changed = self._stopping = self._silent = False

    def show(self, standing: Sequence[Alarm]) -> None:
        """Hands over every alarm that stands now; what stood before and is not among them has ended."""
        shown = {tuple(alarm.labels.values()): alarm for alarm in standing}
        with self._wake:
            for key in self._standing.keys() - shown.keys():
                self._ended[key] = self._standing[key], self._now()
            for key in shown:
                self._ended.pop(key, None)
            # A summary that alone is different goes out with the next repetition.
            if self._standing.keys() != shown.keys():
                self._changed = True
                self._wake.notify()
            self._standing = shown

    @contextmanager
    def running(self) -> Generator[None]:
        """Tells while the block runs; what stands at its end goes on for a few minutes, for whoever comes next."""
        thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._wake:
                self._stopping = True
                self._wake.notify()
            thread.join(2 * TIMEOUT_SECONDS)

    def _run(self) -> None:
        while True:
            with self._wake:
                patience = RETRY_SECONDS if self._silent else self._resend_seconds
                # One that does not answer is asked again after a while, whatever happens until then.
                self._wake.wait_for(lambda: self._stopping or (self._changed and not self._silent), patience)
                if self._stopping and not self._changed:
                    return
                self._changed = False
                standing, ended = list(self._standing.values()), dict(self._ended)
            told = self._tell([*(self._open(one) for one in standing), *(_posted(*one) for one in ended.values())])
            with self._wake:
                if told:
                    self._ended = {key: one for key, one in self._ended.items() if ended.get(key) != one}
                if self._stopping:
                    return

    def _open(self, alarm: Alarm) -> dict[str, object]:
        return _posted(alarm, self._now() + timedelta(seconds=LIFETIME_SECONDS))

    def _tell(self, posted: list[dict[str, object]]) -> bool:
        """Returns whether Alertmanager took the alarms; that it does not answer is said once, as is its return."""
        problem = post(self._port, posted, self._host) if posted else ""
        if problem and not self._silent:
            self._say(f"alarms: Alertmanager on port {self._port} {problem}; they are told as soon as it answers")
        elif not problem and posted and self._silent:
            self._say("alarms: Alertmanager answers again")
        if posted:
            self._silent = bool(problem)
        return not problem


def _posted(alarm: Alarm, ends_at: datetime) -> dict[str, object]:
    # The clock may have been set back since the start, and Alertmanager takes nothing that ends before that.
    ends_at = max(ends_at, datetime.fromisoformat(alarm.starts_at))
    return {
        "labels": alarm.labels,
        "annotations": {
            "summary": alarm.summary,
            "escalation": alarm.escalation,
            "runbook_url": alarm.runbook_url,
            "owner_runbook_url": alarm.owner_runbook_url,
        },
        "startsAt": alarm.starts_at,
        "endsAt": ends_at.isoformat(timespec="milliseconds"),
    }


def post(port: int, posted: Sequence[Mapping[str, object]], host: str = LOOPBACK) -> str:
    """Posts alerts to the Alertmanager on `port`; returns what went wrong, empty when nothing did."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", "/api/v2/alerts", json.dumps(posted), {"content-type": "application/json"})
        response = connection.getresponse()
        said = response.read(500).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer ({error or type(error).__name__})"
    finally:
        connection.close()
    return "" if response.status == http.client.OK else f"answered {response.status} {' '.join(said.split())}"
