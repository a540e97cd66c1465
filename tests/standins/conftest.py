"""A small project of its own under the real engine, with the stand-ins as its providers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
STACK = "test"


class Engine:
    """Pulumi on one stack of a project in `root`, with a backend and a world of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.world = root, root / "world.json"
        (root / "state").mkdir()
        programs = root / "programs"
        programs.mkdir()
        for name, module in (("aws", "aws_provider"), ("kubernetes", "offline_kubernetes")):
            provider = programs / f"pulumi-resource-{name}"
            started = f"PYTHONPATH={REPOSITORY} exec {sys.executable} -m tests.standins.{module}"
            provider.write_text(f'#!/bin/sh\n{started} "$@"\n')
            provider.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
        path = [programs, REPOSITORY / ".shipway" / "bin", Path(sys.executable).parent]
        self.environment = kept | {
            "PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]]),
            "PULUMI_BACKEND_URL": f"file://{root / 'state'}",
            "PULUMI_HOME": str(root / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "SHIPWAY_STANDIN_WORLD": str(self.world),
        }
        (root / "Pulumi.yaml").write_text("name: standins\nruntime: python\n")
        self.run("stack", "init", STACK, "--no-select")

    def run(self, *arguments: str, code: int = 0) -> str:
        """Runs one command and returns what it printed."""
        done = subprocess.run(
            ["pulumi", *arguments, "-s", STACK, "--non-interactive"] if arguments[0] != "stack" else ["pulumi", *arguments],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def program(self, text: str) -> None:
        (self.root / "__main__.py").write_text(text)

    def up(self, code: int = 0) -> str:
        return self.run("up", "--yes", "--skip-preview", code=code)

    def steps(self) -> dict[str, dict]:
        """Returns resource -> what a preview would do with it, without what stays the same."""
        printed = self.run("preview", "--json")
        steps = json.loads(printed[printed.index("{") :])["steps"]
        return {step["urn"].rpartition("::")[2]: step for step in steps if step["op"] != "same"}

    def objects(self) -> dict[str, dict]:
        """Returns everything that the stand-ins hold."""
        return json.loads(self.world.read_text())


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path)
