"""The logs of all models in an object store, and what the labels of each are judged by."""

from collections.abc import Callable, Mapping

from shipway.contract.workers import DescribedModel
from shipway.labels.watched import Watched, watched
from shipway.logs.described import DescribedLogs
from shipway.logs.objects import ObjectSource

__all__ = ["StoredLogs"]


class StoredLogs:
    """The models that are described in an object store.

    Args:
        logs: where they are.
    """

    def __init__(self, logs: DescribedLogs) -> None:
        self._logs = logs
        self._read: dict[str, tuple[DescribedModel, Watched]] = {}

    @property
    def missed(self) -> str:
        return self._logs.missed

    def models(self) -> list[str]:
        return list(self._read)

    def source(self, model: str, skipped: Callable[[str], None]) -> ObjectSource:
        return self._logs.source(model, skipped)

    def where(self, model: str) -> str:
        return self._logs.where(model)

    def watched(self) -> Mapping[str, Watched]:
        """Returns model -> what its labels are judged by, as the store says now."""
        described = self._logs.refresh()
        self._read = {
            model: known if (known := self._read.get(model)) and known[0] == one else (one, _watched(one))
            for model, one in described.items()
        }
        return {model: one for model, (_, one) in self._read.items()}


def _watched(described: DescribedModel) -> Watched:
    return watched(described.spec, described.evaluations)
