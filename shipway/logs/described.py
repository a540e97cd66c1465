"""The logs of all models in an object store, and the model.yaml of each, which its slots put beside them."""

import time
from collections.abc import Callable, Mapping

from shipway.contract.documents import parse, parse_json
from shipway.contract.errors import ShipwayError
from shipway.contract.workers import DESCRIBED, DescribedModel
from shipway.logs.objects import ObjectSource
from shipway.objects.storage import ObjectStorage

__all__ = ["DescribedLogs"]


class DescribedLogs:
    """Every folder below `url` that is described is a model's.

    `missed` says why the last `refresh` could not list them, or not read what one is judged by of which nothing was
    known before; it is empty when it could.

    Args:
        url: such as s3://bucket/logs.
        say: called with one sentence for each thing that cannot be read; its last good value stays in force.
        now: seconds since the epoch.
        endpoint_url: of a store that is not AWS's; by default what the environment's variables say.
    """

    def __init__(
        self,
        url: str,
        say: Callable[[str], None],
        now: Callable[[], float] = time.time,
        endpoint_url: str | None = None,
    ) -> None:
        self._url, self._say, self._now, self._endpoint_url = url, say, now, endpoint_url
        self.missed = ""
        self._storage = ObjectStorage(url, endpoint_url=endpoint_url)
        self._described: dict[str, DescribedModel] = {}
        self._said: dict[str, str] = {}

    def storage(self, model: str) -> ObjectStorage:
        """Returns a model's folder."""
        return ObjectStorage(f"{self._url}/{model}", endpoint_url=self._endpoint_url)

    def source(self, model: str, skipped: Callable[[str], None]) -> ObjectSource:
        """Returns the logs of one model; `skipped` is told of each object that cannot be read."""
        return ObjectSource(self.storage(model), skipped, self._now)

    def where(self, model: str) -> str:
        """Returns what to call a model's logs in a sentence."""
        return self._storage.where(model)

    def refresh(self) -> Mapping[str, DescribedModel]:
        """Returns model -> what its logs are judged by, as the store says now."""
        try:
            folders = self._storage.folders()
        except OSError as error:
            self.missed = str(error)
            self._tell("", self.missed)
            return self._described
        self.missed = ""
        self._said.pop("", None)
        for gone in self._described.keys() - set(folders):
            del self._described[gone]
        for model in folders:
            where = self._storage.where(f"{model}/{DESCRIBED}")
            try:
                document = parse_json(self._storage.read(f"{model}/{DESCRIBED}"), where)
                self._described[model] = parse(DescribedModel, document, where)
                self._said.pop(model, None)
            except FileNotFoundError:
                self._tell(model, f"{where}: no such object, so nothing is counted of its logs")
            except (ShipwayError, OSError) as error:
                self._tell(model, str(error))
                if model not in self._described:
                    self.missed = str(error)
        return dict(self._described)

    def _tell(self, model: str, sentence: str) -> None:
        """Says a sentence once, until it changes: a round is four times a minute."""
        if self._said.get(model) != sentence:
            self._said[model] = sentence
            self._say(sentence)
