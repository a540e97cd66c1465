"""The ledger: who did what to a release, when and why; one record an entry, each holding the hash of the one before."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from shipway.contract.documents import parse, parse_json
from shipway.contract.errors import Fatal, SpecError
from shipway.contract.evidence import Verdict
from shipway.contract.ledger import Entry, entry_name, entry_number
from shipway.delivery.storage import FolderStorage, Storage

__all__ = ["Ledger"]

GENESIS = "0" * 64


class Ledger:
    """The entries in a folder or another storage: append and read; nothing is ever changed or removed."""

    def __init__(self, kept: Path | Storage) -> None:
        self._storage = FolderStorage(kept) if isinstance(kept, Path) else kept

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
        checked: int | None = None,
    ) -> Entry:
        """Writes the next entry and returns it; of two writers at once, one takes the number after.

        Both may write the same event, as the holder of a lease and who followed it do: it is entered once.

        Args:
            time, actor, action, model, digests, reason, generation, rollout, weight_percent, evidence: see `Entry`.
            checked: up to this number the caller knows that the event is not there; by default up to the last one now.

        Raises:
            Fatal: when the last entry is damaged, naming it: nothing may be chained to it.
            OSError: when the disk is full or the storage cannot be written; no entry was made.
        """
        while True:
            number, previous = self._head()
            checked = number if checked is None else checked
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
            for other in range(checked + 1, number + 1):
                there = self._read(other)[0]
                if there.model_copy(update={"number": entry.number, "previous": entry.previous}) == entry:
                    return there
            checked = number
            text = json.dumps(entry.model_dump(mode="json"), sort_keys=True) + "\n"
            if self._storage.create(entry_name(entry.number), text.encode()):
                return entry

    def entries(self, model: str | None = None) -> list[Entry]:
        """Returns the readable entries in order, of `model` or of all.

        Raises:
            Fatal: naming an entry that cannot be read.
        """
        found = [self._read(number)[0] for number in self._numbers()]
        return [entry for entry in found if model in (None, entry.model)]

    def count(self) -> int:
        """Returns how many entries there are, readable or not."""
        return len(self._numbers())

    def newest_first(self) -> Iterator[Entry]:
        """Yields the entries from the last one back, each read when it is asked for; raises as `entries` does."""
        for number in reversed(self._numbers()):
            yield self._read(number)[0]

    def check(self) -> None:
        """Makes sure that an entry could be added: the last one can be read and the storage takes a new one.

        Raises:
            Fatal: when the last entry is damaged, naming it.
            OSError: when the storage cannot be written.
        """
        next(self.newest_first(), None)
        self._storage.check()

    def verify(self) -> list[str]:
        """Returns one sentence for each damage: a gap, an entry that cannot be read, or one that was edited."""
        damage: list[str] = []
        expected_number, previous = 1, GENESIS
        for number in self._numbers():
            where = self._where(number)
            if number != expected_number:
                missing = self._where(expected_number)
                damage.append(f"{missing}: no such entry, expected one before {entry_name(number)}")
            try:
                entry, content = self._read(number)
            except Fatal as error:
                damage.append(str(error))
                content = self._storage.read(entry_name(number))
            else:
                if number == expected_number and entry.previous != previous:
                    damage.append(
                        f"{where}: follows an entry with sha256 {entry.previous[:12]}, expected {previous[:12]}: "
                        "the entry before it was changed"
                    )
                if entry.number != number:
                    damage.append(f"{where}: holds number {entry.number}, expected {number}")
            expected_number, previous = number + 1, hashlib.sha256(content).hexdigest()
        return damage

    def _head(self) -> tuple[int, str]:
        numbers = self._numbers()
        if not numbers:
            return 0, GENESIS
        return numbers[-1], hashlib.sha256(self._read(numbers[-1])[1]).hexdigest()

    def _read(self, number: int) -> tuple[Entry, bytes]:
        where = self._where(number)
        try:
            content = self._storage.read(entry_name(number))
            return parse(Entry, parse_json(content, where), where), content
        except FileNotFoundError:
            raise Fatal(f"the ledger is damaged; {where}: no such entry") from None
        except SpecError as error:
            raise Fatal(f"the ledger is damaged; {error}") from None

    def _numbers(self) -> list[int]:
        return sorted(number for name in self._storage.names() if (number := entry_number(name)) is not None)

    def _where(self, number: int) -> str:
        return self._storage.where(entry_name(number))
