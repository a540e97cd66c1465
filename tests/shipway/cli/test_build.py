"""`shipway build` and `shipway base`: what they refuse before a registry is asked."""

import shutil
from pathlib import Path

import pytest

from shipway.cli.main import main
from tests.shipway.cli.project import project
from tests.shipway.delivery.stack import ENVIRONMENT, PROJECT, Stack

__all__ = ["project"]

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def onprem(project: Stack) -> Path:
    """The project, with the example of a cluster beside its local environment."""
    shutil.copy(PROJECT / "stacks" / "Pulumi.onprem.yaml", project.root / "stacks")
    return project.root


def _error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["shipway", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), capsys.readouterr().err.strip()


@pytest.mark.parametrize("digest", ["", "latest", "sha256:abc"])
def test_a_tag_is_no_bundle(
    onprem: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], digest: str
) -> None:
    """Exit code 2, and the form of a digest."""
    code, said = _error(monkeypatch, capsys, "build", "digits", digest, "--env", "onprem")
    assert code == 2
    assert said.endswith("expected sha256: and 64 hexadecimal digits (a tag or a short form is not a digest)")


def test_processes_need_no_image(
    onprem: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A local environment is refused by name of its file and key."""
    code, said = _error(monkeypatch, capsys, "build", "digits", DIGEST, "--env", ENVIRONMENT)
    assert code == 2
    assert f"Pulumi.{ENVIRONMENT}.yaml: shipway:environment.target: got 'local', expected an environment on a" in said


def test_a_bundle_that_nobody_trained(
    onprem: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a digest or without: the error names where it was looked for and what makes one."""
    for digest in ([DIGEST], []):
        code, said = _error(monkeypatch, capsys, "build", "digits", *digest, "--env", "onprem", "--from", ENVIRONMENT)
        assert code == 1
        assert said.startswith("error: ")
        assert "`shipway train` makes one" in said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--python", "python:3.11"], "--python: got 'python:3.11', expected HOST/PATH@sha256:DIGEST"),
        (["--python", f"r.example.com/p@{DIGEST}", "--builder", "kaniko"], "--builder: got 'kaniko', expected none or"),
    ],
)
def test_a_base_is_made_of_a_digest(
    onprem: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    """A tag and an unknown builder are each refused with what is expected."""
    code, error = _error(monkeypatch, capsys, "base", "--env", "onprem", *more)
    assert (code, said in error) == (2, True), error
