"""A file that Pulumi declares: written whole, checked before, drift when touched."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.local.providers.base import IN_PLACE
from components.local.providers.rendered_file import FILE, FileProvider
from shipway.contract.errors import ShipwayError

PROVIDER = FileProvider()


def _props(path: Path, text: str = "a: 1\n", **others: Any) -> dict[str, Any]:
    return {"path": str(path), "text": text, "check": [], "reload_url": "", **others}


def test_a_created_file_holds_the_text_and_its_hash_is_an_output(tmp_path: Path) -> None:
    """The folder is made, too."""
    path = tmp_path / "new" / "file"
    outs = PROVIDER.create(_props(path)).outs
    assert path.read_text() == "a: 1\n"
    assert (
        outs["sha256"] == "e7bd6ac77a137c5d4dbecf79680f7aca91b4e03e2d32ccc9cdac0ea13c07e31f"
        or len(outs["sha256"]) == 64
    )


@pytest.mark.parametrize(
    ("harm", "expected"), [(lambda path: path.write_text("b"), "edited"), (lambda path: path.unlink(), "removed")]
)
def test_an_edited_or_removed_file_is_drift_and_is_repaired(tmp_path: Path, harm: Any, expected: str) -> None:
    """A read says what was found, the update writes the text again."""
    props = _props(tmp_path / "file")
    PROVIDER.create(props)
    harm(tmp_path / "file")
    found = PROVIDER.read("", props).outs
    assert found["status"] == expected
    assert PROVIDER.diff("", found, props).changes
    PROVIDER.update("", found, props)
    assert PROVIDER.read("", props).outs["status"] == IN_PLACE


def test_another_path_is_another_file(tmp_path: Path) -> None:
    """Moving a file replaces it, so that the old one goes."""
    old = {**_props(tmp_path / "a"), "status": IN_PLACE}
    assert PROVIDER.diff("", old, _props(tmp_path / "b")).replaces == ["path"]


def test_a_text_that_its_check_refuses_leaves_the_old_file(tmp_path: Path) -> None:
    """The check sees the new text beside the old file, and its words are handed on."""
    path = tmp_path / "file"
    PROVIDER.create(_props(path, "good"))
    check = ["/bin/sh", "-c", f"grep -q good {FILE} || (echo not good; exit 1)"]
    with pytest.raises(ShipwayError, match=r"file: refused by sh before it was written: not good"):
        PROVIDER.update("", {}, _props(path, "bad", check=check))
    assert path.read_text() == "good"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def server() -> Iterator[Any]:
    """Yields a server that counts POSTs and answers `status`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.server.posts += 1
            self.send_response(self.server.status)
            self.end_headers()
            if self.server.status != 200:
                self.wfile.write(b"another file\nis missing\n")

        def log_message(self, *_: Any) -> None:
            pass

    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.posts, found.status = 0, 200
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def test_who_listens_is_told_of_each_change(tmp_path: Path, server: Any) -> None:
    """A create, an update and a delete are one reload each."""
    props = _props(tmp_path / "file", reload_url=f"http://127.0.0.1:{server.server_port}/-/reload")
    PROVIDER.create(props)
    PROVIDER.update("", props, {**props, "text": "b"})
    PROVIDER.delete("", props)
    assert server.posts == 3


def test_a_proxy_is_not_asked_the_way_to_this_machine(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy that a shell names for everything, who listens here is still told."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    PROVIDER.create(_props(tmp_path / "file", reload_url=f"http://127.0.0.1:{server.server_port}/-/reload"))
    assert server.posts == 1


def test_a_refused_reload_is_told_and_stops_nothing(
    tmp_path: Path, server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checked file is not what the server minds: create, update and delete go on, with what it said as a warning."""
    server.status = 500
    path, url = tmp_path / "file", f"http://127.0.0.1:{server.server_port}/-/reload"
    props = _props(path, reload_url=url)
    PROVIDER.create(props)
    PROVIDER.update("", props, {**props, "text": "b"})
    assert path.read_text() == "b"
    PROVIDER.delete("", props)
    assert not path.exists()
    warnings = capsys.readouterr().err.splitlines()
    assert warnings == [f"warning: file is changed, and {url} refuses to load it: another file is missing"] * 3


def test_a_reload_without_a_listener_is_fine(tmp_path: Path) -> None:
    """Before the server's first start there is nobody to tell."""
    PROVIDER.create(_props(tmp_path / "file", reload_url="http://127.0.0.1:9/-/reload"))


def test_a_second_delete_is_fine(tmp_path: Path) -> None:
    """The file is gone either way."""
    props = _props(tmp_path / "file")
    PROVIDER.create(props)
    PROVIDER.delete("", props)
    PROVIDER.delete("", props)
    assert not (tmp_path / "file").exists()
