"""A project in git with a copy of the template, and services rendered from it."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.scaffold.rendering import render

ROOT = Path(__file__).resolve().parents[4]
KIND = "tabular-regression"


class Project:
    """A project whose template has no hooks: what they do, `render` does itself, fifty times as fast."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.template = root / "templates" / "model-service"
        (root / "templates").mkdir(parents=True)
        shutil.copytree(ROOT / "templates" / "model-service", self.template, symlinks=True)
        for kind in self.template.iterdir():
            if (kind / "hooks").is_symlink():
                (kind / "hooks").unlink()
        shutil.rmtree(self.template / "hooks")
        (root / "Pulumi.yaml").write_text("name: shipway\n")
        (root / ".gitignore").write_text("__pycache__/\n")
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("config", "user.name", "ada")
        self.git("config", "user.email", "ada@example.com")
        self.version("1.0.0")
        self.commit("template 1.0.0")

    def git(self, *words: str) -> str:
        """Returns what git prints."""
        command = ["git", "-C", str(self.root), "-c", "commit.gpgSign=false", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, message: str) -> str:
        """Commits everything and returns the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def version(self, version: str) -> None:
        """Gives the template of every kind a version."""
        for path in [*self.template.glob("*/cookiecutter.json"), self.template / "templates" / "questions.json"]:
            if path.exists() and not path.is_symlink():
                said = json.loads(path.read_text(encoding="utf-8"))
                if "templates" not in said:
                    path.write_text(json.dumps(said | {"_template_version": version}, indent=2), encoding="utf-8")

    def add(self, name: str, kind: str = KIND) -> Path:
        """Renders a service and commits it as it is."""
        folder = render(self.root, {"name": name, "team": "growth"}, kind=kind)
        self.commit(f"new {name}")
        return folder

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        """Changes a file of the project by hand."""
        file = self.root / path
        before = file.read_text(encoding="utf-8")
        after = change(before)
        assert after != before, path
        file.write_text(after, encoding="utf-8")

    def kind_file(self, name: str, kind: str = KIND) -> str:
        """Returns the path of a file in a kind's template."""
        return f"templates/model-service/{kind}/{{{{cookiecutter.__package}}}}/{name}"

    def show(self, revision: str, path: str) -> str:
        """Returns a file of a commit."""
        return self.git("show", f"{revision}:{path}")

    def seen(self) -> tuple[str, ...]:
        """Returns everything of the person's checkout that an update must not move."""
        return (
            self.git("rev-parse", "HEAD", "main"),
            self.git("symbolic-ref", "HEAD"),
            self.git("status", "--porcelain"),
            self.git("diff"),
            self.git("diff", "--cached"),
            self.git("worktree", "list"),
            self.git("for-each-ref", "refs/shipway", "refs/tags", "refs/remotes"),
        )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path / "project")
    monkeypatch.chdir(made.root)
    return made
