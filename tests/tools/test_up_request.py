"""The example request of `make up`: what it needs to be, and the way it takes."""

import os
import shlex
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shipway.contract.errors import SpecError
from shipway.contract.layout import LocalLayout
from tools import ports, up

ROOT = Path(__file__).resolve().parents[2]
Program = Callable[[str, str], Path]


class Handler(BaseHTTPRequestHandler):
    """Answers whatever it is asked."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def gateway() -> Generator[str]:
    """The address of a gateway whose models all answer."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that sends everything to a proxy, which is not there."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """A service with a model.yaml and its request."""
    folder = tmp_path / "services" / "digits"
    (folder / "tests").mkdir(parents=True)
    source = ROOT / "services" / "digits"
    for name in ("model.yaml", "tests/request.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    return folder


@pytest.mark.usefixtures("proxied")
def test_a_proxy_is_not_asked_the_way_to_this_machine(
    service: Path, gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy that a shell names for everything, `make up` still sees its own gateway answer."""
    monkeypatch.setattr(up, "ANSWER_DEADLINE_SECONDS", 0.0)
    up.await_answer(service, gateway, LocalLayout(tmp_path, "local"))


@pytest.mark.usefixtures("proxied")
def test_the_shown_request_passes_the_proxy_by(
    service: Path, tmp_path: Path, program: Program, only_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever repeats it in the same shell gets the same answer; a curl that fails is said, and is no traceback."""
    program("curl", "echo no answer; exit 7")
    up.show(service, "http://127.0.0.1:1", tmp_path)
    said = capfd.readouterr()
    command, answer = said.out.splitlines()
    assert shlex.split(command)[3:6] == ["http://127.0.0.1:1/digits/predict", "--noproxy", "127.0.0.1"]
    assert (answer, "it ended with status 7" in said.err) == ("no answer", True)


def test_headers_are_read_as_a_person_leaves_them(service: Path) -> None:
    """An empty last line and spaces mean nothing; a line that is no header is named."""
    path = service / "tests" / "request.headers"
    path.write_text("x-event-time:2013-05-01T03:59:00-04:00 \n\n")
    expected = {"content-type": "application/json", "x-event-time": "2013-05-01T03:59:00-04:00"}
    assert up.request_headers(service) == expected
    path.write_text("x-a: 1\nnonsense\n")
    with pytest.raises(SpecError, match=r"request\.headers: line 2: got 'nonsense', expected a header such as x-event"):
        up.require_request(service)


def test_a_service_without_a_request_is_said_before_anything_is_started(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not by a missing file when the whole platform is up."""
    (service / "tests" / "request.json").unlink()
    (tmp_path / "stacks").mkdir()
    local = (ROOT / "stacks" / "Pulumi.local.yaml").read_text()
    (tmp_path / "stacks" / "Pulumi.local.yaml").write_text(local)
    monkeypatch.setattr(ports, "require_free", lambda *_: None)
    monkeypatch.setattr("tools.environment.load", lambda _: dict(os.environ))
    with pytest.raises(SpecError, match=r"tests/request\.json: got 'no such file', expected one request"):
        up.bring_up(tmp_path, "local")
    assert not (tmp_path / ".shipway").exists()
