"""What the repository's files may say, and what a reader finds first."""

import re
import subprocess
from pathlib import Path

MACHINE_PATH = re.compile(r"(?<![\w.~$}/])/(?:home|root|Users|work|mnt)/[\w.-]+|(?<![\w.~$}/])/tmp/[\w.-]+/")
REGISTRY = re.compile(r"--(?:extra-)?index-url|https?://[\w.-]*(?:pypi|pythonhosted|npmjs|proxy\.golang)[\w.-]*")
# These are written by programs, and name no host by how they were made; a hash may look like anything.
LOCKS = {"go.sum", "requirements.lock"}
FIRST_COMMAND_BY_LINE = 15
FIRST_OUTPUT_BY_LINE = 30


def test_no_file_names_a_place_of_one_machine(files: list[Path], root: Path) -> None:
    """No committed file holds an absolute path of a machine or the address of a package registry."""
    found: list[str] = []
    for path in files:
        if path.name in LOCKS or path == Path(__file__):
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(root)}:{number}: {line.strip()}"
            for number, line in enumerate(lines, 1)
            if MACHINE_PATH.search(line) or REGISTRY.search(line)
        ]
    assert not found


def test_the_lock_names_no_index(root: Path) -> None:
    """requirements.lock pins every package by version and hash and says nothing about where to get it."""
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"https?://|^--", lock, flags=re.MULTILINE)
    entries = re.split(r"\n(?=[a-z0-9])", lock.strip())
    assert not [entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]


def test_a_reader_meets_a_command_at_once(root: Path) -> None:
    """README.md shows a command by line 15 and what it really printed by line 30."""
    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    fences = [number for number, line in enumerate(lines, 1) if line.startswith("```")]
    shown = [
        number
        for start, end in zip(fences[::2], fences[1::2], strict=False)
        for number in range(start + 1, end)
        if lines[number - 1].strip()
    ]
    commands = [number for number in shown if lines[number - 1].startswith("$ ")]
    assert commands, "README.md shows no command"
    assert commands[0] <= FIRST_COMMAND_BY_LINE
    outputs = [number for number in shown if number > commands[0] and not lines[number - 1].startswith("$ ")]
    assert outputs, "README.md shows no output"
    assert outputs[0] <= FIRST_OUTPUT_BY_LINE


def test_the_verbs_list_themselves(root: Path) -> None:
    """`make` alone lists every verb with a line of its own, and makes nothing."""
    printed = subprocess.run(["make"], cwd=root, capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^ +make (\w+) +\S", printed, flags=re.MULTILINE)
    assert {"setup", "up", "down", "test", "ci", "preview", "clean", "lock"} <= set(listed)
