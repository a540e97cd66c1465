"""A process with limits of time and memory, and with it everything that it starts.

`memory_mib` is what a person means by it: resident memory, of the process and its children together, as a cluster
counts it. The kernel has no such limit outside a cgroup. A limit of address space is no substitute: numpy, Arrow and
Feast reserve far more than they use (measured on the flights: 617 MiB resident at the most, 1,655 MiB of data, 2,486
MiB of addresses). So resident memory is looked at ten times a second, and RLIMIT_DATA, with room for what is only
reserved, stops what grows faster than that.
"""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from shipway.contract.errors import ShipwayError

__all__ = ["Limits", "bind_to_parent", "limit_data", "run_limited"]

_MIB = 1024 * 1024
_LOOK_SECONDS = 0.1
# What is reserved and never used: see above, twice what was measured.
_RESERVED_MIB = 2048
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Limits:
    """How long a process may take, and how much memory it may hold, with all that it starts."""

    timeout_seconds: float
    memory_mib: int


def run_limited(
    command: Sequence[str], limits: Limits, say: Callable[[str], None], *, cwd: Path, env: Mapping[str, str]
) -> int:
    """Returns the exit status of `command`; what it prints is told line by line while it runs.

    It has a session of its own: at a limit, or when the caller is interrupted, all of it is killed. Its temporary files
    lie in a folder that goes with it, for what is killed removes nothing.

    Raises:
        ShipwayError: when it was ended at a limit; the sentence names it.
    """
    with tempfile.TemporaryDirectory(prefix="shipway-limited-") as scratch:
        return _run(command, limits, say, cwd, {**env, "TMPDIR": scratch})


def limit_data(memory_mib: int) -> None:
    """Lets this process and its children have no more data than `memory_mib` and what is only reserved: MemoryError."""
    limit = (memory_mib + _RESERVED_MIB) * _MIB
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def bind_to_parent(parent: int) -> None:
    """Sees to it that this process is killed when its parent, whose id is `parent`, dies, however that happens."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It died before it was asked about.
        os.kill(os.getpid(), signal.SIGKILL)


def _run(command: Sequence[str], limits: Limits, say: Callable[[str], None], cwd: Path, env: Mapping[str, str]) -> int:
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    if process.stdout is None:
        raise ValueError("expected a pipe for what it prints")
    reader = threading.Thread(target=_tell, args=(process.stdout, say), daemon=True)
    reader.start()
    try:
        problem = _watch(process, limits)
    finally:
        _kill_group(process)
        reader.join(timeout=5)
    if problem:
        raise ShipwayError(problem)
    return process.returncode


def _watch(process: "subprocess.Popen[str]", limits: Limits) -> str:
    """Returns why the process must end, empty when it ended by itself."""
    deadline = time.monotonic() + limits.timeout_seconds
    while True:
        try:
            process.wait(timeout=_LOOK_SECONDS)
            return ""
        except subprocess.TimeoutExpired:
            held = _resident_mib(process.pid)
        if held > limits.memory_mib:
            return f"it held {held:.0f} MiB, expected at most memory_mib ({limits.memory_mib}); it was ended"
        if time.monotonic() > deadline:
            return f"it took longer than timeout_seconds ({limits.timeout_seconds:g}); it was ended"


def _resident_mib(pid: int) -> float:
    """Returns what the process and its descendants hold; memory that they share counts for each."""
    held = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for one in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                held += one.memory_info().rss
    return held / _MIB


def _kill_group(process: "subprocess.Popen[str]") -> None:
    # Also after it ended by itself: what it left behind has nobody to end it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tell(lines: IO[str], say: Callable[[str], None]) -> None:
    with lines:
        for line in lines:
            say(line.rstrip("\n"))
