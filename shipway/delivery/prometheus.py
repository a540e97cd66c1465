"""Prometheus over HTTP: one bounded question, the raw samples and the times of their scrapes in return."""

import http.client
import json
import urllib.parse
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, cast

from shipway.contract.errors import Retryable

__all__ = ["Prometheus", "Series"]

# A stopped Prometheus must not stop the loop: its rollouts hold, others' rollbacks go on.
TIMEOUT_SECONDS = 0.5
_RETRY_SECONDS = 1.0


class Series(NamedTuple):
    """The newest sample of one series and when it was scraped, in seconds since the epoch.

    Beside it, in `earlier`, those before it in the same answer, as Prometheus writes them: pairs of time and value.
    """

    name: str
    labels: dict[str, str]
    value: float
    scraped_at_seconds: float
    earlier: Sequence[tuple[float, str]] = ()

    def until(self, at_seconds: float) -> "Series | None":
        """Returns the series as it was scraped last at that time; None where that was too long ago to be known."""
        if self.scraped_at_seconds <= at_seconds:
            return self
        for at, value in reversed(self.earlier):
            if at <= at_seconds:
                return Series(self.name, self.labels, float(value), float(at))
        return None


class Prometheus:
    """A client of the Prometheus on loopback `port`; every question ends within `timeout_seconds`."""

    def __init__(self, port: int, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._where = f"on port {port}"
        self._connect = partial(http.client.HTTPConnection, "127.0.0.1", port, timeout=timeout_seconds)
        self._connection: http.client.HTTPConnection | None = None

    @classmethod
    def at(cls, url: str, timeout_seconds: float) -> "Prometheus":
        """Returns a client of the Prometheus at a web address without a path."""
        parts = urllib.parse.urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        found = cls(0, timeout_seconds)
        found._where = f"at {url}"
        found._connect = partial(kind, parts.hostname or "", parts.port, timeout=timeout_seconds)
        return found

    def newest(self, selector: str, window_seconds: float) -> list[Series]:
        """Returns the newest sample of each series that `selector` matches, of the last `window_seconds`.

        A range is asked for because an instant vector carries the time of the question, not of the scrape.

        Raises:
            Retryable: when Prometheus does not answer in time, or answers with something else.
        """
        milliseconds = round(window_seconds * 1000)
        query = urllib.parse.urlencode({"query": f"{selector}[{milliseconds}ms]"})
        try:
            document = json.loads(self._get(f"/api/v1/query?{query}"))
            result = cast(list[Any], document["data"]["result"])
            return [_series(one) for one in result]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self.close()
            raise Retryable(f"Prometheus answered with no samples ({error!r})", _RETRY_SECONDS) from None

    def close(self) -> None:
        """Ends the connection; the next question opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _get(self, path: str) -> bytes:
        connection = self._connection or self._connect()
        self._connection = connection
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Retryable(
                f"Prometheus does not answer {self._where} ({error or type(error).__name__})", _RETRY_SECONDS
            ) from None
        if response.status != http.client.OK:
            self.close()
            raise Retryable(f"Prometheus answered {response.status} {self._where}", _RETRY_SECONDS)
        return body


def _series(one: Any) -> Series:
    labels = {str(name): str(value) for name, value in one["metric"].items()}
    *earlier, (at, value) = one["values"]
    return Series(labels.pop("__name__"), labels, float(value), float(at), earlier)
