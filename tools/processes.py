"""The processes of a local stack, found by the marker each carries in its environment; no other is ever touched."""

import contextlib
import os
import signal
import time
from pathlib import Path

from shipway.contract.layout import PROCESS_MARKER

__all__ = ["alive", "carrying", "listener", "marked", "name", "stop"]

PROC = Path("/proc")
# A slot lets requests under way finish for 15 s before it ends by itself.
GRACE_SECONDS = 20.0
LISTEN = "0A"


def marked(state: Path) -> list[int]:
    """Returns the processes that carry the stack whose state folder is `state`."""
    return carrying(PROCESS_MARKER, str(state))


def carrying(variable: str, value: str) -> list[int]:
    """Returns the processes that were started with `variable` set to `value`."""
    wanted = f"{variable}={value}".encode()
    return sorted(pid for pid in _pids() if wanted in _environ(pid))


def stop(state: Path, grace_seconds: float = GRACE_SECONDS) -> list[int]:
    """Ends the stack's processes, by SIGTERM and, after the grace, by SIGKILL, and returns those it found."""
    found = marked(state)
    for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + seconds
        signalled: set[int] = set()
        # Asked anew each time: a supervisor may start one more, and a number may come to mean somebody else's process.
        while (left := marked(state)) and time.monotonic() < deadline:
            for pid in set(left) - signalled:
                _signal(pid, number)
            signalled |= set(left)
            time.sleep(0.1)
    return found


def listener(port: int) -> int | None:
    """Returns the process that listens on TCP `port`, None where there is none or it cannot be seen."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not inodes:
        return None
    for pid in _pids():
        try:
            if any(str(handle.readlink()) in inodes for handle in (PROC / str(pid) / "fd").iterdir()):
                return pid
        except OSError:  # gone, or another person's
            continue
    return None


def name(pid: int) -> str:
    """Returns the name of a process, empty when it is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Returns whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return (PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def _environ(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # gone, or another person's
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _listening_inodes(port: int) -> list[str]:
    inodes: list[str] = []
    for table in ("tcp", "tcp6"):
        try:
            rows = (PROC / "net" / table).read_text(encoding="utf-8").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.append(fields[9])
    return inodes
