"""A checkup finds what is wrong, names it, and says what to do."""

import fcntl
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from shipway.contract.environment import PortsSpec
from shipway.contract.layout import PROCESS_MARKER, LocalLayout
from shipway.contract.workers import WORKERS
from shipway.delivery import checkup
from shipway.delivery.checkup import check_disk, check_heartbeat, check_locks, check_ports, check_processes
from shipway.delivery.machine import Process, carrying, listener, port_is_free, strays
from tests.e2e.machine import free_base

PORTS = PortsSpec(base=8080)


def process(pid: int, parent: int, command: str = "python") -> Process:
    return Process(pid, parent, command, command)


def test_ports_are_free_ours_or_somebodys() -> None:
    """A port of this stack's process is fine; another's is named with its holder and what to do."""
    holders = {8080: (10, "envoy"), 8082: (99, "nginx"), 8083: None}
    found = check_ports(PORTS, {10: process(10, 1)}, "local", lambda port: port not in holders, lambda p: holders[p])
    seen = {one.subject: (one.ok, one.detail) for one in found}
    assert seen["port 8080 (gateway)"] == (True, "held by this stack's process 10 (envoy)")
    assert seen["port 8081 (gateway admin)"] == (True, "free")
    assert seen["port 8082 (prometheus)"] == (False, "taken by process 99 (nginx), which is none of this stack's")
    assert seen["port 8083 (delivery metrics)"][1].startswith("taken by a process that cannot be seen")
    (remedy,) = {one.remedy for one in found if "8082" in one.subject}
    assert remedy == "stop process 99 (nginx), or choose another ports.base in stacks/Pulumi.local.yaml"


def test_a_full_disk_is_a_problem(tmp_path: Path) -> None:
    """Below the least, the folder's disk and what to free are named, also before the folder exists."""
    assert check_disk(tmp_path / "not" / "yet", 0).ok
    found = check_disk(tmp_path, 10**9)
    assert (found.ok, found.remedy) == (
        False,
        "free at least 1000000000 MiB; `make clean` removes what can be made again",
    )


def test_processes_without_a_supervisor_are_stale(tmp_path: Path) -> None:
    """What hangs below a supervisor is fine, at any depth; what outlived it is named."""
    tree = {
        5: process(5, 1, "supervisord -c x"),
        6: process(6, 5),
        7: process(7, 6),
        8: process(8, 1),
        9: process(9, 8),
    }
    assert [one.pid for one in strays(tree)] == [8, 9]
    layout = LocalLayout(tmp_path, "local")
    found = {one.subject: one for one in check_processes(layout, tree, {"gateway": "RUNNING"}, "up")}
    assert found["stale processes"].detail == "without a supervisor: 8 (python), 9 (python)"
    assert found["supervisor"].ok
    found = {one.subject: one for one in check_processes(layout, {}, None, "up")}
    assert found["supervisor"].detail == "not started; up starts the stack"
    found = {one.subject: one for one in check_processes(layout, {}, {"delivery": "FATAL"}, "up")}
    assert found["processes"].detail == "down: delivery (FATAL)"
    layout.routes.mkdir(parents=True)
    (layout.routes / "digits.json").write_text("{}")
    found = {one.subject: one for one in check_processes(layout, {}, None, "up")}
    assert found["supervisor"].detail == f"does not answer at {layout.supervisor_socket}"


def test_a_lock_of_a_process_that_is_gone_is_stale(tmp_path: Path) -> None:
    """A living holder's lock is none; a dead one's, and one that cannot be read, are named with the command."""
    layout = LocalLayout(tmp_path, "local")
    folder = tmp_path / ".shipway/pulumi/state/.pulumi/locks/organization/shipway/local"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps({"pid": 4711}))
    alive, dead = (
        {one.subject: one for one in check_locks(layout, lambda _pid, here=here: here)} for here in (True, False)
    )
    assert alive["stack lock"].ok
    assert dead["stack lock"].detail == f"{folder / 'a.json'} of process 4711, which is gone"
    assert dead["stack lock"].remedy == "`pulumi cancel -s local --yes`"
    (folder / "a.json").write_text("{")
    assert check_locks(layout)[1].detail == f"{folder / 'a.json'} cannot be read"


def test_the_lease_says_who_holds_it(tmp_path: Path) -> None:
    """A lease in force names its holder; one whose holder is gone stands in nobody's way."""
    layout = LocalLayout(tmp_path, "local")
    assert check_locks(layout)[0].detail == "nobody ever held it"
    layout.delivery.mkdir(parents=True)
    path = layout.delivery / "lease"
    path.write_text("123\n")
    assert check_locks(layout)[0].detail == "free"
    with path.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert check_locks(layout)[0].detail == "held by process 123"


@pytest.mark.parametrize(
    ("lines", "ok", "detail"),
    [
        (['shipway_heartbeat_timestamp_seconds{job="delivery"} 99.0'], True, "finished its last round 1.0 s ago"),
        (['shipway_heartbeat_timestamp_seconds{job="delivery"} 40.0'], False, "finished its last round 60 s ago"),
        (['shipway_heartbeat_timestamp_seconds{job="labels"} 99.0'], False, "has finished no round yet, says port 1"),
        (["up 1"], False, "has finished no round yet, says port 1"),
    ],
)
def test_a_heartbeat_grows_old(monkeypatch: pytest.MonkeyPatch, lines: list[str], ok: bool, detail: str) -> None:
    """A round of late is well; an old one, or none, is not."""

    class Connection:
        def __init__(self, *_: object, **__: object) -> None:
            """Connects to nothing."""

        def request(self, *_: object) -> None:
            """Asks nothing."""

        def getresponse(self) -> "Connection":
            return self

        def read(self) -> bytes:
            return "\n".join(lines).encode()

        def close(self) -> None:
            """Closes nothing."""

    monkeypatch.setattr(checkup.http.client, "HTTPConnection", Connection)
    found = check_heartbeat("delivery", 1, {}, 100.0, "up")
    assert (found.ok, found.detail) == (ok, detail)


def test_a_silent_delivery_is_a_problem_only_while_the_stack_runs() -> None:
    """With nothing started, nobody is missed."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        found = check_heartbeat("delivery", port, {}, 0.0, "up")
    assert (found.subject, found.ok, found.remedy) == ("delivery", False, "up")
    assert check_heartbeat("delivery", 1, None, 0.0, "up").ok


def test_each_worker_is_asked_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that hangs runs all the same for its supervisor: only its own page tells."""
    monkeypatch.setattr(checkup, "process_states", lambda _socket: {"delivery": "RUNNING"})
    ports = PortsSpec(base=free_base())
    found = {one.subject: one for one in checkup.check_stack(LocalLayout(tmp_path, "local"), ports) if not one.ok}
    assert set(WORKERS) <= found.keys()
    assert f"on port {ports.worker_metrics('labels')}" in found["labels"].detail
    assert found["labels"].remedy.endswith("end it when it hangs, the supervisor starts it again")


def test_a_process_is_found_by_its_marker_and_its_port(tmp_path: Path) -> None:
    """A real process that carries the stack and listens is found by both; before and after it there is nothing."""
    program = (
        "import socket, sys; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen();"
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {PROCESS_MARKER: str(tmp_path)},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        port = int(child.stdout.readline())
        assert set(carrying(tmp_path)) == {child.pid}
        held = listener(port)
        assert held is not None
        assert held[0] == child.pid
        assert not port_is_free(port)
    finally:
        child.stdin.close()
        child.wait()
        child.stdout.close()
    assert carrying(tmp_path) == {}
    assert listener(port) is None
    assert port_is_free(port)
