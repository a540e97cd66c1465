"""Where results are kept: a folder of an environment, or the bucket of one on a cluster; the newest of each profile."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from shipway.contract.documents import write_atomic
from shipway.contract.loadtest import LoadTestResult, Profile, read_result, result_name
from shipway.objects.storage import ObjectStorage

__all__ = ["FOLDER", "FolderResults", "ObjectResults", "Results"]

# Of the results, below the folder of an environment's records.
FOLDER = "loadtests"


class Results(Protocol):
    """Results of load tests, the newest of each model, digest and profile."""

    def put(self, result: LoadTestResult) -> str:
        """Keeps a result in the place of the one before, and returns where."""
        ...

    def of(self, model: str) -> list[LoadTestResult]:
        """Returns all results of a model.

        Raises:
            SpecError: when one of them cannot be read.
            OSError: when the place does not answer.
        """
        ...


class FolderResults:
    """Results in files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, result: LoadTestResult) -> str:
        """Writes a result whole or not at all, and returns its path."""
        path = self._folder / result_name(result.model, result.digest, result.profile)
        write_atomic(path, result.to_json())
        return str(path)

    def of(self, model: str) -> list[LoadTestResult]:
        """Returns all results of a model."""
        return _known((str(path), path.read_bytes()) for path in sorted((self._folder / model).glob("*/*.json")))


class ObjectResults:
    """Results as objects."""

    def __init__(self, storage: ObjectStorage) -> None:
        self._storage = storage

    def put(self, result: LoadTestResult) -> str:
        """Writes a result and returns its address."""
        name = result_name(result.model, result.digest, result.profile)
        self._storage.write(name, result.to_json().encode())
        return self._storage.where(name)

    def of(self, model: str) -> list[LoadTestResult]:
        """Returns all results of a model."""
        names = [entry.name for entry in self._storage.entries(f"{model}/")]
        return _known((self._storage.where(name), self._storage.read(name)) for name in names)


def _known(found: Iterable[tuple[str, bytes]]) -> list[LoadTestResult]:
    return [read_result(content, where) for where, content in found if Path(where).stem in set(Profile)]
