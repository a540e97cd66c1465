"""HTTP over a Unix socket: how the command line reaches the delivery process and the supervisor."""

import http.client
import socket
from pathlib import Path

__all__ = ["UnixConnection"]


class UnixConnection(http.client.HTTPConnection):
    """A connection to the server on the socket `path`; connecting and each answer end within their timeouts."""

    def __init__(self, path: Path, *, connect_timeout_seconds: float, timeout_seconds: float) -> None:
        super().__init__(path.stem, timeout=timeout_seconds)
        self._path, self._connect_timeout_seconds = path, connect_timeout_seconds

    def connect(self) -> None:
        """Connects; raises FileNotFoundError or ConnectionRefusedError when nobody listens."""
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            opened.settimeout(self._connect_timeout_seconds)
            opened.connect(str(self._path))
            opened.settimeout(self.timeout)
        except OSError:
            opened.close()
            raise
        self.sock = opened
