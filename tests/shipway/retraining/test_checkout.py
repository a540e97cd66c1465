"""The checkout of a job, with real git."""

import base64
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.contract.errors import ShipwayError
from shipway.retraining.checkout import Checkout
from tests.shipway.retraining.repositories import Remote


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


@pytest.fixture
def checkout(remote: Remote, tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "project", remote.url, remote.token)
    made.make()
    return made


def test_a_branch_arrives_and_arrives_once(checkout: Checkout, remote: Remote) -> None:
    """Sent again it changes nothing: whoever was killed after sending sends again."""
    remote.commit(checkout.folder, "retrain/a")
    assert checkout.push("retrain/a")
    sent = remote.git("rev-parse", "retrain/a")
    assert checkout.push("retrain/a")
    assert remote.git("rev-parse", "retrain/a") == sent


def test_a_branch_that_is_there_already_stays(checkout: Checkout, remote: Remote, tmp_path: Path) -> None:
    """It is named by its version, so it proposes the same one; a person may have added to it."""
    remote.commit(checkout.folder, "retrain/a")
    checkout.push("retrain/a")
    remote.git("update-ref", "refs/heads/retrain/a", theirs := remote.git("rev-parse", "main"))
    assert not checkout.push("retrain/a")
    assert remote.git("rev-parse", "retrain/a") == theirs


def test_a_push_that_is_refused_says_why(checkout: Checkout, remote: Remote) -> None:
    """In the words of the repository."""
    remote.refuse()
    remote.commit(checkout.folder, "retrain/a")
    with pytest.raises(ShipwayError, match=r"git push: .*no pushes today"):
        checkout.push("retrain/a")


class _Asks(http.server.BaseHTTPRequestHandler):
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("authorization", ""))
        self.send_response(401)
        self.send_header("www-authenticate", 'Basic realm="git"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps the test's output readable."""


@pytest.fixture
def asks() -> Iterator[http.server.ThreadingHTTPServer]:
    """A server that wants a password before it answers anything."""
    _Asks.seen = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Asks)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_token_is_given_to_who_asks_and_said_nowhere(
    asks: http.server.ThreadingHTTPServer, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes out of its file when the server asks for a password; a token that is not taken is not repeated."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url = f"http://127.0.0.1:{asks.server_address[1]}/models/shipway.git"
    with pytest.raises(ShipwayError, match=r"git clone: .*Authentication failed") as refused:
        Checkout(tmp_path / "other", url, remote.token).make()
    assert [base64.b64decode(one.removeprefix("Basic ")).decode() for one in _Asks.seen if one] == ["shipway:secret"]
    assert "secret" not in str(refused.value)
