"""A supervisord of the test's own, below a temporary folder, gone when the test is."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components.local.providers.rpc import SupervisorClient
from components.local.providers.supervisor import _CONFIG, SupervisorProvider


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Yields the inputs of a supervisord that runs."""
    folder, sockets = tmp_path / "supervisor", tmp_path / "s"
    props = {
        "state": str(tmp_path),
        "logs": str(tmp_path / "logs"),
        "config": str(folder / "supervisord.conf"),
        "socket": str(sockets / "supervisor.sock"),
        "text": _CONFIG.format(socket=sockets / "supervisor.sock", folder=folder),
    }
    provider = SupervisorProvider()
    try:
        provider.create(props)
        yield props
    finally:
        provider.delete("", props)


@pytest.fixture
def client(supervisor: dict[str, Any]) -> SupervisorClient:
    return SupervisorClient(Path(supervisor["socket"]))


@pytest.fixture
def process(supervisor: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Returns a maker of a process's inputs; by default it sleeps."""

    def make(name: str = "sleeper", *command: str, **others: Any) -> dict[str, Any]:
        return {
            "name": name,
            "command": list(command) or ["/bin/sleep", "600"],
            "directory": "/",
            "environment": {"SHIPWAY_READS": ""},
            "ports": [],
            "start_seconds": 1,
            "log": str(Path(supervisor["logs"]) / f"{name}.log"),
            "conf": str(Path(supervisor["config"]).parent / "conf.d" / f"{name}.conf"),
            "socket": supervisor["socket"],
            **others,
        }

    return make


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]
