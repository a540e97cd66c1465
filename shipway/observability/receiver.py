"""`python -m shipway.observability.receiver --port P --file F`: what Alertmanager sends, one JSON line an alert.

Last in the chain, it is also who notices that nothing comes any more: Prometheus and Alertmanager cannot tell of their
own death. Whether the receiver itself lives, Prometheus asks it.
"""

import argparse
import http.server
import json
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from shipway.contract.alerts import PLATFORM_OWNER, AlertName, runbook
from shipway.contract.metrics import ALERTS_JOB, HEARTBEAT_TIMESTAMP_SECONDS
from shipway.contract.periodic import PERIODIC
from shipway.observability.watchdog import Change, Watchdog

__all__ = ["AlertLog", "Receiver", "lines", "main"]

MAX_BODY_BYTES = 1_048_576
MAX_FILE_BYTES = 10_000_000
REQUEST_TIMEOUT_SECONDS = 10
# What of an alert is kept, and under which of its two maps it comes.
_LABELS, _ANNOTATIONS = ("severity", "owner", "model", "part"), ("summary", "runbook_url", "escalation")


def utc_now() -> str:
    """Returns the time now, in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def lines(notification: object, time: str) -> list[str]:
    """Returns one JSON object a line for each alert of a notification, as Alertmanager's webhook sends it.

    The watchdog is none of them: it comes for ever, and only its absence is news.

    Raises:
        ValueError: when it is something else.
    """
    try:
        told = [alert for alert in cast(Any, notification)["alerts"] if not _is_watchdog(alert)]
        return [_line(alert, time) for alert in told]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no notification of Alertmanager ({error!r})") from None


def _is_watchdog(alert: Any) -> bool:
    return alert["labels"]["alertname"] == AlertName.WATCHDOG


def _beats(notification: Any) -> list[bool]:
    """Returns, for each time the watchdog is in a notification, whether it says that alerts arrive."""
    return [alert["status"] == "firing" for alert in notification["alerts"] if _is_watchdog(alert)]


def _line(alert: Any, time: str) -> str:
    labels, annotations = alert["labels"], alert["annotations"]
    told = {"time": time, "status": str(alert["status"]), "name": str(labels["alertname"])}
    told |= {name: str(labels.get(name, "")) for name in _LABELS}
    told |= {name: str(annotations.get(name, "")) for name in _ANNOTATIONS}
    return json.dumps(told | {"starts_at": str(alert["startsAt"])}, ensure_ascii=False)


class AlertLog:
    """The file of all notifications; when it is full it becomes `<name>.1` and a new one begins.

    Args:
        path: the file; its folder is made.
        max_bytes: its greatest size.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_FILE_BYTES) -> None:
        self._path, self._max_bytes = path, max_bytes
        path.parent.mkdir(parents=True, exist_ok=True)

    def append(self, told: Iterable[str]) -> None:
        """Adds the lines, all or none.

        Raises:
            OSError: when they cannot be written.
        """
        text = "".join(f"{line}\n" for line in told).encode()
        if self._path.exists() and self._path.stat().st_size + len(text) > self._max_bytes:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            before = os.fstat(file).st_size
            if os.write(file, text) != len(text):
                os.ftruncate(file, before)
                raise OSError(f"{self._path}: not all of a notification could be written")
        finally:
            os.close(file)


