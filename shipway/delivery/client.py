"""The command line's way to the weights: through the process that owns them, or in its place when it is down."""

import http.client
import json
import time
from typing import Any, cast

from shipway.contract.documents import parse
from shipway.contract.errors import Retryable
from shipway.contract.layout import LocalLayout
from shipway.contract.rollout import Look
from shipway.delivery.control import ANSWER_TIMEOUT_SECONDS, Command, carry_out
from shipway.delivery.controller import Refused, utc_now
from shipway.delivery.envoy.admin import Admin
from shipway.delivery.lease import LeaseHeld, hold_lease
from shipway.delivery.local import local_controller
from shipway.delivery.prometheus import Prometheus
from shipway.delivery.rollouts import Rollouts
from shipway.delivery.unix import UnixConnection

__all__ = ["act", "looks"]

_CONNECT_TIMEOUT_SECONDS = 1.0
# A look is answered beside the loop, whatever that is at; a command waits for its turn.
_LOOK_TIMEOUT_SECONDS = 3.0
_START_SECONDS = 3.0
_POLL_SECONDS = 0.05


def looks(layout: LocalLayout) -> dict[str, Look] | None:
    """Returns model -> the newest look at its rollout; None when the delivery process does not run.

    Raises:
        Retryable: when it holds its socket but does not answer.
    """
    try:
        status, answer = _exchange(layout, "GET", None)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    if status != http.client.OK:
        raise Retryable(f"the delivery process answered {status}", 1.0)
    return {name: parse(Look, look, layout.delivery_socket) for name, look in answer["looks"].items()}


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
            return _ask(layout, command)
        except (FileNotFoundError, ConnectionRefusedError):
            pass
        try:
            with hold_lease(layout.delivery):
                # A command asks for no evidence: port 0 is nobody's.
                rollouts = Rollouts(Prometheus(0), utc_now)
                controller = local_controller(layout, gateway_port, Admin(admin_port).read, rollouts)
                controller.load()
                return carry_out(controller, command)
        except LeaseHeld:
            # The process is about to open its socket, or about to end.
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


def _ask(layout: LocalLayout, command: Command) -> dict[str, Any]:
    status, answer = _exchange(layout, "POST", command.model_dump_json())
    if status == http.client.OK:
        return answer
    if "after_seconds" in answer:
        raise Retryable(str(answer["error"]), float(answer["after_seconds"]))
    raise Refused(str(answer["error"]))


def _exchange(layout: LocalLayout, method: str, body: str | None) -> tuple[int, dict[str, Any]]:
    connection = UnixConnection(
        layout.delivery_socket,
        connect_timeout_seconds=_CONNECT_TIMEOUT_SECONDS,
        timeout_seconds=_LOOK_TIMEOUT_SECONDS if body is None else 2 * ANSWER_TIMEOUT_SECONDS + 1,
    )
    try:
        connection.connect()
        connection.request(method, "/", body)
        response = connection.getresponse()
        answer = cast(dict[str, Any], json.loads(response.read()))
    except TimeoutError:
        raise Retryable(
            f"the delivery process holds {layout.delivery_socket} but does not answer; end it (its pid is in "
            f"{layout.delivery / 'lease'}) and ask again: while it is away the command does its work",
            1.0,
        ) from None
    except (http.client.HTTPException, ConnectionResetError, BrokenPipeError, json.JSONDecodeError) as error:
        raise Retryable(f"the delivery process ended before it answered ({error}); ask again", 1.0) from None
    finally:
        connection.close()
    return response.status, answer
