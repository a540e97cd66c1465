"""Set-up leaves stacks that a plain `pulumi up` finds."""

from pathlib import Path

import pytest

from tools import environment
from tools.setup import make_stacks

LOCAL = "config:\n  shipway:environment:\n    target: local\n"
CLOUD = "config:\n  shipway:environment:\n    target: aws\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with two environments, whose `pulumi` notes what it is asked and keeps its state."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.local.yaml").write_text(LOCAL)
    (tmp_path / "stacks" / "Pulumi.prod.yaml").write_text(CLOUD)
    binaries = tmp_path / ".shipway" / "bin"
    binaries.mkdir(parents=True)
    known = tmp_path / ".shipway" / "pulumi" / "state" / ".pulumi" / "stacks" / "shipway"
    script = f'#!/bin/sh\nmkdir -p "{known}"\ntouch "{known}/$3.json"\necho "$@" >> "{tmp_path}/asked"\n'
    (binaries / "pulumi").write_text(script)
    (binaries / "pulumi").chmod(0o755)
    return tmp_path


def source(root: Path, backend: str) -> None:
    """Writes `.shipway/env` with a backend."""
    text = f'export PATH="{root / ".shipway" / "bin"}:$PATH"\nexport PULUMI_BACKEND_URL="{backend}"\n'
    environment.env_file(root).write_text(text)


def test_each_local_stack_is_made_once(root: Path) -> None:
    """Only a local environment gets its stack, and a second set-up asks for nothing."""
    source(root, environment.own_backend(root))
    make_stacks(root)
    make_stacks(root)
    assert (root / "asked").read_text() == "stack init local --no-select --non-interactive\n"


def test_a_persons_own_backend_is_left_alone(root: Path) -> None:
    """Set-up makes no stack where somebody else keeps theirs."""
    source(root, "file:///somewhere/else")
    make_stacks(root)
    assert not (root / "asked").exists()
