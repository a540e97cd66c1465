"""`python -m shipway.loadtest`: the process that sends, told by lines of JSON what and when; it decides nothing.

    in   once:        {"url", "path", "timeout_seconds", "event_time": text, "most_in_flight", "bodies": [text],
                       "units": text}
         a stage:     {"requests_per_second", "seconds", "seed", "first"}
    out  meanwhile:   {"progress": {...}}
         in the end:  {"latencies": [...], "lags": [...], "failed_by": {...}, "versions": [...], "seconds"}

Locust's own users wait for their answer before they ask again, so a server that stands still is asked less. Here one
user begins each request at its own moment in a greenlet of its own, whatever became of those before.
"""

# Locust and gevent are typed in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from locust import FastHttpUser, events  # first: it changes how sockets and time wait in this process
from locust.contrib.fasthttp import LocustUserAgent
from locust.env import Environment
from locust.exception import LocustError

# isort: split

import contextlib
import json
import resource
import signal
import sys
import time
from collections import Counter
from typing import Any

import gevent
from gevent.pool import Group

from shipway.contract.metrics import EVENT_TIME_HEADER, UNIT_HEADER
from shipway.loadtest.arrivals import poisson

__all__ = ["main"]

_PROGRESS_EVERY_SECONDS = 2.0
_MODEL = "model"


class Stage:
    """What is counted while a stage runs."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.lags: list[float] = []
        self.failed_by: Counter[str] = Counter()
        self.versions: set[str] = set()
        self.in_flight = 0

    def progress(self, arrived: int, planned: int) -> dict[str, Any]:
        """Returns what a person is told meanwhile."""
        ordered = sorted(self.latencies)
        p95 = ordered[int(0.95 * (len(ordered) - 1))] if ordered else None
        return {
            "arrived": arrived,
            "planned": planned,
            "answered": len(ordered),
            "failed": self.failed_by.total(),
            "waiting": self.in_flight,
            "p95_seconds": p95,
        }


# A redirect is an answer of somebody else, and is none.
LocustUserAgent.redirect_response_codes = frozenset()


class Caller(FastHttpUser):
    """Sends requests at their own moments."""

    abstract = False
    # A certificate is checked as a browser checks it.
    insecure = False
    max_redirects = 0

    def send(self, stage: Stage, due: float, started: float, asked: dict[str, Any], number: int) -> None:
        """Sends one request and counts what came of it, from the moment at which it was due."""
        stage.lags.append(time.perf_counter() - started - due)
        unit = f"{asked['units']}-{number}"
        body = asked["bodies"][number % len(asked["bodies"])]
        headers = {"content-type": "application/json", UNIT_HEADER: unit}
        if asked["event_time"]:
            headers[EVENT_TIME_HEADER] = asked["event_time"]
        with self.client.post(asked["path"], data=body, headers=headers, catch_response=True) as answer:
            seconds = time.perf_counter() - started - due
            # Locust's own statistics count from there as well.
            answer.request_meta["response_time"] = seconds * 1000
            if problem := _problem(answer):
                answer.failure(problem)
                stage.failed_by[problem] += 1
            else:
                answer.success()
                stage.latencies.append(seconds)
            if answer.headers and (version := answer.headers.get("x-model-version")):
                stage.versions.add(str(version))


def _problem(answer: Any) -> str:
    """Returns why an answer is none of the model's own, empty when it is one."""
    if not answer.status_code:
        return type(answer.error).__name__ if answer.error else "no answer"
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    served_by = str(answer.headers.get("x-served-by", _MODEL))
    # A fallback hides that the model did not answer, which is what is asked here.
    return "" if served_by == _MODEL else f"answered by {served_by}"


def _run(user: Caller, asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    moments = poisson(told["requests_per_second"], told["seconds"], told["seed"])
    stage, running = Stage(), Group()
    arrived = 0
    started = time.perf_counter()

    def begin(due: float, number: int) -> None:
        stage.in_flight += 1
        try:
            user.send(stage, due, started, asked, number)
        finally:
            stage.in_flight -= 1

    def report() -> None:
        while True:
            gevent.sleep(_PROGRESS_EVERY_SECONDS)
            _say({"progress": stage.progress(arrived, len(moments))})

    reporter = gevent.spawn(report)
    for arrived, due in enumerate(moments, start=1):
        if (wait := started + due - time.perf_counter()) > 0:
            gevent.sleep(wait)
        if stage.in_flight >= asked["most_in_flight"]:
            stage.failed_by[f"not sent: {asked['most_in_flight']} requests waited for an answer"] += 1
        else:
            running.start(gevent.Greenlet(begin, due, told["first"] + arrived))
    # A request ends at its own timeout.
    running.join()
    reporter.kill()
    return {
        "latencies": stage.latencies,
        "lags": stage.lags,
        "failed_by": stage.failed_by,
        "versions": sorted(stage.versions),
        "seconds": time.perf_counter() - started,
    }


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _room_for(sockets: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = sockets + 64
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def main() -> int:
    """Carries out the lines of standard input until it ends; 1 when the first of them is none."""
    # Whoever started this one ends it; Ctrl-C reaches it as well, and would print a trace.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    first = sys.stdin.readline()
    if not first:
        return 1
    asked: dict[str, Any] = json.loads(first)
    _room_for(asked["most_in_flight"])
    Caller.host, Caller.concurrency = asked["url"], asked["most_in_flight"]
    Caller.network_timeout = Caller.connection_timeout = asked["timeout_seconds"]
    environment = Environment(user_classes=[Caller], events=events)
    runner = environment.create_local_runner()
    user = Caller(environment)
    for line in sys.stdin:
        _say(_run(user, asked, json.loads(line)))
    runner.quit()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LocustError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
