"""`make tutorial`: types the tutorial on a platform of its own, and holds the page to what that prints.

`--write` puts what was printed into the page where it differs; shorten long output there to a line `...` afterwards.
"""

import argparse
import contextlib
import difflib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from shipway.contract.errors import ShipwayError
from tools import report
from tools.copies import copy_checkout, own_variables
from tools.transcript import Shown, blocks, prints_again, rewritten

__all__ = ["Shell", "main"]

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tutorial.md"

# The port of the gateway as the page shows it.
_SHOWN_BASE = 8080
_COMMAND_SECONDS = 600.0
_END = "end-of-command-of-the-tutorial"


class Shell:
    """One shell that a person types into; what it prints comes back line by line, standard error included."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="tutorial-shell", daemon=True)
        self._reader.start()

    def type(self, command: str, limit_seconds: float = _COMMAND_SECONDS) -> list[str]:
        """Returns what the command printed.

        Raises:
            ShipwayError: when the shell ends, or the command does not within the limit.
        """
        assert self._process.stdin is not None
        # A command reads nothing of what is typed after it.
        self._process.stdin.write(f"{{ {command}\n}} < /dev/null\nprintf '\\n%s\\n' {_END}\n")
        self._process.stdin.flush()
        until, printed = time.monotonic() + limit_seconds, list[str]()
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise ShipwayError(f"{command}: not at its end after {limit_seconds:.0f} s") from None
            if line is None:
                raise ShipwayError(f"{command}: the shell ended with it; it had printed {printed[-5:]}")
            if line == _END:
                # The empty line before the mark ends a last line that had no end.
                return printed[:-1] if printed and not printed[-1] else printed
            printed.append(line)

    def close(self) -> None:
        """Ends the shell and what it still has in the background."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        # Its output ends when the last of the group has.
        self._reader.join()
        self._process.__exit__(None, None, None)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


def main() -> int:
    """Types the page and returns 1 when it printed anything else than the page shows."""
    parser = argparse.ArgumentParser(prog="make tutorial", description=__doc__)
    parser.add_argument("--base", type=int, default=9700, help="the first port of its platform")
    parser.add_argument("--write", action="store_true", help="put what differs into the page")
    chosen = parser.parse_args()
    page, start = PAGE.read_text(encoding="utf-8"), time.monotonic()
    with _platform(chosen.base) as shell:
        outputs, differing = _typed(shell, page, chosen.base)
    minutes = (time.monotonic() - start) / 60
    if chosen.write and differing:
        PAGE.write_text(rewritten(page, outputs), encoding="utf-8")
    report.say("tutorial", f"{differing} of its commands printed something else, {minutes:.1f} minutes")
    return 1 if differing and not chosen.write else 0


def _typed(shell: Shell, page: str, base: int) -> tuple[list[list[Sequence[str]]], int]:
    """Returns what each command printed, as the page should show it, and how many differ from it."""
    outputs: list[list[Sequence[str]]] = []
    differing = 0
    for block in blocks(page):
        outputs.append([])
        for one in block.shown:
            report.say("tutorial", one.command.replace("\n", " "))
            printed = [
                line.replace(str(base), str(_SHOWN_BASE))
                for line in shell.type(one.command.replace(str(_SHOWN_BASE), str(base)))
            ]
            if prints_again(one.output, printed):
                outputs[-1].append(one.output)
                continue
            differing += 1
            outputs[-1].append(printed)
            _tell(one, printed)
    return outputs, differing


def _tell(one: Shown, printed: Sequence[str]) -> None:
    lines = difflib.unified_diff(one.output, printed, "the page", "printed", lineterm="")
    print(f"$ {one.command}", *lines, sep="\n", file=sys.stderr, flush=True)


@contextmanager
def _platform(base: int) -> Generator[Shell]:
    """Yields a shell in a copy of this checkout; whatever happens, the copy's platform is brought down and removed."""
    with tempfile.TemporaryDirectory(prefix="shipway-tutorial-") as made:
        folder = Path(made) / "shipway"
        copy_checkout(ROOT, folder, base)
        variables = own_variables(os.environ, ROOT)
        shell = Shell(folder, variables)
        try:
            yield shell
        finally:
            shell.close()
            down = subprocess.run(["make", "-s", "down"], cwd=folder, env=variables, check=False)
            if down.returncode:
                kept = ROOT / ".shipway" / "cache" / "tutorial-that-is-not-down"
                shutil.copytree(folder / ".shipway", kept, dirs_exist_ok=True, symlinks=True)
                report.say("tutorial", f"make down failed with {down.returncode}; its files are in {kept}")


if __name__ == "__main__":
    report.fail_clearly(main)
