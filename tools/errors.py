"""What set-up and the verbs refuse: one sentence each, with what to do next."""

from collections.abc import Sequence
from pathlib import Path

from shipway.contract.errors import ShipwayError

__all__ = ["BusyError", "CommandError", "DiskError", "ToolError"]


class CommandError(ShipwayError):
    """A program that was started failed.

    Args:
        command: what ran.
        code: its exit status.
        output: what it printed, of which the last lines are shown.
    """

    def __init__(self, command: Sequence[str], code: int, output: str = "") -> None:
        self.command, self.code, self.output = tuple(command), code, output
        tail = "\n    ".join(output.strip().splitlines()[-8:])
        super().__init__(f"`{' '.join(command)}` ended with status {code}" + (f":\n    {tail}" if tail else ""))


class ToolError(ShipwayError):
    """A program is not on PATH, not in the cache, and could not be obtained.

    Args:
        tool: the program's name.
        accepted: the versions that will do, in words.
        path: what was found on PATH, in words.
        cache: where the cache would hold it.
        source: where set-up gets it from, in words.
        failure: what went wrong there.
    """

    def __init__(self, tool: str, *, accepted: str, path: str, cache: Path, source: str, failure: str) -> None:
        self.tool, self.failure = tool, failure
        super().__init__(
            f"{tool} {accepted} is needed. There are three ways to get it:\n"
            f"  1. put {tool} {accepted} on PATH (now there: {path});\n"
            f"  2. put the executable at {cache};\n"
            f"  3. let `make setup` get {source}. It tried, and: {failure}"
        )


class DiskError(ShipwayError):
    """Too little room on a disk for what is about to be written."""

    def __init__(self, folder: Path, purpose: str, needed_mib: int, free_mib: int) -> None:
        super().__init__(
            f"{purpose} needs {needed_mib} MiB below {folder}, and {free_mib} MiB are free: "
            f"make room for {needed_mib - free_mib} MiB more"
        )


class BusyError(ShipwayError):
    """Another process does the same work at the moment.

    Args:
        work: what is being done.
        pid: who does it, None where it is not known.
        path: the lock file.
    """

    def __init__(self, work: str, pid: int | None, path: Path) -> None:
        self.pid = pid
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{work} is under way in {who}, which holds {path}: wait for it or stop it, then try again")
