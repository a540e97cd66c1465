"""The lease: one process at a time may change the routes, and the kernel gives it back when that process dies."""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from shipway.contract.errors import Retryable

__all__ = ["LeaseHeld", "hold_lease"]

_RETRY_SECONDS = 1.0
_POLL_SECONDS = 0.02


class LeaseHeld(Retryable):
    """Another process may change the routes now."""


@contextmanager
def hold_lease(folder: Path, patience_seconds: float = 0.0) -> Generator[None]:
    """Holds the lease in `folder` for as long as the block runs.

    A file lock needs no fencing token: it ends with its process, never before, so no late write can follow its loss.

    Args:
        folder: delivery's own.
        patience_seconds: how long to wait for a holder that is about to end.

    Raises:
        LeaseHeld: when another process holds it, naming that process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lease"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + patience_seconds
        while not _lock(handle):
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "not named yet"
                raise LeaseHeld(f"another process holds the lease {path} (pid {holder})", _RETRY_SECONDS)
            time.sleep(_POLL_SECONDS)
        os.truncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
