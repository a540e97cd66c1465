"""The lease: one process at a time may change the routes, and the kernel gives it back when that process dies."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from shipway.contract.errors import Retryable

__all__ = ["hold_lease"]

_RETRY_SECONDS = 1.0


@contextmanager
def hold_lease(folder: Path) -> Generator[None]:
    """Holds the lease in `folder` for as long as the block runs.

    A file lock needs no fencing token: it ends with its process, never before, so no late write can follow its loss.

    Raises:
        Retryable: when another process holds it, naming that process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lease"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "not named yet"
            raise Retryable(f"another process holds the lease {path} (pid {holder})", _RETRY_SECONDS) from None
        os.truncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
