"""The engine and our language host together, on programs of a few lines."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tools import environment, processes
from tools.engine import Stack
from tools.errors import BusyError

pytestmark = pytest.mark.e2e

DEADLINE_SECONDS = 60.0
MARK = "SHIPWAY_LANGUAGE_HOST_TEST"

PARTS = """
import os, time
from pathlib import Path

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult


class FileProvider(ResourceProvider):
    def create(self, props):
        Path(props["path"]).write_text(props["text"])
        while Path(props["path"]).with_name("hold").exists():
            time.sleep(0.05)
        return CreateResult(props["path"], props)

    def read(self, id_, props):
        path = Path(id_)
        return ReadResult(id_, {**props, "text": path.read_text()}) if path.exists() else ReadResult("", {})

    def diff(self, id_, old, new):
        return DiffResult(changes=old["text"] != new["text"])

    def update(self, id_, old, new):
        Path(id_).write_text(new["text"])
        return UpdateResult(new)

    def delete(self, id_, props):
        Path(id_).unlink(missing_ok=True)


class File(Resource):
    text: pulumi.Output[str]

    def __init__(self, name, path, text, opts=None):
        super().__init__(FileProvider(), name, {"path": path, "text": text}, opts)


class Pair(pulumi.ComponentResource):
    def __init__(self, name, folder, text):
        super().__init__("tiny:index:Pair", name)
        child = pulumi.ResourceOptions(parent=self)
        self.text = File(f"{name}-a", f"{folder}/a", text, child).text
        File(f"{name}-b", f"{folder}/b", text, child)
        self.register_outputs({"text": self.text})
"""
PROGRAM = """
import pulumi
from parts import Pair

config = pulumi.Config()
pair = Pair("pair", config.require("folder"), config.require("text"))
pulumi.export("text", pair.text)
pulumi.export("secret", config.require_secret("secret"))
"""


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Path:
    """A Pulumi project whose program lies in a sub-folder, with a stack of its own state."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "world").mkdir()
    (tmp_path / "state").mkdir()
    settings = {"name": "tiny", "main": "stacks/", "stackConfigDir": "stacks/", "runtime": "python"}
    (tmp_path / "Pulumi.yaml").write_text(json.dumps(settings), encoding="utf-8")
    (tmp_path / "stacks" / "parts.py").write_text(PARTS, encoding="utf-8")
    (tmp_path / "stacks" / "__main__.py").write_text(PROGRAM, encoding="utf-8")
    return tmp_path


