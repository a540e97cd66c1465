"""Drift on a cluster: logs, references and the ledger are read in an object store, counts and verdicts are kept in one.

The counts of a model are one object, written anew once an hour and whenever something was judged; a pod that begins
takes it and reads in the logs what came since. It holds the place up to which they are counted, so nothing counts twice
and nothing not at all. It is written over what was read or written last alone: of two pods that overlap, as when a node
is lost, the second one to write is refused and begins again from what the other kept.
"""

import gzip
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.bundle.manifest import Manifest
from shipway.bundle.reference import Reference
from shipway.contract.documents import parse, parse_json
from shipway.contract.drift import DriftVerdict
from shipway.contract.errors import ArtifactError
from shipway.contract.model import ModelSpec
from shipway.contract.record import MANIFEST_FILE, REFERENCE_FILE
from shipway.contract.release import short_digest
from shipway.contract.workers import described_bundle
from shipway.drift.store import Store
from shipway.drift.tally import Watch
from shipway.drift.verdicts import VerdictFile, parse_lines
from shipway.drift.watches import Watches
from shipway.logs.described import DescribedLogs
from shipway.logs.sources import Source, Unreachable
from shipway.objects.kept import KeptObject
from shipway.objects.live import LiveVersions
from shipway.objects.storage import ObjectStorage

__all__ = ["KEEP_SECONDS", "StoredKeeper", "StoredPlace", "StoredReferences"]

# What counts weigh is paid for each time they are written, and again for each version that the bucket keeps of them;
# what a pod has to read again after a crash is this long.
KEEP_SECONDS = 3600.0

# The counts hold numbers that are small and many: the first level makes them a third, in a tenth of a second.
_COMPRESSION = 1

_COUNTS, _VERDICTS = "counts.sqlite", "verdicts.jsonl"
# As many changes as no store ever has.
_UNKNOWN = -1


class StoredReferences:
    """The references that a model's slots put beside their logs, each with the manifest that proves whose it is.

    Args:
        storage: the model's folder of logs.
    """

    def __init__(self, storage: ObjectStorage) -> None:
        self._storage = storage

    def read(self, version: str) -> Reference:
        try:
            return self._read(version)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unreachable(0, error.strerror or str(error), error.filename) from None

    def _read(self, version: str) -> Reference:
        manifest_name, name = (described_bundle(version, one) for one in (MANIFEST_FILE, REFERENCE_FILE))
        where, raw = self._storage.where(manifest_name), self._storage.read(manifest_name)
        if (found := short_digest(f"sha256:{hashlib.sha256(raw).hexdigest()}")) != version:
            raise ArtifactError(f"{where}: found the manifest of {found}, expected that of {version}")
        covered = {one.path: one.sha256 for one in parse(Manifest, parse_json(raw, where), where).files}
        where, content = self._storage.where(name), self._storage.read(name)
        if (sha256 := hashlib.sha256(content).hexdigest()) != covered.get(REFERENCE_FILE):
            raise ArtifactError(f"{where}: found sha256 {sha256}, expected {covered.get(REFERENCE_FILE)}")
        return parse(Reference, parse_json(content, where), where)


class StoredPlace:
    """The models whose logs lie in an object store.

    Args:
        logs: of all models.
        ledger: what is live, by the ledger.
        say: called with one sentence for each thing that is passed over.
    """

    def __init__(self, logs: DescribedLogs, ledger: LiveVersions, say: Callable[[str], None]) -> None:
        self._logs, self._ledger, self._say = logs, ledger, say
        self._live: Mapping[str, str] | None = None

    @property
    def missed(self) -> str:
        return self._logs.missed

    def models(self) -> Mapping[str, ModelSpec]:
        # Whoever asks for the models begins a round: what is live is read again in it, once.
        self._live = None
        return {model: one.spec for model, one in self._logs.refresh().items()}

    def source(self, model: str) -> Source:
        return self._logs.source(model, self._say)

    def watch(self, model: str) -> Callable[[str], Watch | None]:
        references = StoredReferences(self._logs.storage(model))
        return Watches(references, lambda sentence: self._say(f"{model}: {sentence}")).get

    def live(self, model: str) -> str:
        if self._live is None:
            self._live = self._ledger.refresh()
        digest = self._live.get(model)
        return short_digest(digest) if digest else ""

    def where(self, model: str) -> str:
        return self._logs.where(model)


