"""What this machine runs: processes, who started them, and who listens where."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from shipway.contract.layout import PROCESS_MARKER

__all__ = ["Process", "carrying", "listener", "port_is_free", "strays"]

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


def carrying(state: Path) -> dict[int, Process]:
    """Returns pid -> process of the stack whose state folder is `state`; another person's cannot be seen."""
    found: dict[int, Process] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(PROCESS_MARKER) == str(state) and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = Process(process.pid, process.ppid(), process.name(), " ".join(process.cmdline()))
        except psutil.Error:  # gone, or another person's
            continue
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


def listener(port: int) -> tuple[int, str] | None:
    """Returns pid and name of the process that listens on TCP `port`; None where it cannot be seen."""
    for one in psutil.net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
            try:
                return one.pid, psutil.Process(one.pid).name()
            except psutil.Error:  # gone meanwhile
                return None
    return None
