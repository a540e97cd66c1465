"""Envoy's own word on what it has accepted and which slots it finds healthy, read from its admin port."""

import http.client
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shipway.contract.errors import Retryable

__all__ = ["Admin", "Report"]

# Kind of file -> the prefix of its counters.
_SOURCES = {"cds": "cluster_manager.cds", "lds": "listener_manager.lds", "rds": "http.ingress.rds.main"}
_FILTER = (
    r"^((cluster_manager\.cds|listener_manager\.lds|http\.ingress\.rds\.main)\.(version_text|update_rejected|"
    r"update_failure)|cluster_manager\.warming_clusters|cluster\..*\.(membership_healthy|upstream_rq_pending_failure_eject|"
    r"upstream_cx_destroy_remote_with_active_rq|upstream_rq_timeout))$"
)
_HEALTHY = re.compile(r"^cluster\.(.*)\.membership_healthy: [1-9]", re.MULTILINE)
# Attempts that got no answer: the connection was refused, it was cut, or the time was over. A retry elsewhere may have
# answered the caller all the same.
_FAILED = re.compile(
    r"^cluster\.(.*)\.(?:upstream_rq_pending_failure_eject|upstream_cx_destroy_remote_with_active_rq|upstream_rq_timeout)"
    r": (\d+)",
    re.MULTILINE,
)
_RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Report:
    """One reading.

    Args:
        accepted: kind of file (`cds`, `lds`, `rds`) -> the version Envoy runs.
        refused: kind of file -> how many times Envoy refused one since it started.
        warming: clusters that are known but not usable yet.
        healthy: clusters with a healthy endpoint.
        failed: cluster -> attempts without an answer since the gateway started.
    """

    accepted: Mapping[str, str]
    refused: Mapping[str, int]
    warming: int
    healthy: frozenset[str]
    failed: Mapping[str, int] = field(default_factory=dict[str, int])


class Admin:
    """A client of the admin interface on loopback `port`; every call ends within `timeout_seconds`."""

    def __init__(self, port: int, timeout_seconds: float = 1.0) -> None:
        self._port, self._timeout_seconds = port, timeout_seconds

    def read(self) -> Report:
        """Returns what Envoy says now.

        Raises:
            Retryable: when it does not answer in time.
        """
        text = self._get(f"/stats?filter={urllib.parse.quote(_FILTER)}")
        values = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        return Report(
            accepted={kind: values.get(f"{name}.version_text", "").strip('"') for kind, name in _SOURCES.items()},
            refused={
                kind: sum(int(values.get(f"{name}.{counter}", 0)) for counter in ("update_rejected", "update_failure"))
                for kind, name in _SOURCES.items()
            },
            warming=int(values.get("cluster_manager.warming_clusters", 0)),
            healthy=frozenset(_HEALTHY.findall(text)),
            failed=_summed(_FAILED.findall(text)),
        )

    def _get(self, path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_seconds)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise Retryable(
                f"the gateway does not answer on its admin port {self._port} ({error or type(error).__name__})",
                _RETRY_SECONDS,
            ) from None
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise Retryable(f"the gateway's admin port {self._port} answered {response.status}", _RETRY_SECONDS)
        return body


def _summed(found: Iterable[tuple[str, str]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for cluster, count in found:
        counts[cluster] = counts.get(cluster, 0) + int(count)
    return counts