class Receiver(http.server.ThreadingHTTPServer):
    """The server on loopback `port`; notifications are taken in one at a time, so that the lines of two never mix.

    Each connection has a thread: an Alertmanager that stands still in the middle of one would hold up everybody, and
    the word that nothing comes.

    Args:
        port: where it listens.
        log: where what comes is kept.
        watchdog: what knows whether anything comes.
        tell: addresses that are told when nothing does: whoever hears of alerts by Alertmanager hears of that here.
        now: the time as the lines have it.
    """

    def __init__(
        self,
        port: int,
        log: AlertLog,
        watchdog: Watchdog,
        tell: Sequence[str] = (),
        now: Callable[[], str] = utc_now,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.watchdog, self._log, self._now, self._tell = watchdog, log, now, tuple(tell)
        self._one = threading.Lock()

    def take(self, notification: Any) -> None:
        """Keeps what a notification says.

        Raises:
            ValueError: when it is none.
            OSError: when it cannot be written.
        """
        with self._one:
            told = lines(notification, self._now())
            if told:
                self._log.append(told)
            for firing in _beats(notification):
                self.watchdog.heard(firing=firing)

    def service_actions(self) -> None:
        """Looks twice a second whether the watchdog is still heard."""
        with self._one:
            change = self.watchdog.look()
            if change is None:
                return
            alert = _silence(change, self._now())
            try:
                self._log.append([_line(alert, self._now())])
            except OSError as error:
                print(f"alert receiver: {error}", file=sys.stderr, flush=True)
        for url in self._tell:
            threading.Thread(target=_post, args=(url, alert), daemon=True).start()


def _silence(change: Change, now: str) -> dict[str, Any]:
    """Returns the alert that alerts do not arrive, as Alertmanager would post it."""
    row = PERIODIC[ALERTS_JOB]
    return {
        "status": change,
        "labels": {
            "alertname": str(AlertName.SILENT),
            "severity": str(row.severity),
            "owner": PLATFORM_OWNER,
            "part": ALERTS_JOB,
        },
        "annotations": {"summary": f"{row.job}: {row.silent}", "runbook_url": runbook(AlertName.SILENT)},
        "startsAt": now,
    }


def _post(url: str, alert: dict[str, Any]) -> None:
    body = json.dumps({"version": "4", "status": alert["status"], "alerts": [alert]}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310 - http, by contract
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS):  # noqa: S310
            pass
    except OSError as error:
        print(f"alert receiver: {url} was not told that alerts are silent ({error})", file=sys.stderr, flush=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver  # type: ignore[assignment]
    timeout = REQUEST_TIMEOUT_SECONDS

    def do_POST(self) -> None:
        refusal = self._refusal()
        if refusal is not None:
            self._answer(*refusal)
            return
        try:
            self.server.take(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            # Alertmanager tries again.
            self.log_error("%s", error)
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        else:
            self._answer(HTTPStatus.OK, "")

    def do_GET(self) -> None:
        match self.path:
            case "/ready":
                self._answer(HTTPStatus.OK, "ready\n")
            case "/metrics":
                self._answer(HTTPStatus.OK, self._metrics())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "POST /alerts\n")

    def _metrics(self) -> str:
        at = self.server.watchdog.last_seconds
        series = "" if at is None else f'{HEARTBEAT_TIMESTAMP_SECONDS}{{job="{ALERTS_JOB}"}} {at}\n'
        return f"# TYPE {HEARTBEAT_TIMESTAMP_SECONDS} gauge\n{series}"

    def _refusal(self) -> tuple[HTTPStatus, str] | None:
        length = self.headers.get("content-length", "")
        if self.path != "/alerts":
            return HTTPStatus.NOT_FOUND, f"got {self.path[:100]!r}, expected /alerts"
        # A page in a browser can send any other type here without asking.
        if self.headers.get_content_type() != "application/json":
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json"
        if not (length.isascii() and length.isdigit()):
            return HTTPStatus.LENGTH_REQUIRED, "expected a content-length"
        if int(length) > MAX_BODY_BYTES:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"got {length} bytes, expected at most {MAX_BODY_BYTES}"
        return None

    def _answer(self, status: HTTPStatus, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing: the file tells what came."""


def main(arguments: list[str]) -> int:
    """Receives until it is ended; returns 1 when somebody else listens on the port."""
    parser = argparse.ArgumentParser(prog="python -m shipway.observability.receiver", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="where to listen, on 127.0.0.1 alone")
    parser.add_argument("--file", type=Path, required=True, help="where the lines go")
    parser.add_argument(
        "--objective",
        type=float,
        default=PERIODIC[ALERTS_JOB].objective_seconds,
        help="after how many seconds without the watchdog that is told",
    )
    parser.add_argument("--tell", action="append", default=[], metavar="URL", help="who else is told then")
    chosen = parser.parse_args(arguments)
    watchdog = Watchdog(chosen.objective, time.monotonic, time.time)
    try:
        server = Receiver(chosen.port, AlertLog(chosen.file), watchdog, chosen.tell)
    except OSError as error:
        print(f"error: port {chosen.port}, {chosen.file}: {error.strerror}", file=sys.stderr)
        return 1
    with server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
