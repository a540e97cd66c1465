"""Starting, the lease, the control socket and what a wrong call to them gets."""

import json
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from shipway.contract.errors import Fatal, Retryable
from shipway.contract.route import RolloutState
from shipway.delivery.__main__ import main
from shipway.delivery.client import act
from shipway.delivery.control import Command, Commands, private_folder, serve_control
from shipway.delivery.controller import Controller
from shipway.delivery.decide import Action, Step
from shipway.delivery.lease import hold_lease
from shipway.delivery.measures import Measures
from shipway.delivery.process import prepare
from shipway.delivery.unix import UnixConnection
from tests.shipway.delivery.stack import PROJECT, Stack

COMMAND = Command(verb="promote", model="digits", actor="ada", reason="why")


@pytest.fixture
def socket_path(stack: Stack) -> Path:
    return stack.layout.delivery_socket


def test_the_gateway_finds_files_before_its_first_start(stack: Stack) -> None:
    """`prepare` writes the three files and then becomes the command it was given."""
    became: list[list[str]] = []
    prepare(stack.root, "test", ["envoy", "-c", "x"], lambda _, command: became.append(command))
    assert became == [["envoy", "-c", "x"]]
    files = sorted(path.name for path in (stack.layout.envoy / "dynamic").iterdir())
    assert files == ["cds.json", "lds.json", "rds.json"]
    assert "no model is deployed yet" in stack.layout.served_routes.read_text()


def test_a_gateway_program_that_is_not_there(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that cannot be started is one line and exit code 1."""
    assert main(["prepare", "--root", str(stack.root), "--env", "test", "--", "no-such-envoy"]) == 1
    assert capsys.readouterr().err == "error: cannot start 'no-such-envoy' (No such file or directory)\n"


def test_an_environment_elsewhere_has_no_gateway_process(capsys: pytest.CaptureFixture[str]) -> None:
    """Serving an environment on another target is refused, naming the target."""
    assert main(["serve", "--root", str(PROJECT), "--env", "onprem"]) == 1
    expected = "target: got 'kubernetes', expected local: only there does a gateway run as a process"
    assert expected in capsys.readouterr().err


def test_the_lease_has_one_holder(tmp_path: Path) -> None:
    """A second holder is refused with the first one's pid; the end of the block gives the lease back."""
    with hold_lease(tmp_path):
        expected = rf"another process holds the lease .*lease \(pid {os.getpid()}\)"
        with pytest.raises(Retryable, match=expected), hold_lease(tmp_path):
            pass
    with hold_lease(tmp_path):
        pass


def test_the_socket_is_private(socket_path: Path) -> None:
    """Only this user may enter the folder and use the socket, and both are refused otherwise."""
    with serve_control(socket_path, Commands()):
        assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
        assert stat.S_IMODE(socket_path.parent.stat().st_mode) == 0o700
    assert not socket_path.exists()
    socket_path.parent.chmod(0o755)
    with pytest.raises(Fatal, match=r"expected a folder of user \d+ with mode 0700, got drwxr-xr-x"):
        private_folder(socket_path.parent)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", "Expecting property name"),
        (b'{"verb": "destroy", "model": "m", "actor": "a", "reason": "r"}', "verb: got 'destroy'"),
        (b'{"verb": "promote", "model": "m", "actor": "a", "reason": ""}', "reason: got ''"),
        (b"", "Expecting value"),
    ],
)
def test_a_wrong_command_is_answered(socket_path: Path, body: bytes, expected: str) -> None:
    """Whatever comes through the socket gets a sentence back, and the process lives on."""
    with serve_control(socket_path, Commands()):
        connection = UnixConnection(socket_path, connect_timeout_seconds=1, timeout_seconds=1)
        connection.request("POST", "/", body)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
    assert response.status == 400
    assert expected in answer["error"]


class Held:
    """A controller that does what it is asked when it may, and keeps what it did."""

    def __init__(self) -> None:
        self.did, self.begun, self.may = list[str](), threading.Event(), threading.Event()

    def promote(self, model: str, *_: object, **__: object) -> Step:
        self.begun.set()
        assert self.may.wait(10)
        self.did.append(model)
        return Step(RolloutState(), Action.OVERRIDE, "done")


