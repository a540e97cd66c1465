"""What tests need is obtained once for each set of pins, whole or not at all."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from shipway.contract.errors import ShipwayError
from tools import pinned, venv
from tools.sources import go_module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with pins of its own."""
    for path in (pinned.CHECKOV_LOCK, Path("tools", "crds", "go.sum")):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("first\n")
    return tmp_path


def installs(calls: list[str], program: str) -> Callable[..., None]:
    """Returns an installer that brings a checkov of one line."""

    def install(_root: Path, arguments: Sequence[str], **_options: object) -> None:
        package = Path(arguments[arguments.index("--target") + 1], "checkov")
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        if program:
            (package / "main.py").write_text(program)
        calls.append("installed")

    return install


def test_checkov_is_installed_once_for_its_pins(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher runs what was installed; other pins are another folder, and both stay."""
    calls: list[str] = []
    monkeypatch.setattr(venv, "install", installs(calls, "import sys; print('checked', *sys.argv[1:])"))
    first = pinned.checkov(checkout, tmp_path / "cache")
    assert pinned.checkov(checkout, tmp_path / "cache") == first
    assert calls == ["installed"]
    printed = subprocess.run([first, "-d", "folder"], capture_output=True, text=True, check=True).stdout
    assert printed == "checked -d folder\n"
    (checkout / pinned.CHECKOV_LOCK).write_text("second\n")
    assert pinned.checkov(checkout, tmp_path / "cache") != first
    assert first.exists()


def test_what_is_not_whole_is_not_there(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the program leaves nothing that the next run could take for it."""
    calls: list[str] = []
    monkeypatch.setattr(venv, "install", installs(calls, ""))
    for _ in range(2):
        with pytest.raises(ShipwayError, match=r"tools/checkov/requirements.lock brought no checkov"):
            pinned.checkov(checkout, tmp_path / "cache")
    assert calls == ["installed", "installed"]


def test_definitions_are_gathered_once_for_their_pins(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed go.sum is another folder."""

    def gather(_root: Path, folder: Path, _scratch: Path) -> None:
        (folder / "kind.yaml").write_text("kind: CustomResourceDefinition\n")

    monkeypatch.setattr(go_module, "gather_definitions", gather)
    first = pinned.definitions(checkout, tmp_path / "cache")
    assert [path.name for path in first.iterdir()] == ["kind.yaml"]
    assert pinned.definitions(checkout, tmp_path / "cache") == first
    (checkout / "tools" / "crds" / "go.sum").write_text("second\n")
    assert pinned.definitions(checkout, tmp_path / "cache") != first


def test_a_peer_is_installed_once_for_its_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder holds its packages; a lock that does not bring it leaves nothing behind."""
    lock = tmp_path / pinned.PEERS["nannyml"]
    lock.parent.mkdir(parents=True)
    lock.write_text("first\n")
    calls: list[str] = []

    def install(_root: Path, arguments: Sequence[str], **_options: object) -> None:
        package = Path(arguments[arguments.index("--target") + 1], "nannyml" if calls else "other")
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        calls.append("installed")

    monkeypatch.setattr(venv, "install", install)
    with pytest.raises(ShipwayError, match=r"tools/nannyml/requirements.lock brought no nannyml"):
        pinned.peer(tmp_path, tmp_path / "cache", "nannyml")
    first = pinned.peer(tmp_path, tmp_path / "cache", "nannyml")
    assert pinned.peer(tmp_path, tmp_path / "cache", "nannyml") == first
    assert (first / "nannyml" / "__init__.py").exists()
    assert calls == ["installed"] * 2


def test_the_checkers_of_workflows_are_both_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One folder holds both programs; a lock that brings one of them is no installation."""
    lock = tmp_path / pinned.WORKFLOWS_LOCK
    lock.parent.mkdir(parents=True)
    lock.write_text("first\n")
    brings = {"bin/zizmor": "#!/bin/sh\necho zizmor\n"}

    def install(_root: Path, arguments: Sequence[str], **_options: object) -> None:
        packages = Path(arguments[arguments.index("--target") + 1])
        for name, text in brings.items():
            (packages / name).parent.mkdir(parents=True)
            (packages / name).write_text(text)
            (packages / name).chmod(0o755)

    monkeypatch.setattr(venv, "install", install)
    with pytest.raises(ShipwayError, match=r"tools/workflows/requirements.lock brought no check_jsonschema/__main__"):
        pinned.workflow_checkers(tmp_path, tmp_path / "cache")
    brings["check_jsonschema/__main__.py"] = "import sys; print('schema', *sys.argv[1:])"
    folder = pinned.workflow_checkers(tmp_path, tmp_path / "cache")
    for command, said in ((["zizmor"], "zizmor\n"), (["check-jsonschema", "-h"], "schema -h\n")):
        assert subprocess.run([folder / command[0], *command[1:]], capture_output=True, text=True).stdout == said
