"""Where is kept what the labels say: in files of a local stack, or in an object store, which outlives a pod."""

from pathlib import Path

from shipway.contract.documents import write_atomic
from shipway.labels.verdicts import Verdicts
from shipway.objects.kept import KeptObject
from shipway.objects.storage import ObjectStorage

__all__ = ["QUALITY", "FolderOutput", "StoredOutput"]

# All that the labels say as of now, and what they have said of each window, dated.
QUALITY, _VERDICTS = "quality.json", "quality.jsonl"


class FolderOutput:
    """A folder for each model below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def verdicts(self, model: str) -> Verdicts:
        return Verdicts(self._folder / model / _VERDICTS)

    def keep(self, model: str, quality: str) -> None:
        write_atomic(self._folder / model / QUALITY, quality)

    def where(self, model: str) -> str:
        return str(self._folder / model)


class StoredOutput:
    """A folder for each model in an object store; the verdicts are added to in a file of this process.

    Args:
        storage: the folder with the models'.
        scratch: a folder for the files; nothing in it is needed again.
    """

    def __init__(self, storage: ObjectStorage, scratch: Path) -> None:
        self._storage, self._scratch = storage, scratch
        self._kept: dict[str, KeptObject] = {}

    def verdicts(self, model: str) -> Verdicts:
        kept = self._kept[model] = KeptObject(self._storage, f"{model}/{_VERDICTS}")
        content, path = kept.fetch(), self._path(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return Verdicts(path)

    def keep(self, model: str, quality: str) -> None:
        self._kept[model].keep(self._path(model).read_bytes())
        self._storage.write(f"{model}/{QUALITY}", quality.encode())

    def where(self, model: str) -> str:
        return self._storage.where(model)

    def _path(self, model: str) -> Path:
        return self._scratch / model / _VERDICTS
