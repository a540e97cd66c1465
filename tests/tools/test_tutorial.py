"""The shell that types the tutorial."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.contract.errors import ShipwayError
from tools.transcript import commands
from tools.tutorial import PAGE, Shell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    typing = Shell(tmp_path, {"PATH": os.environ["PATH"]})
    yield typing
    typing.close()


def test_a_command_returns_all_that_it_printed_and_nothing_else(shell: Shell) -> None:
    """Standard error is what a person sees, too; a last line without an end is a line."""
    assert shell.type("echo one; echo two >&2; printf three") == ["one", "two", "three"]
    assert shell.type("true") == []
    assert shell.type("printf 'a\\n\\nb\\n'") == ["a", "", "b"]


def test_variables_stay_from_one_command_to_the_next(shell: Shell) -> None:
    """A digest that one command gets, the next one uses."""
    shell.type("X=$(echo 7)")
    assert shell.type('echo "it is $X"') == ["it is 7"]


def test_a_command_that_fails_is_not_the_end(shell: Shell) -> None:
    """A tutorial may show a refusal."""
    assert shell.type("ls /no-such-folder-here 2>/dev/null; false") == []
    assert shell.type("echo on") == ["on"]


def test_what_reads_gets_nothing_of_the_next_command(shell: Shell) -> None:
    """A command that waits for input finds its end."""
    assert shell.type("cat") == []
    assert shell.type("echo on") == ["on"]


def test_a_command_in_the_background_does_not_hold_the_shell(shell: Shell) -> None:
    """The replay goes on while the rollout is watched."""
    assert shell.type("sleep 30 > log 2>&1 &", limit_seconds=10) == []
    assert shell.type("echo on") == ["on"]


def test_a_shell_that_ends_and_a_command_without_end_are_told(shell: Shell) -> None:
    """Both errors name the command."""
    with pytest.raises(ShipwayError, match=r"sleep 60: not at its end after 0 s"):
        shell.type("sleep 60", limit_seconds=0.2)
    other = Shell(Path.cwd(), {"PATH": os.environ["PATH"]})
    with pytest.raises(ShipwayError, match=r"exit 3: the shell ended with it"):
        other.type("exit 3")
    other.close()


def test_the_tutorial_goes_from_nothing_to_nothing() -> None:
    """It begins where a reader begins, and leaves nothing behind."""
    typed = commands(PAGE.read_text(encoding="utf-8"))
    assert (typed[0], typed[-1]) == ("make up", "make down")