@pytest.fixture
def variables(project: Path, root: Path) -> Generator[dict[str, str]]:
    """The variables of `.shipway/env` with a backend below the project and a mark on every process."""
    mark = str(project)
    yield environment.load(root) | {
        "PULUMI_BACKEND_URL": f"file://{project / 'state'}",
        "PULUMI_HOME": str(project / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "",
        # The file provider's module, and nothing else of this folder, is imported by name.
        "PYTHONPATH": str(project / "stacks"),
        MARK: mark,
    }
    for pid in processes.carrying(MARK, mark):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def stack(project: Path, variables: dict[str, str]) -> Stack:
    """The stack, configured."""
    stack = Stack(project, "local", variables)
    stack.ensure()
    pulumi(stack, "config", "set", "folder", str(project / "world"))
    pulumi(stack, "config", "set", "text", "one")
    pulumi(stack, "config", "set", "--secret", "secret", "hidden")
    return stack


def pulumi(stack: Stack, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs Pulumi's command on the stack."""
    command = ["pulumi", *arguments, "-s", stack.name, "--non-interactive"]
    options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": DEADLINE_SECONDS}
    return subprocess.run(command, cwd=stack.root, env=dict(stack.variables), check=check, **options)


def outputs(stack: Stack) -> dict[str, Any]:
    """Returns the stack's outputs, secrets hidden."""
    found: dict[str, Any] = json.loads(pulumi(stack, "stack", "output", "--json").stdout)
    return found


def operations(stack: Stack) -> dict[str, int]:
    """Returns how many resources a preview would treat in which way."""
    changes: dict[str, int] = json.loads(pulumi(stack, "preview", "--json").stdout)["changeSummary"]
    return changes


def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition, at most a minute."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_program_lives_through_its_whole_life(stack: Stack, project: Path) -> None:
    """Components, configuration, secrets and dynamic providers go through up, no-op, drift, repair, change, destroy."""
    world = project / "world"
    assert operations(stack) == {"create": 4}
    stack.up()
    assert (world / "a").read_text(encoding="utf-8") == "one"
    assert outputs(stack) == {"secret": "[secret]", "text": "one"}
    assert operations(stack) == {"same": 4}

    (world / "a").write_text("edited", encoding="utf-8")
    (world / "b").unlink()
    drift = pulumi(stack, "refresh", "--preview-only", "--expect-no-changes", check=False)
    assert drift.returncode != 0
    stack.up()
    assert [(world / name).read_text(encoding="utf-8") for name in "ab"] == ["one", "one"]

    pulumi(stack, "config", "set", "text", "two")
    assert operations(stack) == {"same": 2, "update": 2}
    stack.up()
    assert outputs(stack)["text"] == "two"
    stack.destroy()
    assert not list(world.iterdir())


def test_an_engine_without_warnings(stack: Stack) -> None:
    """Our host lies where the engine expects one, so no operation warns about it."""
    preview = pulumi(stack, "preview")
    assert "warning" not in preview.stdout + preview.stderr


def test_a_failing_program_shows_its_own_lines(stack: Stack, project: Path) -> None:
    """An exception's traceback starts in the program and names the line; the exit status is not 0."""
    program = "import pulumi\n\ndef fail():\n    raise ValueError('as intended')\n\nfail()\n"
    (project / "stacks" / "__main__.py").write_text(program, encoding="utf-8")
    done = pulumi(stack, "preview", check=False)
    assert done.returncode != 0
    printed = done.stdout + done.stderr
    assert "ValueError: as intended" in printed
    assert '__main__.py", line 4, in fail' in printed
    assert "runpy" not in printed


def test_a_program_that_exits_is_reported(stack: Stack, project: Path) -> None:
    """A program that ends the process by itself fails the deployment with its exit code."""
    (project / "stacks" / "__main__.py").write_text("import os\nos._exit(3)\n", encoding="utf-8")
    done = pulumi(stack, "preview", check=False)
    assert done.returncode != 0
    assert "the program exited with code 3" in done.stdout + done.stderr


def test_an_interrupted_engine_leaves_no_process_and_no_lock(stack: Stack, project: Path) -> None:
    """Ctrl-C in the middle of an `up`: the engine ends in order, and nothing it started outlives it."""
    with held(stack, project) as engine:
        engine.send_signal(signal.SIGINT)
    until(lambda: not processes.carrying(MARK, str(project)))
    stack.unlock()
    stack.up()
    assert operations(stack) == {"same": 4}


def test_a_killed_engine_leaves_no_process_and_a_lock_that_we_take_away(stack: Stack, project: Path) -> None:
    """`kill -9` in the middle of an `up`: what it started ends too, and the next run unlocks the stack and goes on."""
    with held(stack, project) as engine:
        with pytest.raises(BusyError, match=f"`pulumi` on stack local is under way in process {engine.pid}"):
            stack.unlock()
        engine.kill()
    until(lambda: not processes.carrying(MARK, str(project)))
    stack.ensure()
    stack.up()
    assert operations(stack) == {"same": 4}


@contextmanager
def held(stack: Stack, project: Path) -> Generator[subprocess.Popen[bytes]]:
    """An `up` in the middle of creating; it may go on after the block, and has ended when this returns."""
    hold = project / "world" / "hold"
    hold.touch()
    command = ["pulumi", "up", "-s", stack.name, "--yes", "--skip-preview", "--non-interactive"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=project, env=dict(stack.variables), stdout=quiet, stderr=quiet) as engine:
        try:
            until(lambda: (project / "world" / "a").exists() or (project / "world" / "b").exists())
            yield engine
        finally:
            hold.unlink()


def test_a_host_that_is_told_to_end_again_and_again_ends_quietly(root: Path) -> None:
    """What it printed at its end would be shown to the person as an error of their deployment."""
    command = [sys.executable, str(root / "tools" / "language_host" / "server.py"), "127.0.0.1:1"]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    for _ in range(5):
        with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as host:
            assert host.stdout
            assert int(host.stdout.readline()) > 0
            deadline = time.monotonic() + DEADLINE_SECONDS
            while host.poll() is None and time.monotonic() < deadline:
                host.send_signal(signal.SIGINT)
                time.sleep(0.0005)
            assert (host.returncode, host.communicate()[1]) == (0, "")
