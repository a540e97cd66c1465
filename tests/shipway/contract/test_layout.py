"""A stack's files are found from every shell."""

import tempfile
from pathlib import Path

import pytest

from shipway.contract.layout import LocalLayout


def test_another_shell_finds_the_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder for temporary files may be another one: a stack that it does not see it would start a second time."""
    layout = LocalLayout(tmp_path / "project", "local")
    before = layout.supervisor_socket
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert tempfile.gettempdir() == str(tmp_path)
    assert layout.supervisor_socket == before


def test_sockets_have_room_for_their_names(tmp_path: Path) -> None:
    """However deep a checkout lies, a socket's path stays below the 107 bytes that Linux and macOS take."""
    deep = LocalLayout(tmp_path.joinpath(*["a-folder-with-a-long-name"] * 12), "development")
    assert len(str(deep.delivery_socket)) < 100
