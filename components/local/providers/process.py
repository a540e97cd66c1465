"""SupervisedProcess: one process under the stack's supervisord."""

import hashlib
import shlex
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pulumi

from components.local.providers.base import IN_PLACE, LocalProvider, LocalResource, Props
from components.local.providers.rpc import SupervisorClient, SupervisorDownError, wait_until
from shipway.contract.documents import write_atomic
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout

__all__ = ["SupervisedProcess", "fingerprint", "render_program"]

# 15 s for requests under way plus what a process needs to notice and to leave.
_STOP_SECONDS = 20

# A process that stayed up this long was not refused at once by a taken port or a wrong argument.
_SETTLED_SECONDS = 1

# Three tries with 1 and 2 s between them: whoever needs more is not going to start.
_START_SECONDS = 6

# Within this time a respawn or a stop leaves its passing state.
_PASSING_SECONDS = 5


def fingerprint(*texts: str) -> str:
    """Returns a short hash of what a process reads, so that a change of it restarts the process."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def _value(text: str) -> str:
    """Returns `text` as a value of supervisord's file, which expands % and cuts at a comment sign."""
    if any(sign in text for sign in ("\n", " ;", " #", "\t;", "\t#")):
        raise ShipwayError(f"got {text!r}, expected a command or path without line breaks, ' ;' and ' #'")
    return text.replace("%", "%%")


def render_program(props: Props) -> str:
    """Returns the process's section of supervisord's configuration."""
    for name, value in props["environment"].items():
        if '"' in value or "'" in value:
            raise ShipwayError(f"environment variable {name}: got {value!r}, expected no quotes")
    environment = ",".join(f'{name}="{_value(value)}"' for name, value in sorted(props["environment"].items()))
    return "\n".join(
        (
            f"[program:{props['name']}]",
            f"command={_value(shlex.join(props['command']))}",
            f"directory={_value(props['directory'])}",
            f"environment={environment}",
            "autostart=true",
            "autorestart=true",
            f"startsecs={int(props['start_seconds'])}",
            "startretries=3",
            "stopsignal=TERM",
            f"stopwaitsecs={_STOP_SECONDS}",
            "stopasgroup=true",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={_value(props['log'])}",
            "stdout_logfile_maxbytes=10MB",
            "stdout_logfile_backups=2",
            "",
        )
    )


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers themselves do: a closed connection's TIME_WAIT does not take the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    # A process that was tried three times said the same three times.
    return " | ".join(dict.fromkeys(line.strip() for line in lines[-3:])) or "nothing"


class ProcessProvider(LocalProvider):
    """CRUD of one process: its file in conf.d and supervisord's view of it."""

    identity = ("name", "conf", "socket")

    def key(self, props: Props) -> str:
        return str(props["name"])

    def put(self, props: Props, before: Props) -> Props:
        name, conf, client = props["name"], Path(props["conf"]), SupervisorClient(Path(props["socket"]))
        text = render_program(props)
        if not conf.exists() or conf.read_text(encoding="utf-8") != text:
            write_atomic(conf, text)
        outdated = name in client.reread()
        try:
            if outdated or self._state(client, name) not in ("RUNNING", "STARTING"):
                client.remove(name)
                self._start(props, client)
            self._await_start(props, client)
        except ShipwayError:
            # Nothing half-made stays behind: what was refused does not go on restarting.
            client.remove(name)
            conf.unlink(missing_ok=True)
            raise
        return {}

    @staticmethod
    def _start(props: Props, client: SupervisorClient) -> None:
        for port in props["ports"]:
            # What this process itself held is released a moment after it ended.
            if not wait_until(lambda port=int(port): not _taken(port), timeout_seconds=2):
                raise ShipwayError(
                    f"{props['name']}: port {int(port)} is taken by another process, expected it free; end that "
                    "process or change ports.base in the stack's file"
                )
        client.add(props["name"])

    def _await_start(self, props: Props, client: SupervisorClient) -> None:
        name, log = props["name"], Path(props["log"])
        if not wait_until(lambda: self._settled(client, name), timeout_seconds=_START_SECONDS):
            state = self._state(client, name)
            raise ShipwayError(
                f"{name}: {state} after its start, expected RUNNING; {log} ends with: {_last_words(log)}"
            )

    @staticmethod
    def _state(client: SupervisorClient, name: str) -> str:
        info = client.info(name)
        return str(info["statename"]) if info else "REMOVED"

    @staticmethod
    def _settled(client: SupervisorClient, name: str) -> bool:
        info = client.info(name) or {"statename": "REMOVED"}
        up = info["statename"] == "STARTING" and info["now"] - info["start"] > _SETTLED_SECONDS
        return up or info["statename"] == "RUNNING"

    def look(self, props: Props) -> str:
        name, conf, client = props["name"], Path(props["conf"]), SupervisorClient(Path(props["socket"]))
        if not conf.exists():
            return "removed"
        if conf.read_text(encoding="utf-8") != render_program(props):
            return "edited"
        try:
            wait_until(lambda: self._state(client, name) not in ("BACKOFF", "STOPPING"), _PASSING_SECONDS)
            state = self._state(client, name)
        except SupervisorDownError:
            return "supervisor down"
        return IN_PLACE if state in ("RUNNING", "STARTING") else state.lower()

    def drop(self, props: Props) -> None:
        # Without supervisord the process is a stray; Supervisor ends those when it starts or goes.
        with suppress(SupervisorDownError):
            SupervisorClient(Path(props["socket"])).remove(props["name"])
        Path(props["conf"]).unlink(missing_ok=True)


class SupervisedProcess(LocalResource, module="shipway", name="SupervisedProcess"):
    """A process that supervisord restarts when it dies; no process id is among its outputs, so a respawn is no drift.

    Args:
        name: the resource's and supervisord's name of it.
        layout: the stack's paths.
        command: what to run, its first element an absolute path.
        ports: the ports it will listen on; one that is taken by another process is refused.
        reads: a fingerprint of the files it reads only when it starts.
        start_seconds: how long it must stay up before supervisord restarts it without counting its tries.
        opts: Pulumi's options.
    """

    def __init__(
        self,
        name: str,
        layout: LocalLayout,
        *,
        command: Sequence[pulumi.Input[str]],
        ports: Sequence[pulumi.Input[int]],
        opts: pulumi.ResourceOptions,
        reads: str = "",
        start_seconds: int = 1,
    ) -> None:
        environment = {
            "PYTHONPYCACHEPREFIX": str(layout.root / ".shipway" / "cache" / "pycache"),
            "PYTHONUNBUFFERED": "1",
        }
        props = {
            "name": name,
            "command": list(command),
            "directory": str(layout.root),
            "environment": {**environment, "SHIPWAY_READS": reads},
            "ports": list(ports),
            "start_seconds": start_seconds,
            "log": str(layout.logs / f"{name}.log"),
            "conf": str(layout.supervisor / "conf.d" / f"{name}.conf"),
            "socket": str(layout.supervisor_socket),
        }
        super().__init__(ProcessProvider(), name, props, (), opts)
