"""The daemon of a stack: started, found dead, started again over what it left, and taken away."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from components.local.providers.base import IN_PLACE
from components.local.providers.process import ProcessProvider
from components.local.providers.rpc import SupervisorClient, wait_until
from components.local.providers.supervisor import SupervisorProvider
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import PROCESS_MARKER

PROVIDER = SupervisorProvider()


def _alive(pid: int) -> bool:
    """Returns whether the process runs; one that has ended but was not yet reaped by its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _status(props: dict[str, Any]) -> str:
    return PROVIDER.read("", props).outs["status"]


@pytest.mark.e2e
def test_a_second_start_changes_nothing(supervisor: dict[str, Any], client: SupervisorClient) -> None:
    """A daemon that answers and has its configuration is left alone."""
    before = client._call("getPID")
    PROVIDER.update("", supervisor, supervisor)
    assert client._call("getPID") == before
    assert _status(supervisor) == IN_PLACE


@pytest.mark.e2e
def test_after_kill_9_the_strays_are_ended_and_every_process_comes_back(
    supervisor: dict[str, Any], client: SupervisorClient, process: Callable[..., dict[str, Any]]
) -> None:
    """The children of a killed daemon keep their ports; they end before the new daemon starts its own."""
    ProcessProvider().create(process())
    stray = int((client.info("sleeper") or {})["pid"])
    os.kill(client._call("getPID"), signal.SIGKILL)
    assert wait_until(lambda: _status(supervisor) == "down", 5)
    assert _alive(stray)
    PROVIDER.update("", supervisor, supervisor)
    assert not _alive(stray)
    assert wait_until(lambda: ProcessProvider().look(process()) == IN_PLACE, 5)


@pytest.mark.e2e
def test_an_edited_configuration_is_drift(supervisor: dict[str, Any]) -> None:
    """What people change in the daemon's file is found and put back."""
    Path(supervisor["config"]).write_text(supervisor["text"] + "; mine\n")
    assert _status(supervisor) == "configuration edited"
    PROVIDER.update("", supervisor, supervisor)
    assert _status(supervisor) == IN_PLACE


@pytest.mark.e2e
def test_no_process_sees_pulumis_secrets(
    monkeypatch: pytest.MonkeyPatch, supervisor: dict[str, Any], client: SupervisorClient
) -> None:
    """The daemon's environment carries the stack's marker and none of Pulumi's variables."""
    PROVIDER.delete("", supervisor)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "open sesame")
    PROVIDER.create(supervisor)
    environment = psutil.Process(client._call("getPID")).environ()
    assert environment[PROCESS_MARKER] == supervisor["state"]
    assert [name for name in environment if name.startswith("PULUMI_")] == []


@pytest.mark.e2e
def test_a_socket_folder_of_others_is_refused(supervisor: dict[str, Any]) -> None:
    """A folder that others may write into could hold a socket that is not ours."""
    PROVIDER.delete("", supervisor)
    folder = Path(supervisor["socket"]).parent
    folder.mkdir(mode=0o700)
    folder.chmod(0o777)
    with pytest.raises(ShipwayError, match=r"with mode 777, expected a folder of user \d+ with mode 700; remove it"):
        PROVIDER.create(supervisor)


@pytest.mark.e2e
def test_a_delete_leaves_no_process_socket_or_file(
    supervisor: dict[str, Any], client: SupervisorClient, process: Callable[..., dict[str, Any]]
) -> None:
    """Everything below the daemon ends with it, and a second delete is fine."""
    ProcessProvider().create(process())
    pids = [client._call("getPID"), int((client.info("sleeper") or {})["pid"])]
    for _ in range(2):
        PROVIDER.delete("", supervisor)
    assert [pid for pid in pids if _alive(pid)] == []
    assert not Path(supervisor["socket"]).parent.exists()
    assert not Path(supervisor["config"]).parent.exists()
