"""The fixed ports of a local stack, looked at before anything is made."""

import socket
from pathlib import Path

from shipway.contract.environment import ENVIRONMENT_KEY, PortsSpec, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.layout import LocalLayout
from tools import processes

__all__ = ["require_free"]


def require_free(layout: LocalLayout, ports: PortsSpec) -> None:
    """Does nothing where each fixed port is free, or taken by this very stack.

    Raises:
        SpecError: naming the port, who has it where that is known, and the key to change.
    """
    ours = set(processes.marked(layout.state))
    for port in ports.platform.values():
        if _is_free(port):
            continue
        pid = processes.listener(port)
        if pid in ours:
            continue
        who = f"process {pid} ({processes.name(pid)})" if pid else "a process that cannot be seen"
        path: Path = environment_path(layout.root, layout.environment)
        expected = f"a base whose next ports are free: port {port} is taken by {who}; stop that, or choose another base"
        raise SpecError(path, f"config.{ENVIRONMENT_KEY}.ports.base", ports.base, expected)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection that has just ended keeps nobody from listening.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
