"""One at a time: a lock that ends with its process, however that process ends."""

import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from tools.errors import BusyError

__all__ = ["exclusive"]


@contextmanager
def exclusive(path: Path, work: str, *, on_wait: Callable[[str], None] | None = None) -> Generator[None]:
    """Holds the lock file `path` for the duration of the block.

    Args:
        path: the lock file; it stays behind, unlocked.
        work: what is being done, for the message.
        on_wait: told once when the lock is taken, before waiting for it; None refuses instead.

    Raises:
        BusyError: when another process holds the lock and `on_wait` is None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # flock, not a file's mere existence: the kernel lets go of it when the holder is killed.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy = BusyError(work, _holder(handle), path)
            if on_wait is None:
                raise busy from None
            on_wait(f"{work} is under way in process {busy.pid}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def _holder(handle: int) -> int | None:
    text = os.pread(handle, 20, 0).decode(errors="replace")
    return int(text) if text.isdigit() else None
