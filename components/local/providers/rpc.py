"""supervisord's XML-RPC over its Unix socket, with a bound on every call."""

import http.client
import socket
import time
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shipway.contract.errors import ShipwayError

__all__ = ["SupervisorClient", "SupervisorDownError", "wait_until"]

# Longer than the 20 s that supervisord gives a process to end before it kills it.
_CALL_SECONDS = 40

_SHUTTING_DOWN, _BAD_NAME, _STILL_RUNNING = 6, 10, 91


class SupervisorDownError(ShipwayError):
    """No supervisord answers on the stack's socket."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("supervisor", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            found.settimeout(self.timeout)
            found.connect(str(self._path))
        except OSError:
            found.close()
            raise
        self.sock = found


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__()
        self._path, self._timeout_seconds = path, timeout_seconds

    def make_connection(self, host: Any) -> _Connection:
        # Kept where the base class looks for what to close.
        connection = _Connection(self._path, self._timeout_seconds)
        self._connection = host, connection
        return connection


class SupervisorClient:
    """The few calls the resources need; each opens its own connection, so threads may share a client."""

    def __init__(self, path: Path, timeout_seconds: float = _CALL_SECONDS) -> None:
        self._path, self._timeout_seconds = path, timeout_seconds

    def _call(self, method: str, *args: Any) -> Any:
        transport = _Transport(self._path, self._timeout_seconds)
        try:
            with xmlrpc.client.ServerProxy("http://supervisor/RPC2", transport=transport) as proxy:
                return getattr(proxy.supervisor, method)(*args)
        except (OSError, http.client.HTTPException) as error:
            raise SupervisorDownError(f"{self._path}: no supervisord answers ({error!r})") from None
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == _SHUTTING_DOWN:
                raise SupervisorDownError(f"{self._path}: supervisord is ending") from None
            raise

    def answers(self) -> bool:
        """Returns whether supervisord is up."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except SupervisorDownError:
            return False

    def info(self, name: str) -> dict[str, Any] | None:
        """Returns supervisord's view of process `name`, None when it knows none of that name."""
        try:
            found: dict[str, Any] = self._call("getProcessInfo", name)
            return found
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == _BAD_NAME:
                return None
            raise

    def reread(self) -> list[str]:
        """Makes supervisord read its files again and returns the processes whose running configuration is older."""
        try:
            _added, changed, _removed = self._call("reloadConfig")[0]
        except xmlrpc.client.Fault as fault:
            raise ShipwayError(f"supervisord refuses its configuration: {fault.faultString}") from None
        return list(changed)

    def add(self, name: str) -> None:
        """Starts process `name`, whose file was read before."""
        self._call("addProcessGroup", name)

    def remove(self, name: str) -> None:
        """Stops process `name`, waiting for its requests to end, and forgets it; none of that name is fine."""
        deadline = time.monotonic() + _CALL_SECONDS
        while self.info(name) is not None:
            try:
                self._call("stopProcessGroup", name)
                self._call("removeProcessGroup", name)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode not in (_BAD_NAME, _STILL_RUNNING) or time.monotonic() > deadline:
                    raise ShipwayError(f"{name}: supervisord cannot stop it: {fault.faultString}") from None
                time.sleep(0.05)

    def shutdown(self) -> None:
        """Ends supervisord and everything below it."""
        self._call("shutdown")


def wait_until(condition: Callable[[], bool], timeout_seconds: float, every_seconds: float = 0.05) -> bool:
    """Returns whether `condition` came true within `timeout_seconds`."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_seconds)
    return True
