"""The command line's way to the weights: through the process that owns them, or in its place when it is down."""

import http.client
import json
import time
from pathlib import Path
from typing import Any, cast

from shipway.contract.errors import Retryable
from shipway.contract.layout import LocalLayout
from shipway.delivery.control import ANSWER_TIMEOUT_SECONDS, Command, carry_out
from shipway.delivery.controller import Controller, Refused
from shipway.delivery.envoy.admin import Admin
from shipway.delivery.lease import LeaseHeld, hold_lease
from shipway.delivery.unix import UnixConnection

__all__ = ["act"]

_CONNECT_TIMEOUT_SECONDS = 1.0
_START_SECONDS = 3.0
_POLL_SECONDS = 0.05


def act(layout: LocalLayout, gateway_port: int, admin_port: int, command: Command) -> dict[str, Any]:
    """Returns what was done: by the delivery process, or here under its lease when it does not run.

    Needs the gateway and its files, nothing else of the platform.

    Raises:
        Refused: saying why not; nothing was changed.
        Retryable: when the gateway, or a process that holds the lease, does not answer.
    """
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return _ask(layout.delivery_socket, command)
        except (FileNotFoundError, ConnectionRefusedError):
            pass
        try:
            with hold_lease(layout.delivery):
                controller = Controller(layout, gateway_port, Admin(admin_port).read)
                controller.load()
                return carry_out(controller, command)
        except LeaseHeld:
            # The process is about to open its socket, or about to end.
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


def _ask(path: Path, command: Command) -> dict[str, Any]:
    connection = UnixConnection(
        path, connect_timeout_seconds=_CONNECT_TIMEOUT_SECONDS, timeout_seconds=ANSWER_TIMEOUT_SECONDS + 1
    )
    try:
        connection.connect()
        connection.request("POST", "/", command.model_dump_json())
        response = connection.getresponse()
        answer = cast(dict[str, Any], json.loads(response.read()))
    except TimeoutError:
        raise Retryable(f"the delivery process holds {path} but does not answer", 1.0) from None
    except (http.client.HTTPException, ConnectionResetError, BrokenPipeError, json.JSONDecodeError) as error:
        raise Retryable(f"the delivery process ended before it answered ({error}); ask again", 1.0) from None
    finally:
        connection.close()
    if response.status == http.client.OK:
        return answer
    if "after_seconds" in answer:
        raise Retryable(str(answer["error"]), float(answer["after_seconds"]))
    raise Refused(str(answer["error"]))
