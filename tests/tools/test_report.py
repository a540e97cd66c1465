"""How a verb runs programs, and how it ends."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shipway.contract.errors import ShipwayError, SpecError
from tools import report
from tools.errors import CommandError

# A program that ends in order on its first SIGINT, and counts how often it was told.
ORDERLY = """
import signal, sys, time
told = []
def on_interrupt(number, frame):
    told.append(number)
signal.signal(signal.SIGINT, on_interrupt)
print("ready", flush=True)
while not told:
    time.sleep(0.01)
time.sleep(0.2)
print(f"told {len(told)} times", flush=True)
"""
ATTEND = """
import os, sys
from pathlib import Path
from tools import report
report.fail_clearly(lambda: report.attend([sys.executable, "-c", sys.argv[1]], cwd=Path.cwd(), env=os.environ))
"""


def test_a_command_that_fails_shows_its_last_words(tmp_path: Path) -> None:
    """The error has the command, its status and the end of what it printed."""
    with pytest.raises(CommandError, match=r"`sh -c echo no; exit 3` ended with status 3:\s+no$"):
        report.run(["sh", "-c", "echo no; exit 3"], subject="test")


def test_a_command_that_is_not_there_is_said() -> None:
    """A program that cannot be started gives the same kind of error."""
    with pytest.raises(CommandError, match=r"`no-such-program` ended with status 127:\s+.*No such file"):
        report.run(["no-such-program"], subject="test")
    with pytest.raises(CommandError, match="No such file"):
        report.attend(["no-such-program"], cwd=Path.cwd(), env=os.environ)


def test_a_long_command_is_seen_to_live(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Progress is said now and then, and nothing of the output is lost over it."""
    monkeypatch.setattr(report, "HEARTBEAT_SECONDS", 0.05)
    assert report.run(["sh", "-c", "echo one; sleep 0.3; echo two"], subject="test") == "one\ntwo\n"
    assert "still at it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (SpecError("model.yaml", "owner", "nothing", "a team"), 2, "error: model.yaml: owner: got 'nothing', expected"),
        (ShipwayError("refused"), 1, "error: refused"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to go on"),
        (
            OSError(errno.ENOSPC, "No space left on device", "state.json"),
            1,
            "error: the disk is full (state.json); make",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "up.lock"), 1, "error: up.lock: Permission denied; user"),
        (OSError(errno.EROFS, "Read-only file system", ".shipway"), 1, "error: .shipway: Read-only file system; user"),
    ],
)
def test_a_verb_ends_with_one_line(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever stands in the way is one clear line and an exit status, never a traceback."""

    def refuse() -> int:
        raise error

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit) as ended:
            report.fail_clearly(refuse)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert ended.value.code == code
    assert capsys.readouterr().err.startswith(line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_lets_a_command_end_in_order(root: Path, number: signal.Signals) -> None:
    """A terminal's Ctrl-C goes to the whole group, yet the command is told once, ends, and then the verb ends."""
    command = [sys.executable, "-c", ATTEND, ORDERLY]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=root, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as verb:
        assert verb.stdout is not None
        assert verb.stdout.readline() == "ready\n"
        os.killpg(verb.pid, number)
        printed, errors = verb.communicate(timeout=30)
    assert printed == "told 1 times\n"
    assert "ends what it has under way first" in errors
    assert verb.returncode == 130
