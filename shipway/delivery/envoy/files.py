"""Writing Envoy's files: whole, confirmed by Envoy itself, and back to the last good ones when it refuses."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from shipway.contract.documents import write_atomic
from shipway.contract.errors import Fatal, Retryable
from shipway.delivery.envoy.admin import Report
from shipway.delivery.envoy.configuration import Document
from shipway.delivery.failpoints import reach
from shipway.delivery.target import Rejected

__all__ = ["EnvoyFiles"]

CONFIRM_TIMEOUT_SECONDS = 3.0
POLL_SECONDS = 0.004


class EnvoyFiles:
    """The folder Envoy watches, and beside it a copy of what Envoy accepted last.

    Args:
        folder: the stack's Envoy folder; Envoy watches `folder`/dynamic.
        report: reads what Envoy says now; raises Retryable when it does not answer.
        clock: seconds on a clock that only grows.
        sleep: waits the given seconds.
    """

    def __init__(
        self,
        folder: Path,
        report: Callable[[], Report],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.dynamic, self.confirmed = folder / "dynamic", folder / "confirmed"
        self._report, self._clock, self._sleep = report, clock, sleep
        self._kept: dict[str, str] = {}
        # What the gateway accepted last, in memory: on a full disk the copies may be older than what is served.
        self._good: dict[str, str] = {}
        self.not_kept = ""
        # What the gateway said after the last write: the base for the next one, which need not ask first.
        self._latest: Report | None = None

    def in_place(self, kind: str, document: Document) -> bool:
        """Returns whether the file of `kind` (`cds`, `lds`, `rds`) holds exactly `document`."""
        path = self.dynamic / f"{kind}.json"
        return path.exists() and path.read_text(encoding="utf-8", errors="replace") == document.text

    def prepare(self, kind: str, document: Document) -> None:
        """Writes a file for an Envoy that has not started yet."""
        write_atomic(self.dynamic / f"{kind}.json", document.text)

    def apply(self, documents: Sequence[tuple[str, Document]], report: Report | None = None) -> None:
        """Writes the files in order, each confirmed before the next; all of them are served when this returns.

        Args:
            documents: (kind, document); clusters before the routes that need them, routes before clusters go.
            report: what Envoy said a moment ago, when the caller has just asked.

        Raises:
            Rejected: Envoy refused one; everything is as it was.
            Retryable: Envoy did not answer in time, or the disk is full; everything is as it was.
        """
        written: list[str] = []
        try:
            before = report or self._latest or self._report()
            self._latest = None
            for kind, document in documents:
                if before.accepted[kind] == document.version and self.in_place(kind, document):
                    continue
                reach("gateway_before_write")
                # Callers of a bad version must not wait for the disk; of a torn file there is the confirmed copy.
                written.append(kind)
                write_atomic(self.dynamic / f"{kind}.json", document.text, seen_first=True)
                reach("gateway_after_write")
                before = self._confirm(kind, document, before)
            self._latest = before
        except (Fatal, Retryable):
            self._restore(written)
            raise
        except OSError as error:
            self._restore(written)
            raise Retryable(f"cannot write in {self.dynamic} ({error.strerror}); nothing was changed", 5) from None
        self._good |= {kind: document.text for kind, document in documents}
        reach("gateway_before_keep")
        self._keep_all(documents)
        reach("gateway_after_keep")

    def _confirm(self, kind: str, document: Document, before: Report) -> Report:
        deadline = self._clock() + CONFIRM_TIMEOUT_SECONDS
        while True:
            now = self._report()
            if now.accepted[kind] == document.version and not now.warming:
                return now
            if now.refused[kind] > before.refused[kind]:
                raise Rejected(
                    f"the gateway refused {self.dynamic / f'{kind}.json'}; the last good one is back in place, "
                    "the gateway's log names the field"
                )
            if self._clock() > deadline:
                raise Retryable(
                    f"the gateway neither accepted nor refused {kind}.json within {CONFIRM_TIMEOUT_SECONDS:g} s; "
                    "the last good one is back in place. If its folder was removed under it, start the gateway anew: "
                    "`supervisorctl -c .shipway/ENV/supervisor/supervisord.conf restart gateway`",
                    CONFIRM_TIMEOUT_SECONDS,
                )
            self._sleep(POLL_SECONDS)

    def _keep_all(self, documents: Sequence[tuple[str, Document]]) -> None:
        """Copies what the gateway has accepted; until then the copies are what all files go back to.

        A copy that cannot be written undoes nothing, for the gateway serves the new files already; the next round
        tries again.
        """
        self.not_kept = ""
        for kind, document in documents:
            try:
                self._keep(kind, document)
            except OSError as error:
                self.not_kept = f"{self.confirmed}/{kind}.json: cannot be written ({error.strerror})"

    def _keep(self, kind: str, document: Document) -> None:
        if self._kept.get(kind) != document.version:
            write_atomic(self.confirmed / f"{kind}.json", document.text)
            self._kept[kind] = document.version

    def _restore(self, kinds: Sequence[str]) -> None:
        for kind in reversed(kinds):
            path, copy = self.dynamic / f"{kind}.json", self.confirmed / f"{kind}.json"
            try:
                good = self._good.get(kind) or (copy.read_text(encoding="utf-8") if copy.exists() else "")
                if good and not (path.exists() and path.read_bytes() == good.encode()):
                    write_atomic(path, good)
            except OSError as error:
                # The gateway still runs what it accepted last; only its next start would read the wrong file.
                raise Retryable(f"cannot put the last good {path} back in place ({error.strerror})", 5) from None