def test_a_command_that_nobody_came_to_is_never_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was told to ask again finds nothing changed later; the next command is carried out."""
    monkeypatch.setattr("shipway.delivery.control.ANSWER_TIMEOUT_SECONDS", 0.05)
    commands, controller = Commands(), Held()
    controller.may.set()
    status, answer = commands.ask(COMMAND)
    assert (status, answer["error"]) == (503, "the controller did not come to it within 0.05 s; ask again")
    commands.work(cast(Controller, controller), 1)
    assert controller.did == []
    monkeypatch.setattr("shipway.delivery.control.ANSWER_TIMEOUT_SECONDS", 10)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(commands.ask, COMMAND)
        commands.work(cast(Controller, controller), 10)
        assert (asked.result()[0], controller.did) == (200, ["digits"])


def test_a_command_that_is_under_way_is_answered_with_what_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that the loop has begun with is not given up; one that takes far too long is told as what it is."""
    commands, controller = Commands(), Held()
    with ThreadPoolExecutor(2) as threads:
        monkeypatch.setattr("shipway.delivery.control.ANSWER_TIMEOUT_SECONDS", 1.0)
        asked = threads.submit(commands.ask, COMMAND)
        working = threads.submit(commands.work, cast(Controller, controller), 5)
        assert controller.begun.wait(5)
        with pytest.raises(TimeoutError):
            asked.result(1.2)
        controller.may.set()
        assert (asked.result(5)[0], controller.did) == (200, ["digits"])
        working.result(5)
        controller.may.clear()
        monkeypatch.setattr("shipway.delivery.control.ANSWER_TIMEOUT_SECONDS", 0.2)
        asked = threads.submit(commands.ask, COMMAND)
        working = threads.submit(commands.work, cast(Controller, controller), 5)
        status, answer = asked.result(5)
        controller.may.set()
        working.result(5)
    assert (status, answer) == (
        409,
        {"error": "the controller began with it and has not ended; `shipway status digits` shows what came of it"},
    )


def test_a_silent_holder_of_the_lease_is_named(stack: Stack) -> None:
    """Without a socket but with a held lease the command line does nothing and says who holds it."""
    with (
        hold_lease(stack.layout.delivery),
        pytest.raises(Retryable, match=rf"another process holds the lease .*\(pid {os.getpid()}\)"),
    ):
        act(stack.layout, stack.base_port, stack.base_port + 1, COMMAND)


def test_the_command_line_needs_the_gateway(stack: Stack) -> None:
    """With gateway and delivery down a promotion is refused in one sentence."""
    with pytest.raises(Retryable, match=f"the gateway does not answer on its admin port {stack.base_port + 1}"):
        act(stack.layout, stack.base_port, stack.base_port + 1, COMMAND)


def test_the_process_is_light() -> None:
    """The process that must always run imports neither a science stack nor a web framework, and stays below 80 MB."""
    program = (
        "import re, sys; import shipway.delivery.process, shipway.delivery.measures;"
        "heavy = {'numpy', 'pandas', 'scipy', 'bentoml', 'feast', 'mlflow', 'pulumi', 'starlette'} & set(sys.modules);"
        # Not ru_maxrss: that also counts the parent, from before this program replaced it.
        "print(sorted(heavy), re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy, peak_kib = done.stdout.rsplit(" ", 1)
    assert heavy == "[]"
    assert int(peak_kib) < 80 * 1024


def test_metrics_show_a_finished_round() -> None:
    """A round sets the heartbeat and names each problem; a problem that is gone disappears."""
    measures = Measures()
    measures.show({}, {"gateway": "down"})
    assert measures.registry.get_sample_value("shipway_delivery_problem", {"subject": "gateway"}) == 1
    measures.show({}, {})
    assert measures.registry.get_sample_value("shipway_delivery_problem", {"subject": "gateway"}) is None
    assert measures.registry.get_sample_value("shipway_heartbeat_timestamp_seconds", {"job": "delivery"})


def test_a_ledger_that_takes_nothing_stops_its_own_heartbeat_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delivery beats on; a copy that waits says nothing of the ledger, which it does not keep."""
    monkeypatch.setattr("shipway.delivery.measures.time.time", lambda: 100.0)
    measures = Measures()

    def beat(job: str) -> float | None:
        return measures.registry.get_sample_value("shipway_heartbeat_timestamp_seconds", {"job": job})

    measures.show({}, {}, leads=False)
    assert (beat("delivery"), beat("ledger")) == (100.0, None)
    measures.show({}, {})
    monkeypatch.setattr("shipway.delivery.measures.time.time", lambda: 200.0)
    measures.show({}, {"ledger": "the disk is full"})
    assert (beat("delivery"), beat("ledger")) == (200.0, 100.0)
    measures.disk(tmp_path)
    used, size = (
        measures.registry.get_sample_value("shipway_disk_bytes", {"volume": "state", "kind": kind})
        for kind in ("used", "size")
    )
    assert used is not None
    assert size is not None
    assert 0 < used <= size
