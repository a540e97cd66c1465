"""Who knows GitHub's and GitLab's own rules reads every pipeline, ours and those that a new repository gets."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.scaffold.standalone import render_standalone
from tools import pinned, programs
from tools.pins import ACTIONLINT

pytestmark = pytest.mark.graders

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / ".github"
GITLAB = ROOT / "docs" / "examples" / "gitlab-ci.yml"
PLATFORM = "example/shipway"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run() -> Run:
    """Runs one of the pinned programs, obtained where it is not there yet."""
    cache = programs.cache_folder(os.environ)
    folders = {
        "actionlint": programs.locate(ACTIONLINT, ROOT, os.environ, cache).folder,
        **dict.fromkeys(("check-jsonschema", "zizmor"), pinned.workflow_checkers(ROOT, cache)),
    }

    def start(name: str, *arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        command = [str(folders[name] / name), *map(str, arguments)]
        # No token: nothing is asked of GitHub.
        environ = {"PATH": os.environ["PATH"], "HOME": str(cwd)}
        return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=60, check=False)

    return start


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of one model."""
    folder = tmp_path_factory.mktemp("standalone") / "churn"
    render_standalone(ROOT, folder, {"name": "churn"}, repository=PLATFORM)
    return folder


@pytest.fixture(scope="module")
def together(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our workflows, and beside them those that call them, so that a checker sees both ends of a call."""
    root = tmp_path_factory.mktemp("together")
    # By it actionlint knows the root, without which it follows no call.
    (root / ".git").mkdir()
    workflows = root / ".github" / "workflows"
    shutil.copytree(OURS / "workflows", workflows)
    for path in (rendered / ".github" / "workflows").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        called, count = re.subn(rf"uses: {PLATFORM}/(\.github/workflows/\w+\.yml)@\S+", r"uses: ./\1", text)
        assert count == 1, f"{path.name} calls {count} workflows of the platform"
        (workflows / f"calling-{path.name}").write_text(called, encoding="utf-8")
    return workflows


def test_actionlint_has_nothing_to_say(run: Run, together: Path) -> None:
    """Syntax, expressions, contexts, and inputs, secrets and outputs across every call."""
    paths = sorted(together.glob("*.yml"))
    assert len(paths) >= 10
    done = run("actionlint", "-no-color", *paths, cwd=together.parent.parent)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        ("calling-release.yml", "model: churn", "modle: churn", 'input "modle" is not defined'),
        ("release.yml", "needs: build", "needs: built", 'job "propose" needs job "built" which does not exist'),
        (
            "services.yml",
            "steps.list.outputs.models",
            "steps.listed.outputs.models",
            'property "listed" is not defined',
        ),
        ("carry.yml", "runs-on: ${{ inputs.runs-on", "runs-on: ${{ inputs.run-on", 'property "run-on" is not defined'),
    ],
)
def test_actionlint_finds_a_mistake(
    run: Run, together: Path, tmp_path: Path, file: str, right: str, wrong: str, said: str
) -> None:
    """Its silence means something: a wrong name is found, also on the other side of a call."""
    workflows = tmp_path / ".github" / "workflows"
    shutil.copytree(together, workflows)
    (tmp_path / ".git").mkdir()
    text = (workflows / file).read_text(encoding="utf-8")
    assert right in text
    (workflows / file).write_text(text.replace(right, wrong), encoding="utf-8")
    done = run("actionlint", "-no-color", workflows / file, cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stdout


def test_zizmor_finds_nothing_to_exploit(run: Run, rendered: Path) -> None:
    """Rights, pins, kept credentials, text of strangers in commands: ours and the rendered ones, offline."""
    for folder in (ROOT, rendered):
        options = ["--offline", "--no-progress", "--config", folder / ".github" / "zizmor.yml"]
        done = run("zizmor", *options, *sorted((folder / ".github" / "workflows").glob("*.yml")), cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("right", "wrong", "audit"),
    [
        (
            'shipway check "$MODEL" --markdown',
            'shipway check "${{ github.head_ref }}" --markdown',
            "template-injection",
        ),
        ("permissions:\n  contents: read\n", "permissions: write-all\n", "excessive-permissions"),
        ("persist-credentials: false", "fetch-tags: false", "artipacked"),
        ("actions/cache@v4", "someone/cache@v4", "unpinned-uses"),
    ],
)
def test_zizmor_finds_a_mistake(run: Run, tmp_path: Path, right: str, wrong: str, audit: str) -> None:
    """Text of a stranger in a command, too many rights, a kept token, somebody's action by a tag that may move."""
    text = (OURS / "workflows" / "services.yml").read_text(encoding="utf-8")
    assert right in text
    path = tmp_path / "services.yml"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    done = run("zizmor", "--offline", "--no-progress", "--config", OURS / "zizmor.yml", path)
    assert done.returncode > 10, done.stdout + done.stderr
    assert f"[{audit}]" in done.stdout


def test_every_file_follows_its_published_schema(run: Run, rendered: Path) -> None:
    """GitHub's schemas of workflows and of Dependabot, and GitLab's of pipelines."""
    workflows = [*(OURS / "workflows").glob("*.yml"), *(rendered / ".github" / "workflows").glob("*.yml")]
    for schema, options, files in (
        ("vendor.github-workflows", (), workflows),
        ("vendor.dependabot", (), [OURS / "dependabot.yml"]),
        ("vendor.gitlab-ci", ("--data-transform", "gitlab-ci"), [GITLAB]),
    ):
        done = run("check-jsonschema", "--builtin-schema", schema, *options, *files)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_of_gitlab_finds_a_mistake(run: Run, tmp_path: Path) -> None:
    """A key that GitLab does not know is found."""
    text = GITLAB.read_text(encoding="utf-8")
    path = tmp_path / "gitlab-ci.yml"
    path.write_text(text.replace("resource_group:", "resource_grp:"), encoding="utf-8")
    done = run("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", path)
    assert done.returncode == 1
    assert "resource_grp" in done.stdout
