"""The Lease: which of the copies of this process may write, and the number of its tenure, which every write carries.

Clocks of two machines are never compared: another holder is gone when its record has not changed for its whole duration
on this machine's own clock. A holder that was stopped and goes on finds its own time over before it writes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shipway.contract.errors import Retryable
from shipway.delivery.cluster.api import LEASES, Api, Conflict, Document
from shipway.delivery.cluster.target import NotHeld

__all__ = ["DURATION_SECONDS", "RENEW_SECONDS", "Lease", "micro_now"]

# A holder renews every two seconds, stops acting after ten without success, and others wait for fifteen: between the
# last two lies what a write may take on its way.
DURATION_SECONDS, DEADLINE_SECONDS, RENEW_SECONDS = 15, 10.0, 2.0


def micro_now() -> str:
    """Returns the time now as a Lease holds it; people read it, nothing is decided from it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Lease:
    """One copy's view of the Lease.

    Args:
        api: the API server.
        namespace, name: where the Lease lies.
        holder: who this is; no other copy, and no later start of this one, may have the same name.
        clock: seconds on a clock that only grows.
        now: the time as people read it.
        problem: why the Lease cannot be asked, empty when it can.
    """

    api: Api
    namespace: str
    name: str
    holder: str
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], str] = micro_now
    problem: str = ""
    _tenure: int | None = None
    _renewed_at_seconds: float = float("-inf")
    _seen: tuple[object, ...] | None = None
    _seen_at_seconds: float = field(default=float("-inf"))
    _greatest: int = 0

    def hold(self) -> bool:
        """Takes or renews the Lease when it is time to; returns whether this copy may act now."""
        if self._tenure is not None and self.clock() - self._renewed_at_seconds < RENEW_SECONDS:
            return True
        try:
            self._renew()
            self.problem = ""
        except Conflict:
            # Somebody else took it; the next look says who.
            self._tenure = None
        except Retryable as error:
            self.problem = str(error)
        return self._valid()

    def token(self) -> int:
        """Returns the number of this tenure.

        Raises:
            NotHeld: when the time since the last renewal is so long that another copy may act.
        """
        if self._tenure is None or not self._valid():
            self._tenure = None
            raise NotHeld(f"{self.holder} does not hold the Lease {self.namespace}/{self.name}")
        return self._tenure

    def outbid(self, token: int) -> None:
        """Gives up the tenure; if this copy is the holder all the same, its next one has a greater number.

        A Lease that was deleted and made anew would otherwise count from the beginning, and nobody could ever write.
        """
        self._tenure, self._greatest = None, max(self._greatest, token)

    def release(self) -> None:
        """Gives the Lease back, so that the other copy need not wait until it is over."""
        if self._tenure is None or not self._valid():
            return
        self._tenure = None
        try:
            record = self.api.read(LEASES, self.namespace, self.name)
            if record is not None and record["spec"].get("holderIdentity") == self.holder:
                spec = {key: value for key, value in record["spec"].items() if key != "holderIdentity"}
                self.api.replace(LEASES, self.namespace, self.name, {**record, "spec": spec})
        except Retryable:
            # It ends by itself, a few seconds later.
            return

    def _valid(self) -> bool:
        return self._tenure is not None and self.clock() - self._renewed_at_seconds < DEADLINE_SECONDS

    def _renew(self) -> None:
        asked_at_seconds = self.clock()
        record = self.api.read(LEASES, self.namespace, self.name)
        spec: Document = {} if record is None else record["spec"]
        holder = spec.get("holderIdentity", "")
        seen = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        if seen != self._seen:
            self._seen, self._seen_at_seconds = seen, asked_at_seconds
        lasts_seconds = spec.get("leaseDurationSeconds", DURATION_SECONDS)
        if holder not in ("", self.holder) and asked_at_seconds - self._seen_at_seconds < lasts_seconds:
            self._tenure = None
            return
        tenure, following = self._following(spec)
        if record is None:
            metadata = {"name": self.name, "namespace": self.namespace}
            document = {"apiVersion": LEASES.version, "kind": "Lease", "metadata": metadata, "spec": following}
            self.api.create(LEASES, self.namespace, document)
        else:
            self.api.replace(LEASES, self.namespace, self.name, {**record, "spec": {**spec, **following}})
        self._greatest = max(self._greatest, tenure)
        # From before the request on: another copy's clock may have begun to run when it was sent.
        self._tenure, self._renewed_at_seconds = tenure, asked_at_seconds

    def _following(self, spec: Document) -> tuple[int, Document]:
        """Returns the number of the tenure that goes on or begins, and what the Lease says of it."""
        before, now = int(spec.get("leaseTransitions", 0)), self.now()
        mine = spec.get("holderIdentity") == self.holder and before >= max(self._greatest, 1)
        tenure = before if mine else max(before, self._greatest) + 1
        return tenure, {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": spec.get("acquireTime", now) if mine else now,
            "renewTime": now,
            "leaseTransitions": tenure,
        }
