"""An answer leaves in one piece, and nothing that must leave earlier waits for it."""

import asyncio
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
import uvicorn

from shipway.serving.connection import Joining, WholeAnswers

WAIT_SECONDS = 20


class Sent(asyncio.Transport):
    """Remembers each trip to the kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.trips: list[bytes] = []
        self.closed_after: int | None = None

    def write(self, data: Any) -> None:
        self.trips.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.trips.append(b"".join(list_of_data))

    def close(self) -> None:
        self.closed_after = len(self.trips)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": ("127.0.0.1", 1)}.get(name, default)


def written(act: Callable[[Joining], None]) -> Sent:
    """Returns what was sent when the turn of the loop in which `act` wrote is over."""
    sent = Sent()

    async def turn() -> None:
        act(Joining(sent, asyncio.get_running_loop()))
        await asyncio.sleep(0)

    asyncio.run(turn())
    return sent


def all_of(*pieces: bytes) -> Callable[[Joining], None]:
    def act(transport: Joining) -> None:
        for piece in pieces:
            transport.write(piece)

    return act


def test_a_head_and_its_body_are_one_trip() -> None:
    """Two pieces of one turn go together, in their order."""
    assert written(all_of(b"head", b"body")).trips == [b"headbody"]


@pytest.mark.parametrize("count", range(1, 7))
def test_nothing_is_held_beyond_its_turn(count: int) -> None:
    """Whatever the number of pieces, all are sent, in their order, once."""
    pieces = [b"%d," % number for number in range(count)]
    sent = written(all_of(*pieces))
    assert b"".join(sent.trips) == b"".join(pieces)
    assert len(sent.trips) == (count + 1) // 2


def test_what_was_written_is_sent_before_the_end() -> None:
    """A transport that is closed in the same turn sends what it holds first."""

    def act(transport: Joining) -> None:
        transport.write(b"head")
        transport.close()

    sent = written(act)
    assert sent.trips == [b"head"]
    assert sent.closed_after == 1


def test_an_empty_body_lets_the_head_go() -> None:
    """The answer to HEAD has a body of nothing."""
    assert written(all_of(b"head", b"")).trips == [b"head"]


def test_everything_else_is_the_transports_own() -> None:
    """Uvicorn asks it for addresses, and tells it to pause."""

    def act(transport: Joining) -> None:
        assert transport.get_extra_info("sockname") == ("127.0.0.1", 1)
        with pytest.raises(AttributeError, match="no_such_thing"):
            _ = transport.no_such_thing

    assert written(act).trips == []


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the request's body; the second half of `/halves` comes when the client has sent the rest."""
    asked = await receive()
    if scope["path"] == "/halves":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await receive()
        await send({"type": "http.response.body", "body": b"second"})
        return
    headers = [(b"content-length", b"%d" % len(asked["body"]))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": asked["body"]})


@contextmanager
def served() -> Generator[socket.socket]:
    """Yields a connection to a server of `application`."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, http=WholeAnswers, lifespan="off", log_level="error"))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with socket.create_connection(listener.getsockname(), timeout=WAIT_SECONDS) as connection:
            yield connection
    finally:
        server.should_exit = True
        thread.join(WAIT_SECONDS)
        listener.close()


def until(connection: socket.socket, ending: bytes) -> bytes:
    """Returns what comes until `ending` has come."""
    got = b""
    while not got.endswith(ending):
        piece = connection.recv(65536)
        assert piece, f"the connection ended after {got!r}"
        got += piece
    return got


def test_a_client_that_waits_to_be_told_to_go_on_is_told() -> None:
    """`100 Continue` leaves although no answer follows it: the body comes only afterwards."""
    with served() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        assert until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"body")
        assert until(connection, b"\r\n\r\nbody").startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_answer_in_halves_comes_in_halves() -> None:
    """What is sent is not held until the answer is complete."""
    with served() as connection:
        connection.sendall(b"POST /halves HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nhalf")
        assert b"second" not in until(connection, b"first\r\n")
        connection.sendall(b"half")
        assert until(connection, b"second\r\n0\r\n\r\n")


def test_requests_behind_each_other_are_answered_in_their_order() -> None:
    """A client that does not wait for its answers gets all of them; the last ends the connection."""
    with served() as connection:
        asked = [b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n%02d" % number for number in range(20)]
        connection.sendall(b"".join(asked[:-1]) + asked[-1].replace(b"host", b"connection: close\r\nhost"))
        got = until(connection, b"19")
        assert connection.recv(1) == b""
    assert [part[-2:] for part in got.split(b"HTTP/1.1 200 OK")[1:]] == [b"%02d" % number for number in range(20)]