@dataclass
class _Held:
    """What the object store has of one model.

    Args:
        counts, verdicts: the objects.
        kept_seconds: when the counts were written last, or read.
        changes: how many changes of the open store they hold.
        told: whether there are verdicts that they do not hold.
    """

    counts: KeptObject
    verdicts: KeptObject
    kept_seconds: float = 0.0
    changes: int = 0
    told: bool = False


class StoredKeeper:
    """Counts and verdicts in an object store, with the open ones as files of this process.

    Args:
        storage: the folder with a folder for each model.
        scratch: a folder for the open ones; nothing in it is needed again.
        now: seconds since the epoch.
        every_seconds: how often counts are written.
    """

    def __init__(
        self,
        storage: ObjectStorage,
        scratch: Path,
        now: Callable[[], float] = time.time,
        every_seconds: float = KEEP_SECONDS,
    ) -> None:
        self._storage, self._scratch, self._now, self._every_seconds = storage, scratch, now, every_seconds
        self._held: dict[str, _Held] = {}
        self._checked = False

    def open(self, model: str) -> Store:
        path = self._scratch / model / _COUNTS
        if (held := self._held.get(model)) is not None:
            # Closed after some trouble: what this process had counted, and nobody else has written over since.
            held.changes = _UNKNOWN
            return Store.open(path)
        if not self._checked:
            self._storage.check_replacing()
            self._checked = True
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir(parents=True)
        held = _Held(self._counts(model), self._verdicts(model), self._now())
        _unpack(held.counts.fetch(), path)
        self._path(model).write_bytes(held.verdicts.fetch())
        store = Store.open(path)
        store.number_after(self._file(model).last())
        held.changes, self._held[model] = store.changes, held
        return store

    def keep(self, model: str, store: Store, *, last: bool = False) -> None:
        held = self._held[model]
        if self._file(model).follow(store):
            held.told = True
        due = held.told or last or self._now() - held.kept_seconds >= self._every_seconds
        if not due or store.changes == held.changes:
            return
        try:
            # Verdicts first: counts that say they were given would else lose those that a crash kept from the file.
            held.verdicts.keep(self._path(model).read_bytes())
            held.counts.keep(gzip.compress(store.serialized(), _COMPRESSION, mtime=0))
        except FileExistsError:
            # Theirs is what counts: the next `open` begins with it.
            del self._held[model]
            raise
        held.changes, held.kept_seconds, held.told = store.changes, self._now(), False

    def copy(self, model: str) -> Store:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _COUNTS
            _unpack(self._counts(model).fetch(), path)
            return Store.copy(path)

    def verdicts(self, model: str) -> Iterable[DriftVerdict]:
        kept = self._verdicts(model)
        return parse_lines(kept.fetch().decode().splitlines(keepends=True), kept.where)

    def _counts(self, model: str) -> KeptObject:
        return KeptObject(self._storage, f"{model}/{_COUNTS}.gz")

    def _verdicts(self, model: str) -> KeptObject:
        return KeptObject(self._storage, f"{model}/{_VERDICTS}")

    def _path(self, model: str) -> Path:
        return self._scratch / model / _VERDICTS

    def _file(self, model: str) -> VerdictFile:
        return VerdictFile(self._path(model))


def _unpack(kept: bytes, path: Path) -> None:
    """Writes what was kept of a store to `path`; no file where nothing was."""
    if kept:
        path.write_bytes(gzip.decompress(kept))
