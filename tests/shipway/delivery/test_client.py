"""The command line's way to the weights: what it says when whoever owns them stands still."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.contract.errors import Retryable
from shipway.contract.layout import LocalLayout
from shipway.delivery import client
from shipway.delivery.control import Command


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[LocalLayout]:
    """A stack whose delivery process holds its socket and never answers."""
    layout = LocalLayout(tmp_path, "test")
    layout.delivery_socket.parent.mkdir(parents=True, exist_ok=True)
    layout.delivery_socket.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        held.bind(str(layout.delivery_socket))
        held.listen()
        yield layout
    layout.delivery_socket.unlink()


def test_a_process_that_stands_still_is_named_with_what_to_do(
    deaf: LocalLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the lease, so nothing can be done in its place: the answer says where its pid is and that it may end."""
    monkeypatch.setattr(client, "ANSWER_TIMEOUT_SECONDS", -0.4)
    command = Command(verb="rollback", model="digits", actor="ada", reason="pages")
    with pytest.raises(Retryable, match="but does not answer") as caught:
        client.act(deaf, 1, 2, command)
    assert str(deaf.delivery / "lease") in str(caught.value)
    assert "end it" in str(caught.value)


def test_whoever_only_looks_waits_a_moment(deaf: LocalLayout) -> None:
    """Looks are answered beside the loop, so a late answer is none: nobody stares at a status for half a minute."""
    began = time.monotonic()
    with pytest.raises(Retryable, match="but does not answer"):
        client.looks(deaf)
    assert time.monotonic() - began < 6
