"""What a person sees on standard error while things are made: each step, what it does and how long it took."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any, NoReturn

from shipway.contract.errors import ShipwayError, SpecError
from tools.errors import CommandError

__all__ = ["STDERR", "attend", "fail_clearly", "run", "say", "step"]

HEARTBEAT_SECONDS = 20.0
# Where a command's output goes that is progress to us: standard output holds results only.
STDERR = 2


def say(subject: str, message: str) -> None:
    """Prints one line of progress."""
    print(f"  {subject:<12} {message}", file=sys.stderr, flush=True)


@contextmanager
def step(subject: str, doing: str) -> Generator[None]:
    """Says what is being done, and after it how many seconds it took; a step that fails leaves that to the error."""
    say(subject, f"{doing} ...")
    start = time.monotonic()
    yield
    say(subject, f"done in {time.monotonic() - start:.1f} s")


def run(
    command: Sequence[str | Path],
    *,
    subject: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    merge: bool = True,
) -> str:
    """Runs `command` to its end, saying now and then that it is still at it, and returns what it printed.

    Args:
        command: the program and its arguments.
        subject: whose progress it is.
        cwd: where to run it.
        env: its variables; None for this process's own.
        merge: whether what it prints to standard error is returned too.

    Raises:
        CommandError: when it fails or cannot be started; it carries the last lines of its output.
    """
    words = [str(word) for word in command]
    start = time.monotonic()
    try:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            text=True,
        )
    except OSError as error:
        raise CommandError(words, 127, str(error)) from None
    while True:
        try:
            output, errors = process.communicate(timeout=HEARTBEAT_SECONDS)
            break
        except subprocess.TimeoutExpired:
            say(subject, f"still at it after {time.monotonic() - start:.0f} s")
        except BaseException:
            # Ctrl-C: what was started ends, and its own children, before the caller tidies its folder away.
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
    if process.returncode:
        raise CommandError(words, process.returncode, output + (errors or ""))
    return output


def attend(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: IO[Any] | int | None = None,
    stderr: IO[Any] | int | None = None,
) -> int:
    """Runs `command` in the open and returns its exit status; Ctrl-C lets it end in order, and is raised after that.

    A terminal sends Ctrl-C to a whole group of processes. The command gets a group of its own and is told once, by us:
    told twice, `pulumi` drops what it has under way and leaves its stack locked.
    """
    try:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, process_group=0
        )
    except OSError as error:
        raise CommandError(command, 127, str(error)) from None
    interrupted: KeyboardInterrupt | None = None
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt as error:
            if interrupted is None:
                say(Path(command[0]).name, "ends what it has under way first; Ctrl-C once more stops it at once")
            interrupted = error
            process.send_signal(signal.SIGINT)
    if interrupted is not None:
        raise interrupted
    return code


def fail_clearly(main: Callable[[], int]) -> NoReturn:
    """Ends the process with the exit code of `main`, 2 for wrong input, 1 for a refusal, 130 for Ctrl-C or SIGTERM."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    # SIGINT too: a script's background job starts with it ignored, and could not be stopped in order.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        sys.exit(main())
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except ShipwayError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if (sentence := _of_the_system(error)) is None:
            raise
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(1)


def _of_the_system(error: OSError) -> str | None:
    """Returns what a person is told of a disk or a file that refuses; None for what would be a mistake of ours."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"the disk is full ({error.filename}); make room and run the same command again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            who = f"user {os.getuid()} may not write there"
            return f"{error.filename}: {error.strerror}; {who}: was it made by another user, or is the disk read-only?"
        case _:
            return None
