"""Processes of a stack, and ports that somebody has."""

import os
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from shipway.contract.environment import PortsSpec
from shipway.contract.errors import SpecError
from shipway.contract.layout import PROCESS_MARKER, LocalLayout
from tools import ports, processes

LISTEN = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.fixture
def layout(tmp_path: Path) -> LocalLayout:
    """A local stack of its own."""
    return LocalLayout(tmp_path, "local")


@pytest.fixture
def server(layout: LocalLayout) -> Generator[tuple[int, int]]:
    """A process of that stack which listens; its number and its port."""
    code = f"{LISTEN}\nsys.stdin.read()"
    environ = os.environ | {PROCESS_MARKER: str(layout.state)}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], env=environ, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.kill()


class OnePort(PortsSpec):
    """Every fixed port is the base: its neighbours belong to whoever runs beside this test."""

    @property
    def platform(self) -> dict[str, int]:
        return {"gateway": self.base}


def spec(port: int) -> PortsSpec:
    """Returns ports of which `port` is every fixed one."""
    return OnePort.model_construct(base=port, span=40)


def test_a_stack_knows_its_own_processes(layout: LocalLayout, server: tuple[int, int], tmp_path: Path) -> None:
    """The marker names one stack; another stack's, and everybody else's, processes are not among them."""
    assert processes.marked(layout.state) == [server[0]]
    assert processes.marked(LocalLayout(tmp_path, "loca").state) == []


def test_a_port_leads_to_who_listens(server: tuple[int, int]) -> None:
    """The listener on a port is found by its number, and a port without one gives none."""
    pid, port = server
    assert processes.listener(port) == pid
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert processes.listener(unused.getsockname()[1]) is None


def test_a_taken_port_names_who_has_it_and_what_to_change(tmp_path: Path, server: tuple[int, int]) -> None:
    """The error gives the file, the key, the base, the port, and the process that has it."""
    pid, port = server
    other = LocalLayout(tmp_path / "other", "local")
    with pytest.raises(SpecError) as caught:
        ports.require_free(other, spec(port))
    assert str(caught.value) == (
        f"{tmp_path / 'other' / 'stacks' / 'Pulumi.local.yaml'}: config.shipway:environment.ports.base: got {port}, "
        f"expected a base whose next ports are free: port {port} is taken by process {pid} ({processes.name(pid)}); "
        "stop that, or choose another base"
    )


def test_a_stacks_own_port_is_no_obstacle(layout: LocalLayout, server: tuple[int, int]) -> None:
    """A running stack can be brought up again: what it listens on itself is not taken."""
    ports.require_free(layout, spec(server[1]))


def test_stopping_ends_the_stack_and_nobody_else(layout: LocalLayout, server: tuple[int, int]) -> None:
    """The stack's processes are asked to end and are gone; the count of those found comes back."""
    assert processes.stop(layout.state) == [server[0]]
    assert processes.marked(layout.state) == []
    assert processes.stop(layout.state) == []


def test_a_process_that_will_not_end_is_ended(layout: LocalLayout) -> None:
    """After the grace, SIGKILL follows SIGTERM."""
    environ = os.environ | {PROCESS_MARKER: str(layout.state)}
    code = f"{STUBBORN}\nprint('ready', flush=True); import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert processes.stop(layout.state, grace_seconds=0.3) == [process.pid]
        assert process.wait(10) == -9


def test_an_ended_process_is_not_alive() -> None:
    """A process that ended and was not yet waited for does not count as running."""
    with subprocess.Popen([sys.executable, "-c", "print('done', flush=True)"], stdout=subprocess.PIPE) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not processes.alive(process.pid)
    assert processes.alive(os.getpid())
