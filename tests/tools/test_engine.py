"""What a verb puts right in the engine's own files before it asks the engine anything."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tools import environment
from tools.engine import Stack

Program = Callable[[str, str], Path]


@pytest.fixture
def attributes(tmp_path: Path) -> Path:
    """The attributes of a stack's checkpoint in the project's own backend, as `kill -9` may leave them: empty."""
    path = Path(environment.own_backend(tmp_path).removeprefix("file://"), ".pulumi", "stacks", "p", "local.json.attrs")
    path.parent.mkdir(parents=True)
    path.touch()
    return path


@pytest.fixture
def stack(tmp_path: Path, program: Program) -> Stack:
    """A stack of an engine that fails as the real one does on such a file."""
    broken = 'find "${PULUMI_BACKEND_URL#file://}" -name "*.attrs" -size 0 | grep -q shipway && echo EOF && exit 255'
    engine = program("pulumi", f"{broken}; echo '[]'")
    variables = {"PATH": f"{engine.parent}:/usr/bin:/bin", "PULUMI_BACKEND_URL": environment.own_backend(tmp_path)}
    return Stack(tmp_path, "local", variables)


@pytest.mark.parametrize(
    "command",
    [Stack.exists, Stack.up, Stack.destroy, lambda stack: stack.preview(as_json=True, policies=False)],
    ids=["exists", "up", "destroy", "preview"],
)
def test_what_a_killed_run_left_empty_is_removed_before_any_command(
    stack: Stack, attributes: Path, command: Callable[[Stack], object], capfd: pytest.CaptureFixture[str]
) -> None:
    """Every command goes on after `kill -9` of the engine, and one line says what was removed."""
    other = attributes.with_name("other.json.attrs")
    other.write_text("{}", encoding="utf-8")
    assert not command(stack)
    assert not attributes.exists()
    assert other.exists()
    assert capfd.readouterr().err.count("a run that was killed left empty files; removed local.json.attrs") == 1


def test_a_backend_of_the_persons_own_is_left_alone(stack: Stack, tmp_path: Path) -> None:
    """Only files below this project's .shipway/ are ours to remove."""
    theirs = tmp_path / "theirs" / "local.json.attrs"
    theirs.parent.mkdir()
    theirs.touch()
    Stack(tmp_path, "local", {**stack.variables, "PULUMI_BACKEND_URL": f"file://{theirs.parent}"}).up()
    assert theirs.exists()
