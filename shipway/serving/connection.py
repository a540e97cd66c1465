"""HTTP/1.1 as uvicorn speaks it, but an answer leaves in one piece: its head waits for its body."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["Joining", "WholeAnswers"]


class WholeAnswers(HttpToolsProtocol):
    """One connection. Uvicorn writes head and body one after the other, and each trip to the kernel wakes the caller.

    The second trip is a tenth of the processor time of an answer under `direct`.
    """

    def connection_made(self, transport: Any) -> None:
        """Begins, with a transport that joins what is written."""
        super().connection_made(Joining(transport, self.loop))  # type: ignore[arg-type]


class Joining:
    """A transport that holds one piece until the next is written, or until this turn of the loop ends.

    Args:
        transport: where both go; whatever is not about writing is asked of it.
        loop: of both.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop, self._held = transport, loop, b""

    def write(self, piece: bytes) -> None:
        """Writes the piece held with this one, or holds this one."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.writelines((held, piece))
        else:
            self._held = piece
            self._loop.call_soon(self._let_go)

    def close(self) -> None:
        """Closes when all that was written has been sent."""
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
