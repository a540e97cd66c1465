"""Pulumi's command, as the verbs use it: one stack, made when missing, unlocked when its holder is dead."""

import contextlib
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.contract.errors import ShipwayError
from tools import environment, processes, report
from tools.errors import BusyError, CommandError

__all__ = ["Stack"]


@dataclass(frozen=True)
class Stack:
    """The stack `name` of the project at `root`.

    Args:
        root: the folder of Pulumi.yaml.
        name: the stack, which is also the environment.
        variables: those of `.shipway/env`.
    """

    root: Path
    name: str
    variables: Mapping[str, str]

    def exists(self) -> bool:
        """Returns whether the backend knows the stack."""
        stacks = json.loads(self._ask("stack", "ls", "--json"))
        # A backend with organizations puts theirs before the name.
        return any(stack["name"].rpartition("/")[2] == self.name for stack in stacks)

    def ensure(self) -> None:
        """Makes the stack where the backend does not know it, and unlocks it where its holder is dead.

        Raises:
            BusyError: when a living process works on it.
        """
        if self.exists():
            self.unlock()
        else:
            self._ask("stack", "init", self.name, "--no-select")

    def unlock(self) -> None:
        """Takes away the lock of a run that was killed.

        Raises:
            BusyError: when the run is alive.
            ShipwayError: when it ran on another machine, where nobody here can tell.
        """
        for path in self._locks():
            holder = json.loads(path.read_text(encoding="utf-8"))
            pid = int(holder["pid"])
            if holder.get("hostname") != socket.gethostname():
                raise ShipwayError(
                    f"stack {self.name} is locked by process {pid} on {holder.get('hostname')}, see {path}: "
                    f"when that run is dead, `pulumi cancel -s {self.name} --yes`"
                )
            # The number alone may long be another program's.
            if processes.alive(pid) and processes.name(pid) == "pulumi":
                raise BusyError(f"`pulumi` on stack {self.name}", pid, path)
            report.say("pulumi", f"process {pid} died and left stack {self.name} locked; unlocking it")
            self._ask("cancel", "-s", self.name, "--yes")

    def up(self) -> None:
        """Brings the world to what the program says, after looking at what the world is.

        Raises:
            CommandError: when the engine refuses or fails.
        """
        self._do("up", "-s", self.name, "--yes", "--skip-preview", "--refresh")

    def destroy(self) -> None:
        """Takes away everything the stack made.

        Raises:
            CommandError: when the engine refuses or fails.
        """
        self._do("destroy", "-s", self.name, "--yes", "--skip-preview")

    def preview(self, *, as_json: bool, policies: bool) -> int:
        """Prints to standard output what `up` would do and returns the engine's exit status."""
        self._mend()
        options = ["--json"] if as_json else []
        options += ["--policy-pack", "policies"] if policies else []
        return report.attend(
            ["pulumi", "preview", "-s", self.name, "--non-interactive", *options],
            cwd=self.root,
            env=self.variables,
        )

    def recorded(self, verb: str, events: Path, *options: str) -> int:
        """Runs `preview` or `up`, keeps the engine's events in a file and its words beside it; returns its status."""
        with events.with_suffix(".txt").open("w", encoding="utf-8") as words:
            return report.attend(
                ["pulumi", verb, "-s", self.name, "--non-interactive", "--event-log", str(events), *options],
                cwd=self.root,
                # The engine knows the option only where commands for finding its own mistakes are wanted.
                env={**self.variables, "PULUMI_DEBUG_COMMANDS": "true"},
                stdout=words,
                stderr=words,
            )

    def _locks(self) -> list[Path]:
        backend = self.variables.get("PULUMI_BACKEND_URL", "")
        if not backend.startswith("file://"):
            return []  # a service knows by itself when a run has died
        folder = Path(backend.removeprefix("file://")).expanduser() / ".pulumi" / "locks"
        return sorted(folder.glob(f"organization/*/{self.name}/*.json"))

    def _mend(self) -> None:
        """Removes what a killed run had begun to write into our own backend, and no command would read past.

        The backend keeps a file's attributes beside it. Without them the file is fine; with none in them it is not.
        """
        if self.variables.get("PULUMI_BACKEND_URL") != environment.own_backend(self.root):
            return
        folder = Path(environment.own_backend(self.root).removeprefix("file://"))
        removed: list[str] = []
        for path in sorted(folder.rglob("*.attrs")):
            with contextlib.suppress(FileNotFoundError):  # a run that is alive takes its own away
                if path.stat().st_size == 0:
                    path.unlink()
                    removed.append(path.name)
        if removed:
            report.say("pulumi", f"a run that was killed left empty files; removed {', '.join(removed)}")

    def _ask(self, *arguments: str) -> str:
        self._mend()
        command = ["pulumi", *arguments, "--non-interactive"]
        return report.run(command, subject="pulumi", cwd=self.root, env=self.variables, merge=False)

    def _do(self, *arguments: str) -> None:
        self._mend()
        command = ["pulumi", *arguments, "--non-interactive"]
        code = report.attend(command, cwd=self.root, env=self.variables, stdout=report.STDERR)
        if code:
            raise CommandError(command, code)
