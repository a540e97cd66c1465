"""What a local stack keeps of what was done and seen: the ledger and the history, in files."""

import time
from collections.abc import Mapping

from shipway.contract.errors import Fatal
from shipway.contract.layout import LocalLayout
from shipway.contract.ledger import Entry
from shipway.contract.metrics import LEDGER_JOB
from shipway.contract.periodic import PERIODIC
from shipway.contract.rollout import Look
from shipway.contract.route import RolloutState
from shipway.delivery.history import History
from shipway.delivery.ledger import Ledger
from shipway.delivery.memory import remembered
from shipway.delivery.served import Change, ServedModel

__all__ = ["FileRecords", "append"]


def append(ledger: Ledger, model: str, change: Change, checked: int | None = None) -> Entry:
    """Enters a change of `model` and returns its entry; takes `checked` and raises as `Ledger.append` does."""
    said = change.model_dump(exclude={"evidence"})
    return ledger.append(model=model, **said, evidence=change.evidence, checked=checked)


class FileRecords:
    """The records in the folders of `layout`."""

    def __init__(self, layout: LocalLayout) -> None:
        self._layout, self._ledger, self._history = layout, Ledger(layout.ledger), History(layout.history)
        self._recorded: dict[str, Change] = {}
        # A route carries its last change alone: those that a ledger did not take in time wait here.
        self._waiting: dict[tuple[str, str, int], Change] = {}
        # Whatever waits is none of the entries up to here. One whose writing failed may be behind it all the same.
        self._newest: int | None = None
        self._check_at, self._found = 0.0, dict[str, str]()

    def remembered(self, model: str) -> RolloutState:
        """Returns what the ledger knows of a model that is not served; raises Fatal when it is damaged."""
        return remembered(self._ledger.entries(model))

    def record(self, served: Mapping[str, ServedModel]) -> Mapping[str, str]:
        """Enters each last change the ledger does not hold yet; a damaged ledger never stops a rollback.

        With nothing to enter it looks now and then whether it could: that a ledger cannot be written is known before
        it is needed.
        """
        missing = [
            (name, one.change)
            for name, one in served.items()
            if one.change is not None and self._recorded.get(name) != one.change
        ]
        for name, change in sorted(missing, key=lambda item: item[1].time):
            self._waiting[name, change.time, change.generation] = change
        if not self._waiting:
            return self._checked()
        try:
            # What this process entered before, it knows; what another one did before it died, the ledger tells.
            unknown = any(name not in self._recorded for name, _, _ in self._waiting)
            entries = self._ledger.entries() if unknown else []
            known = {(entry.model, entry.time, entry.generation) for entry in entries}
            self._newest = entries[-1].number if entries else self._newest
            # In the order in which they came: a clock that was set back must not make an earlier one the last.
            for key, change in list(self._waiting.items()):
                if key not in known:
                    self._newest = append(self._ledger, key[0], change, checked=self._newest).number
                self._recorded[key[0]] = change
                del self._waiting[key]
        except Fatal as error:
            return {LEDGER_JOB: str(error)}
        except OSError as error:
            return {LEDGER_JOB: f"{self._layout.ledger}: cannot write an entry ({error.strerror})"}
        return {}

    def _checked(self) -> Mapping[str, str]:
        now = time.monotonic()
        if now < self._check_at:
            return self._found
        self._check_at = now + PERIODIC[LEDGER_JOB].every_seconds
        try:
            self._ledger.check()
            self._found = {}
        except Fatal as error:
            self._found = {LEDGER_JOB: str(error)}
        except OSError as error:
            self._found = {LEDGER_JOB: f"{self._layout.ledger}: cannot take an entry ({error.strerror})"}
        return self._found

    def tell(self, model: str, change: Change) -> Mapping[str, str]:
        """Enters an event that changed no route."""
        try:
            append(self._ledger, model, change)
        except Fatal as error:
            return {LEDGER_JOB: str(error)}
        except OSError as error:
            return {LEDGER_JOB: f"{self._layout.ledger}: cannot write an entry ({error.strerror})"}
        return {}

    def look(self, look: Look) -> Mapping[str, str]:
        """Writes a line of the history."""
        try:
            self._history.add(look, time.monotonic())
        except OSError as error:
            return {"history": f"{self._layout.history}: cannot be written ({error.strerror})"}
        return {}
