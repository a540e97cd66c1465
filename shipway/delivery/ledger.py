"""The ledger: who did what to a release, when and why; one file an entry, each holding the hash of the one before."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shipway.contract.errors import Fatal, SpecError
from shipway.contract.evidence import Verdict
from shipway.contract.ledger import Entry, entry_numbers, entry_path, read_entry
from shipway.delivery.failpoints import reach

__all__ = ["Ledger"]

GENESIS = "0" * 64


class Ledger:
    """The entries in `folder`: append and read; nothing is ever changed or removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(
        self,
        *,
        time: str,
        actor: str,
        action: str,
        model: str,
        digests: Mapping[str, str],
        reason: str,
        generation: int | None = None,
        rollout: int | None = None,
        weight_percent: int | None = None,
        evidence: tuple[Verdict, ...] = (),
    ) -> Entry:
        """Writes the next entry and returns it; of two writers at once, one takes the number after.

        Raises:
            Fatal: when the last entry is damaged, naming it: nothing may be chained to it.
            OSError: when the disk is full or the folder cannot be written; no entry was made.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            number, previous = self._head()
            entry = Entry(
                number=number + 1,
                previous=previous,
                time=time,
                actor=actor,
                action=action,
                model=model,
                digests=dict(digests),
                reason=reason,
                generation=generation,
                rollout=rollout,
                weight_percent=weight_percent,
                evidence=evidence,
            )
            if self._create(entry):
                return entry

    def entries(self, model: str | None = None) -> list[Entry]:
        """Returns the readable entries in order, of `model` or of all.

        Raises:
            Fatal: naming an entry that cannot be read.
        """
        found = [self._read(number) for number in self._numbers()]
        return [entry for entry in found if model in (None, entry.model)]

    def verify(self) -> list[str]:
        """Returns one sentence for each damage: a gap, an entry that cannot be read, or one that was edited."""
        damage: list[str] = []
        expected_number, previous = 1, GENESIS
        for number in self._numbers():
            path = self._path(number)
            if number != expected_number:
                damage.append(f"{self._path(expected_number)}: no such entry, expected one before {path.name}")
            try:
                entry = self._read(number)
            except Fatal as error:
                damage.append(str(error))
            else:
                if number == expected_number and entry.previous != previous:
                    damage.append(
                        f"{path}: follows an entry with sha256 {entry.previous[:12]}, expected {previous[:12]}: "
                        "the entry before it was changed"
                    )
                if entry.number != number:
                    damage.append(f"{path}: holds number {entry.number}, expected {number}")
            expected_number, previous = number + 1, _hash(path)
        return damage

    def _head(self) -> tuple[int, str]:
        numbers = self._numbers()
        if not numbers:
            return 0, GENESIS
        self._read(numbers[-1])
        return numbers[-1], _hash(self._path(numbers[-1]))

    def _create(self, entry: Entry) -> bool:
        """Returns whether the entry was made; False when its number was taken meanwhile.

        The file is complete before it gets its name, so a crash leaves no torn entry; the link is exclusive as O_EXCL.
        """
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".entry-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(json.dumps(entry.model_dump(mode="json"), sort_keys=True) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(0o444)
            reach("ledger_before_link")
            os.link(temporary, self._path(entry.number))
        except FileExistsError:
            return False
        finally:
            Path(temporary).unlink(missing_ok=True)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        reach("ledger_after_link")
        return True

    def _read(self, number: int) -> Entry:
        try:
            return read_entry(self._folder, number)
        except SpecError as error:
            raise Fatal(f"the ledger is damaged; {error}") from None

    def _numbers(self) -> list[int]:
        return entry_numbers(self._folder)

    def _path(self, number: int) -> Path:
        return entry_path(self._folder, number)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
