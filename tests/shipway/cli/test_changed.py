"""`shipway changed` as a pipeline meets it."""

import json
import subprocess
from pathlib import Path

import pytest

from shipway.cli.main import main
from tests.shipway.cli.project import MODEL


def git(root: Path, *arguments: str) -> str:
    named = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *named, *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two models, in a folder of a repository, everything committed on main."""
    root = tmp_path / "models"
    for name in ("churn_now", "digits"):
        (root / "services" / name).mkdir(parents=True)
        (root / "services" / name / "model.yaml").write_text(MODEL.replace("digits", name.replace("_", "-")))
    (root / "Pulumi.yaml").write_text("name: shipway\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    monkeypatch.chdir(root)
    return root


def changed(monkeypatch: pytest.MonkeyPatch, base: str, *options: str) -> int:
    monkeypatch.setattr("sys.argv", ["shipway", "changed", "--base", base, *options])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_what_changed_since_the_branch_began_is_listed(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Committed or not, and new files; what main did since then, and what lies beside the project, do not count."""
    git(repository, "switch", "--quiet", "--create", "change")
    (repository.parent / "elsewhere.txt").write_text("x")
    assert changed(monkeypatch, "main", "--json") == 0
    assert capsys.readouterr().out == "[]\n"
    (repository / "services" / "churn_now" / "train.py").write_text("")
    assert changed(monkeypatch, "main", "--json") == 0
    assert json.loads(capsys.readouterr().out) == ["churn-now"]
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "mine")
    git(repository, "switch", "--quiet", "main")
    (repository / "services" / "digits" / "train.py").write_text("")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "theirs")
    git(repository, "switch", "--quiet", "change")
    assert changed(monkeypatch, "main") == 0
    assert capsys.readouterr().out == "churn-now\n"


def test_a_base_that_is_not_there_is_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is taken for unchanged because nobody could compare; a base cannot be an option of git."""
    for base in ("nowhere", "--output=file"):
        assert changed(monkeypatch, base) == 2
        error = capsys.readouterr().err
        assert error == (
            f"error: the command line: --base: got {base!r}, expected a commit that this checkout holds "
            "(is it a shallow one?)\n"
        )
    assert not (repository / "file").exists()
