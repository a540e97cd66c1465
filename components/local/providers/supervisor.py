"""Supervisor: the one daemon of a local stack, under which every other process runs."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pulumi

from components.local.providers.base import IN_PLACE, LocalProvider, LocalResource, Props
from components.local.providers.rpc import SupervisorClient, SupervisorDownError, wait_until
from shipway.contract.documents import write_atomic
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import PROCESS_MARKER, LocalLayout

__all__ = ["Supervisor", "end_strays"]

# A call that supervisord does not answer in this time means that it hangs.
_ANSWER_SECONDS = 5

_CONFIG = """\
[unix_http_server]
file={socket}
chmod=0700

[supervisord]
logfile={folder}/supervisord.log
logfile_maxbytes=10MB
logfile_backups=1
pidfile={folder}/supervisord.pid

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{socket}

; Relative to this file: supervisord splits absolute patterns at spaces.
[include]
files=conf.d/*.conf
"""


def end_strays(state: str, grace_seconds: float = 15) -> int:
    """Ends every process that carries the marker of the stack at `state` and returns how many there were.

    After `kill -9` of supervisord its children live on and keep their ports; no supervisord would know them again.
    """
    strays: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(PROCESS_MARKER) == state:
                process.terminate()
                strays.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    _gone, alive = psutil.wait_procs(strays, timeout=grace_seconds)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=5)
    return len(strays)


def _private_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ShipwayError(
            f"{path}: owned by user {found.st_uid} with mode {stat.S_IMODE(found.st_mode):o}, expected a folder of "
            f"user {os.getuid()} with mode 700; remove it"
        )


def _environment(state: str) -> dict[str, str]:
    # Pulumi's variables hold the passphrase of the stack's secrets: no model process should see them.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    # Without compiled modules every start of a slot would compile its imports again.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, PROCESS_MARKER: state}


class SupervisorProvider(LocalProvider):
    """CRUD of the daemon."""

    identity = ("config", "socket")

    def key(self, props: Props) -> str:
        return str(props["config"])

    def put(self, props: Props, before: Props) -> Props:
        config, socket = Path(props["config"]), Path(props["socket"])
        client = SupervisorClient(socket)
        same_text = config.exists() and config.read_text(encoding="utf-8") == props["text"]
        if same_text and self._answers(socket):
            return {}
        if self._answers(socket):
            client.shutdown()
            wait_until(lambda: not socket.exists(), timeout_seconds=40)
        end_strays(props["state"])
        _private_folder(socket.parent)
        socket.unlink(missing_ok=True)
        (config.parent / "conf.d").mkdir(parents=True, exist_ok=True)
        Path(props["logs"]).mkdir(parents=True, exist_ok=True)
        write_atomic(config, props["text"])
        self._start(config, client, props["state"])
        return {}

    @staticmethod
    def _answers(socket: Path) -> bool:
        return SupervisorClient(socket, _ANSWER_SECONDS).answers()

    @staticmethod
    def _start(config: Path, client: SupervisorClient, state: str) -> None:
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)]
        started = subprocess.run(
            command,
            env=_environment(state),
            cwd=config.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            timeout=60,
            check=False,
        )
        if started.returncode != 0 or not wait_until(client.answers, timeout_seconds=20):
            said = (started.stderr or started.stdout).strip().splitlines()
            raise ShipwayError(
                f"{config}: supervisord does not start ({said[-1] if said else 'it said nothing'}); "
                f"see {config.parent / 'supervisord.log'}"
            )

    def look(self, props: Props) -> str:
        config = Path(props["config"])
        if not self._answers(Path(props["socket"])):
            return "down"
        if not config.exists():
            return "configuration removed"
        return IN_PLACE if config.read_text(encoding="utf-8") == props["text"] else "configuration edited"

    def drop(self, props: Props) -> None:
        config, socket = Path(props["config"]), Path(props["socket"])
        try:
            SupervisorClient(socket).shutdown()
            wait_until(lambda: not socket.exists(), timeout_seconds=40)
        except SupervisorDownError:
            pass  # Down is what was asked for; what it left behind is ended next.
        end_strays(props["state"])
        shutil.rmtree(config.parent, ignore_errors=True)
        shutil.rmtree(socket.parent, ignore_errors=True)


class Supervisor(LocalResource, module="shipway", name="Supervisor"):
    """supervisord of one stack, on a private Unix socket; it is ended, with all below it, when it is deleted."""

    def __init__(self, name: str, layout: LocalLayout, opts: pulumi.ResourceOptions) -> None:
        escaped = {"socket": layout.supervisor_socket, "folder": layout.supervisor}
        props = {
            "state": str(layout.state),
            "logs": str(layout.logs),
            "config": str(layout.supervisor / "supervisord.conf"),
            "socket": str(layout.supervisor_socket),
            # supervisord expands %(...)s in every value.
            "text": _CONFIG.format(**{key: str(value).replace("%", "%%") for key, value in escaped.items()}),
        }
        super().__init__(SupervisorProvider(), name, props, (), opts)
