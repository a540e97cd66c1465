"""What this machine runs: processes, who started them, and who listens where; read from the kernel alone."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.contract.layout import PROCESS_MARKER

__all__ = ["Process", "carrying", "listener", "port_is_free", "runs", "strays"]

_PROC = Path("/proc")
_LISTENS = "0A"
_SUPERVISOR = "supervisord"


@dataclass(frozen=True)
class Process:
    """One process: its number, its parent's, its name and its command line."""

    pid: int
    parent: int
    name: str
    command: str

    @property
    def supervises(self) -> bool:
        """Whether it is a stack's supervisor."""
        return _SUPERVISOR in self.command


def carrying(state: Path, proc: Path = _PROC) -> dict[int, Process]:
    """Returns pid -> process of the stack whose state folder is `state`; another person's cannot be seen."""
    wanted = f"{PROCESS_MARKER}={state}".encode()
    found: dict[int, Process] = {}
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if wanted not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            after_name = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            name = (folder / "comm").read_text(encoding="utf-8").strip()
        except OSError:  # gone, or another person's
            continue
        if after_name[0] != "Z":
            found[int(folder.name)] = Process(int(folder.name), int(after_name[1]), name, command)
    return found


def strays(processes: Mapping[int, Process]) -> list[Process]:
    """Returns the processes of a stack that no supervisor of it stands above."""
    found: list[Process] = []
    for process in processes.values():
        above: Process | None = process
        while above is not None and not above.supervises:
            above = processes.get(above.parent)
        if above is None:
            found.append(process)
    return sorted(found, key=lambda process: process.pid)


def runs(pid: int, proc: Path = _PROC) -> bool:
    """Returns whether a process of this number is there."""
    return (proc / str(pid)).exists()


def port_is_free(port: int) -> bool:
    """Returns whether a server could listen on loopback `port` now."""
    with socket.socket() as probe:
        # As servers do: a connection that has just ended keeps nobody from listening.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listener(port: int, proc: Path = _PROC) -> tuple[int, str] | None:
    """Returns pid and name of the process that listens on TCP `port`; None where it cannot be seen."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port, proc)}
    for folder in proc.iterdir():
        if not folder.name.isdigit() or not inodes:
            continue
        try:
            if any(str(handle.readlink()) in inodes for handle in (folder / "fd").iterdir()):
                return int(folder.name), (folder / "comm").read_text(encoding="utf-8").strip()
        except OSError:  # gone, or another person's
            continue
    return None


def _listening(port: int, proc: Path) -> list[str]:
    inodes: list[str] = []
    for name in ("tcp", "tcp6"):
        try:
            rows = (proc / "net" / name).read_text(encoding="utf-8").splitlines()[1:]
        except OSError:
            continue
        fields = (row.split() for row in rows)
        inodes += [one[9] for one in fields if one[3] == _LISTENS and int(one[1].rpartition(":")[2], 16) == port]
    return inodes
