"""The control socket: requests of the command line, handed one by one to the loop that owns the weights."""

import http.server
import json
import os
import queue
import socket
import socketserver
import stat
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import Field

from shipway.contract.documents import Spec, parse
from shipway.contract.errors import DeliveryError, Fatal, Retryable, SpecError
from shipway.contract.release import MaybeDigest
from shipway.contract.rollout import Look
from shipway.delivery.controller import Controller

__all__ = ["Command", "Commands", "carry_out", "private_folder", "serve_control"]

# A command is a few hundred bytes; whoever sends more has the wrong socket.
MAX_BODY_BYTES = 65_536
# The loop answers between two rounds; a round with a slow gateway takes some seconds.
ANSWER_TIMEOUT_SECONDS = 15.0


class Command(Spec):
    """One request: what to do to which model, who asks and why; `retry` as a verb names the digest."""

    verb: str = Field(pattern="^(promote|rollback|approve|retry)$")
    model: str
    actor: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    retry: bool = False
    fix_forward: bool = False
    digest: MaybeDigest = ""


def carry_out(controller: Controller, command: Command) -> dict[str, Any]:
    """Returns what was done, in the form in which the command line prints it.

    Raises:
        DeliveryError: when it is refused or cannot be done now; nothing was changed then.
    """
    model, actor, reason = command.model, command.actor, command.reason
    match command.verb:
        case "promote":
            step = controller.promote(model, actor, reason, retry=command.retry, fix_forward=command.fix_forward)
        case "approve":
            step = controller.approve(model, actor, reason)
        case "retry":
            step = controller.retry(model, command.digest, actor, reason)
        case _:
            step = controller.rollback(model, actor, reason)
    return {
        "model": command.model,
        "action": str(step.action),
        "message": step.sentence,
        "state": step.state.model_dump(mode="json"),
    }


class _Waiting:
    """A command that waits: either the loop takes it, or whoever asked gives up, and never both."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.answer: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
        self._free = threading.Lock()

    def take(self) -> bool:
        """Returns True to the first who asks."""
        return self._free.acquire(blocking=False)


class Commands:
    """Commands on their way from the socket's threads to the one thread that acts."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[_Waiting] = queue.Queue()
        # Replaced whole by the loop, read by the socket's threads: a dictionary nobody changes needs no lock.
        self.looks: dict[str, Look] = {}

    def ask(self, command: Command) -> tuple[int, dict[str, Any]]:
        """Returns the HTTP status and the answer, once the loop has come to it; one that it did not is not done."""
        one = _Waiting(command)
        self._waiting.put(one)
        try:
            return one.answer.get(timeout=ANSWER_TIMEOUT_SECONDS)
        except queue.Empty:
            if one.take():
                waited = f"the controller did not come to it within {ANSWER_TIMEOUT_SECONDS:g} s; ask again"
                return HTTPStatus.SERVICE_UNAVAILABLE, {"error": waited, "after_seconds": 1.0}
        # The loop is at it.
        try:
            return one.answer.get(timeout=ANSWER_TIMEOUT_SECONDS)
        except queue.Empty:
            told = "the controller began with it and has not ended"
            told += f"; `shipway status {command.model}` shows what came of it"
            return HTTPStatus.CONFLICT, {"error": told}

    def work(self, controller: Controller, timeout_seconds: float) -> None:
        """Carries out the next command, or returns after `timeout_seconds` without one."""
        try:
            one = self._waiting.get(timeout=timeout_seconds)
        except queue.Empty:
            return
        if not one.take():
            return
        answer = one.answer
        try:
            answer.put((HTTPStatus.OK, carry_out(controller, one.command)))
        except Retryable as error:
            body = {"error": str(error), "after_seconds": error.after_seconds}
            answer.put((HTTPStatus.SERVICE_UNAVAILABLE, body))
        except DeliveryError as error:
            answer.put((HTTPStatus.CONFLICT, {"error": str(error)}))


def private_folder(path: Path) -> None:
    """Makes `path` a folder that only this user can enter.

    Raises:
        Fatal: when somebody else made it first, or it is open to others.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise Fatal(
            f"{path}: expected a folder of user {os.getuid()} with mode 0700, got {stat.filemode(found.st_mode)}"
        )


@contextmanager
def serve_control(path: Path, commands: Commands) -> Generator[None]:
    """Answers on the Unix socket `path` while the block runs; the caller holds the lease, so the path is its own."""
    private_folder(path.parent)
    path.unlink(missing_ok=True)
    server = _Server(str(path), commands)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="control", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        path.unlink(missing_ok=True)
        thread.join()


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    address_family = socket.AF_UNIX
    daemon_threads = True

    def __init__(self, path: str, commands: Commands) -> None:
        self.commands = commands
        super().__init__(path, _Handler)  # pyright: ignore[reportArgumentType] (an AF_UNIX address is a path)

    def server_bind(self) -> None:
        before = os.umask(0o177)
        try:
            socketserver.TCPServer.server_bind(self)
        finally:
            os.umask(before)
        self.server_name, self.server_port = "delivery", 0


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] (this handler has no other)
    timeout = ANSWER_TIMEOUT_SECONDS

    def do_GET(self) -> None:
        looks = self.server.commands.looks
        self._answer(HTTPStatus.OK, {"looks": {name: look.model_dump(mode="json") for name, look in looks.items()}})

    def do_POST(self) -> None:
        try:
            length = min(int(self.headers.get("content-length", 0)), MAX_BODY_BYTES)
            command = parse(Command, json.loads(self.rfile.read(length)), "the command")
        except (SpecError, ValueError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        self._answer(*self.server.commands.ask(command))

    def address_string(self) -> str:
        return "local"

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the ledger records what was done."""

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
