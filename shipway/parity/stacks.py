"""What a look looks at: the models of an environment, their logs, their versions, and where what it finds is kept."""

from collections.abc import Callable, Sequence
from typing import Protocol

from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout, services
from shipway.contract.model import ModelSpec, load_model
from shipway.logs.sources import LocalSource, Source
from shipway.parity.keeping import Kept, KeptFile
from shipway.parity.running import Question, question_of
from shipway.parity.sampling import find_bundle

__all__ = ["LocalStack", "Stack"]


class Stack(Protocol):
    """The models of one environment; methods raise ShipwayError or OSError when what they are asked cannot be had."""

    def models(self) -> Sequence[str]:
        """Returns the models that there are."""
        ...

    def spec(self, model: str) -> ModelSpec:
        """Returns a model's model.yaml as it says now: a changed tolerance holds for what was served before."""
        ...

    def source(self, model: str) -> Source:
        """Returns a model's logs."""
        ...

    def kept(self, model: str, name: str) -> Kept:
        """Returns what is kept of a model under `name`."""
        ...

    def question(self, spec: ModelSpec, version: str) -> Question:
        """Returns the question about a version (short digest), whose bundle is there then, without its records."""
        ...


class LocalStack:
    """A local stack.

    Args:
        layout: where its files are.
        say: called with one sentence for each file that cannot be read.
        now_seconds: since the epoch.
    """

    def __init__(self, layout: LocalLayout, say: Callable[[str], None], now_seconds: float) -> None:
        self._layout, self._say, self._now = layout, say, now_seconds

    def models(self) -> Sequence[str]:
        return [folder.name.replace("_", "-") for folder in services(self._layout.root)]

    def spec(self, model: str) -> ModelSpec:
        return load_model(self._layout.root / "services" / model.replace("-", "_") / "model.yaml")

    def source(self, model: str) -> Source:
        return LocalSource(self._layout.predictions / model, self._say, lambda: int(self._now * 1e9))

    def kept(self, model: str, name: str) -> Kept:
        return KeptFile(self._layout.parity / model / name)

    def question(self, spec: ModelSpec, version: str) -> Question:
        bundle = find_bundle(self._layout.artifacts, version)
        if bundle is None:
            raise ShipwayError(f"{spec.name} {version}: no bundle in {self._layout.artifacts}, expected what answered")
        return question_of(self._layout, spec, version, bundle)
