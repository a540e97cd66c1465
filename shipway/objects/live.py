"""What is live on a cluster, by the ledger in its object store: whoever may read that needs no right to the cluster."""

from shipway.contract.documents import parse, parse_json
from shipway.contract.ledger import Entry, entry_name, entry_number
from shipway.objects.storage import ObjectStorage

__all__ = ["LiveVersions"]

_LIVE = "live"


class LiveVersions:
    """The live digest of each model, and all that were released; an entry is read once.

    An entry that led to a state of a route names what is live after it, or that nothing is.

    Args:
        ledger: the ledger's folder in the object store.
    """

    def __init__(self, ledger: ObjectStorage) -> None:
        self._ledger = ledger
        self._read_upto = 0
        self._live: dict[str, str] = {}
        self._named: dict[str, set[str]] = {}

    def refresh(self) -> dict[str, str]:
        """Returns model -> digest, of the models that take traffic.

        Raises:
            SpecError: for an entry that is none.
            OSError: when the store does not answer.
        """
        names = self._ledger.entries(after=entry_name(self._read_upto) if self._read_upto else "")
        for number in sorted(number for one in names if (number := entry_number(one.name)) is not None):
            name = entry_name(number)
            entry = parse(
                Entry, parse_json(self._ledger.read(name), self._ledger.where(name)), self._ledger.where(name)
            )
            self._named.setdefault(entry.model, set()).update(digest for digest in entry.digests.values() if digest)
            if entry.generation is not None:
                self._live[entry.model] = entry.digests.get(_LIVE, "")
            self._read_upto = number
        return {model: digest for model, digest in self._live.items() if digest}

    def named(self, model: str) -> frozenset[str]:
        """Returns every digest that an entry about `model` names: what was ever released, whatever became of it.

        Raises:
            SpecError, OSError: as `refresh`.
        """
        self.refresh()
        return frozenset(self._named.get(model, ()))
