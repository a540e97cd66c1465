"""One process under a real supervisord: made, looked at, repaired, changed and taken away."""

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from supervisor.options import UnhosedConfigParser

from components.local.providers.base import IN_PLACE
from components.local.providers.process import ProcessProvider, fingerprint, render_program
from components.local.providers.rpc import SupervisorClient, wait_until
from shipway.contract.errors import ShipwayError

Make = Callable[..., dict[str, Any]]

PROVIDER = ProcessProvider()

PROPS = {
    "name": "p",
    "command": ["/bin/a b", "%", "it's"],
    "directory": "/100%",
    "environment": {"A": "50%"},
    "start_seconds": 1.0,
    "log": "/l",
}


def _alive(pid: int) -> bool:
    """Returns whether the process runs; one that has ended but was not yet reaped by its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _pid(client: SupervisorClient, name: str) -> int:
    info = client.info(name)
    assert info is not None
    return int(info["pid"])


def _status(props: dict[str, Any]) -> str:
    return PROVIDER.read("", props).outs["status"]


def test_percent_signs_and_spaces_survive_supervisords_own_syntax() -> None:
    """supervisord expands % and splits commands as a shell does; both get back what was meant."""
    parser = UnhosedConfigParser()
    parser.read_string(render_program(PROPS))
    section = "program:p"
    command = parser.saneget(section, "command", do_expand=True, expansions={"here": "/"})
    assert shlex.split(command) == PROPS["command"]
    assert parser.saneget(section, "directory", do_expand=True, expansions={"here": "/"}) == "/100%"


@pytest.mark.parametrize("text", ["a ;b", "a #b", "a\nb"])
def test_text_that_would_be_cut_is_refused(text: str) -> None:
    """supervisord cuts a value at a comment sign, silently."""
    with pytest.raises(ShipwayError, match="expected a command or path without line breaks, ' ;' and ' #'"):
        render_program({**PROPS, "directory": text})


def test_a_quote_in_a_variable_is_refused() -> None:
    """supervisord strips quotes from a variable's value."""
    with pytest.raises(ShipwayError, match="environment variable A: got 'x\"y', expected no quotes"):
        render_program({**PROPS, "environment": {"A": 'x"y'}})


def test_a_fingerprint_tells_texts_apart() -> None:
    """Moving a character from one file to the next is a change."""
    assert fingerprint("ab", "c") != fingerprint("a", "bc")


@pytest.mark.e2e
def test_a_created_process_runs_and_no_process_id_is_kept(process: Make, client: SupervisorClient) -> None:
    """Outputs hold nothing that a respawn changes."""
    created = PROVIDER.create(process())
    assert created.id == "sleeper"
    assert created.outs["status"] == IN_PLACE
    assert _pid(client, "sleeper") not in created.outs.values()


@pytest.mark.e2e
def test_what_is_there_already_is_adopted(process: Make, client: SupervisorClient) -> None:
    """A create that was interrupted after its work is done over without a restart."""
    PROVIDER.create(process())
    before = _pid(client, "sleeper")
    PROVIDER.create(process())
    assert _pid(client, "sleeper") == before


@pytest.mark.e2e
def test_a_respawned_process_is_no_drift(process: Make, client: SupervisorClient) -> None:
    """After `kill -9` supervisord starts it again, and a look finds it in place."""
    props = process()
    PROVIDER.create(props)
    before = _pid(client, "sleeper")
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: _pid(client, "sleeper") not in (0, before), 5)
    assert _status(props) == IN_PLACE


def _stop(client: SupervisorClient, props: dict[str, Any]) -> None:
    client._call("stopProcess", props["name"])


def _remove(client: SupervisorClient, props: dict[str, Any]) -> None:
    client.remove(props["name"])


def _edit(_client: SupervisorClient, props: dict[str, Any]) -> None:
    conf = Path(props["conf"])
    conf.write_text(conf.read_text().replace("600", "601"))


def _unlink(_client: SupervisorClient, props: dict[str, Any]) -> None:
    Path(props["conf"]).unlink()


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("harm", "expected"), [(_stop, "stopped"), (_remove, "removed"), (_edit, "edited"), (_unlink, "removed")]
)
def test_what_people_do_to_a_process_is_drift_and_is_repaired(
    process: Make, client: SupervisorClient, harm: Callable[[SupervisorClient, dict[str, Any]], None], expected: str
) -> None:
    """Stopped, removed or edited behind Pulumi's back: a read says so, the diff asks for an update, which heals."""
    props = process()
    PROVIDER.create(props)
    harm(client, props)
    found = PROVIDER.read("", props).outs
    assert found["status"] == expected
    assert PROVIDER.diff("", found, props).changes
    PROVIDER.update("", found, props)
    assert _status(props) == IN_PLACE


