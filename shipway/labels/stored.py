"""The logs of all models in an object store, and what each of them is judged by, which lies beside its logs."""

from collections.abc import Callable, Mapping

from shipway.contract.documents import parse, parse_json
from shipway.contract.errors import ShipwayError
from shipway.contract.workers import DESCRIBED, DescribedModel
from shipway.labels.watched import Watched, watched
from shipway.logs.objects import ObjectSource
from shipway.objects.storage import ObjectStorage

__all__ = ["StoredLogs"]


class StoredLogs:
    """Every folder below `url` that is described is a model's.

    Args:
        url: such as s3://bucket/logs.
        say: called with one sentence for each thing that cannot be read; its last good value stays in force.
        now: seconds since the epoch.
    """

    def __init__(self, url: str, say: Callable[[str], None], now: Callable[[], float]) -> None:
        self._url, self._say, self._now = url, say, now
        self._storage = ObjectStorage(url)
        self._watched: dict[str, Watched] = {}
        self._said: dict[str, str] = {}

    def models(self) -> list[str]:
        return list(self._watched)

    def source(self, model: str, skipped: Callable[[str], None]) -> ObjectSource:
        return ObjectSource(ObjectStorage(f"{self._url}/{model}"), skipped, self._now)

    def where(self, model: str) -> str:
        return self._storage.where(model)

    def watched(self) -> Mapping[str, Watched]:
        """Returns model -> what its labels are judged by, as the store says now."""
        try:
            folders = self._storage.folders()
        except OSError as error:
            self._tell("", str(error))
            return self._watched
        for gone in self._watched.keys() - set(folders):
            del self._watched[gone]
        for model in folders:
            where = self._storage.where(f"{model}/{DESCRIBED}")
            try:
                document = parse_json(self._storage.read(f"{model}/{DESCRIBED}"), where)
                described = parse(DescribedModel, document, where)
                self._watched[model] = watched(described.spec, described.evaluations)
                self._said.pop(model, None)
            except FileNotFoundError:
                self._tell(model, f"{where}: no such object, so its labels are not counted")
            except (ShipwayError, OSError) as error:
                self._tell(model, str(error))
        return self._watched

    def _tell(self, model: str, sentence: str) -> None:
        """Says a sentence once, until it changes: a round is four times a minute."""
        if self._said.get(model) != sentence:
            self._said[model] = sentence
            self._say(sentence)
