"""Where drift finds what it judges, and where it keeps what it made of it: on a laptop, the files of a local stack."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from shipway.contract.drift import DriftVerdict
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout, services
from shipway.contract.model import ModelSpec, load_model
from shipway.contract.release import short_digest
from shipway.contract.route import read_rollout_states, served
from shipway.drift.store import Store
from shipway.drift.tally import Watch
from shipway.drift.verdicts import VerdictFile
from shipway.drift.watches import FolderReferences, Watches
from shipway.logs.sources import LocalSource, Source

__all__ = ["Keeper", "LocalKeeper", "LocalPlace", "Models", "Place"]


class Place(Protocol):
    """What is judged; methods raise OSError or ShipwayError when what they are asked cannot be had now."""

    @property
    def missed(self) -> str:
        """Why the models could not be listed when they were last, empty when they were."""
        ...

    def models(self) -> Mapping[str, ModelSpec]:
        """Returns model -> spec, as of now."""
        ...

    def source(self, model: str) -> Source:
        """Returns a model's logs."""
        ...

    def watch(self, model: str) -> Callable[[str], Watch | None]:
        """Returns version -> what is counted of it, None where that is not known."""
        ...

    def live(self, model: str) -> str:
        """Returns the version (short digest) that takes a model's traffic, empty for none."""
        ...

    def where(self, model: str) -> str:
        """Returns what to call a model's logs in a sentence."""
        ...


class Keeper(Protocol):
    """Keeps the counts and the verdicts; of two processes that keep the same model's, the second notices and stops."""

    def open(self, model: str) -> Store:
        """Returns the counts as they were kept last, to be changed and closed by who asked."""
        ...

    def keep(self, model: str, store: Store, *, last: bool = False) -> None:
        """Keeps what is new: verdicts at once, counts as often as this place allows.

        Args:
            model: whose.
            store: from `open`.
            last: whether the store is about to be closed, so that all of it has to be kept.

        Raises:
            FileExistsError: when another process has kept this model's since `open`.
            OSError: when it cannot be kept now.
        """
        ...

    def copy(self, model: str) -> Store:
        """Returns a copy in memory of what was kept last."""
        ...

    def verdicts(self, model: str) -> Iterable[DriftVerdict]:
        """Returns the verdicts that were kept, in order."""
        ...


class Models:
    """The specs of a project's models, each read again when its model.yaml has changed.

    Args:
        root: the project.
        say: called with one sentence for each model.yaml that cannot be read; what it said before stays in force.
    """

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self._root, self._say = root, say
        self._read: dict[Path, tuple[int, int, int]] = {}
        self._specs: dict[Path, ModelSpec] = {}

    def refresh(self) -> dict[str, ModelSpec]:
        """Returns model -> spec."""
        paths = [folder / "model.yaml" for folder in services(self._root)]
        for gone in self._read.keys() - set(paths):
            del self._read[gone]
            self._specs.pop(gone, None)
        for path in paths:
            try:
                stat = path.stat()
                identity = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
                if self._read.get(path) == identity:
                    continue
                self._read[path] = identity
                self._specs[path] = load_model(path)
            except (ShipwayError, OSError) as error:
                self._say(str(error))
        return {spec.name: spec for spec in self._specs.values()}


class LocalPlace:
    """A local stack.

    Args:
        layout: the stack.
        say: called with one sentence for each thing that is passed over.
        now: seconds since the epoch.
    """

    def __init__(self, layout: LocalLayout, say: Callable[[str], None], now: Callable[[], float] = time.time) -> None:
        self._layout, self._say, self._now, self.missed = layout, say, now, ""
        self._models = Models(layout.root, say)

    def models(self) -> Mapping[str, ModelSpec]:
        return self._models.refresh()

    def source(self, model: str) -> LocalSource:
        return LocalSource(self._layout.predictions / model, self._say, lambda: int(self._now() * 1e9))

    def watch(self, model: str) -> Callable[[str], Watch | None]:
        references = FolderReferences(self._layout.artifacts)
        return Watches(references, lambda sentence: self._say(f"{model}: {sentence}")).get

    def live(self, model: str) -> str:
        found = served(read_rollout_states(self._layout.served_routes)).get(model)
        return short_digest(found[1]) if found else ""

    def where(self, model: str) -> str:
        return str(self._layout.predictions / model)


class LocalKeeper:
    """Counts and verdicts as files, written as they are made.

    Args:
        folder: with a folder for each model.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def counts(self, model: str) -> Path:
        """Returns where the counts of `model` are kept."""
        return self._folder / model / "counts.sqlite"

    def open(self, model: str) -> Store:
        store = Store.open(self.counts(model))
        store.number_after(self._file(model).last())
        return store

    def keep(self, model: str, store: Store, *, last: bool = False) -> None:
        self._file(model).follow(store)

    def copy(self, model: str) -> Store:
        return Store.copy(self.counts(model))

    def verdicts(self, model: str) -> Iterable[DriftVerdict]:
        return self._file(model).read()

    def _file(self, model: str) -> VerdictFile:
        return VerdictFile(self._folder / model / "verdicts.jsonl")