@pytest.mark.e2e
def test_a_process_that_gave_up_is_drift(process: Make, client: SupervisorClient, tmp_path: Path) -> None:
    """One that starts well and later dies at once again and again ends FATAL, and a look says so."""
    switch = tmp_path / "switch"
    switch.touch()
    props = process("giver", "/bin/sh", "-c", f"test -e {switch} && exec sleep 600; exit 1")
    PROVIDER.create(props)
    switch.unlink()
    os.kill(_pid(client, "giver"), signal.SIGKILL)
    assert wait_until(lambda: (client.info("giver") or {})["statename"] == "FATAL", 20)
    assert _status(props) == "fatal"


@pytest.mark.e2e
def test_a_change_restarts_its_own_process_only(process: Make, client: SupervisorClient) -> None:
    """Another fingerprint is another process; the neighbour keeps its own."""
    for name in ("one", "two"):
        PROVIDER.create(process(name))
    before = {name: _pid(client, name) for name in ("one", "two")}
    changed = process("one", environment={"SHIPWAY_READS": "other"})
    assert PROVIDER.diff("", {**process("one"), "status": IN_PLACE}, changed).changes
    PROVIDER.update("", process("one"), changed)
    assert _pid(client, "one") != before["one"]
    assert _pid(client, "two") == before["two"]


@pytest.mark.e2e
def test_a_taken_port_is_refused_by_name(process: Make, client: SupervisorClient, taken_port: int) -> None:
    """The port and the key to change are named, and nothing of the process stays behind."""
    props = process(ports=[float(taken_port)])
    with pytest.raises(ShipwayError, match=f"sleeper: port {taken_port} is taken by another process, expected it free"):
        PROVIDER.create(props)
    assert client.info("sleeper") is None
    assert not Path(props["conf"]).exists()


@pytest.mark.e2e
def test_a_process_that_dies_at_once_is_refused_with_its_last_words(process: Make, client: SupervisorClient) -> None:
    """The log's end stands in the error; supervisord does not go on trying."""
    props = process("crasher", "/bin/sh", "-c", "echo no such model; exit 3")
    with pytest.raises(
        ShipwayError, match=r"crasher: (BACKOFF|FATAL) after its start, expected RUNNING; .*no such mod"
    ):
        PROVIDER.create(props)
    assert client.info("crasher") is None


@pytest.mark.e2e
def test_a_deleted_process_is_gone_and_a_second_delete_is_fine(process: Make, client: SupervisorClient) -> None:
    """Neither process, nor file, nor supervisord's memory of it."""
    props = process()
    PROVIDER.create(props)
    pid = _pid(client, "sleeper")
    for _ in range(2):
        PROVIDER.delete("", props)
    assert client.info("sleeper") is None
    assert not Path(props["conf"]).exists()
    assert not _alive(pid)


@pytest.mark.e2e
def test_a_process_goes_also_when_the_stacks_files_are_gone(
    process: Make, client: SupervisorClient, supervisor: dict[str, Any]
) -> None:
    """Whoever removed the state's folder first can still destroy the stack: ending a process needs no file."""
    props = process()
    PROVIDER.create(props)
    pid = _pid(client, "sleeper")
    shutil.rmtree(Path(supervisor["config"]).parent)
    PROVIDER.delete("", props)
    assert client.info("sleeper") is None
    assert not _alive(pid)


@pytest.mark.e2e
def test_requests_under_way_end_before_a_process_is_replaced(process: Make, tmp_path: Path) -> None:
    """An update waits for a process that needs a while to finish its work after SIGTERM."""
    done = tmp_path / "done"
    ready = tmp_path / "ready"
    program = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        f"    time.sleep(5); pathlib.Path({str(done)!r}).touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "while True: time.sleep(60)\n"
    )
    source = tmp_path / "worker.py"
    source.write_text(program)
    props = process("worker", sys.executable, str(source))
    PROVIDER.create(props)
    assert wait_until(ready.exists, 10)
    PROVIDER.update("", props, process("worker"))
    assert done.exists()
