"""ModelService: the base of every services/<model>/service.py. A service loads its model, names its schema, predicts.

    @bentoml.service(name="digits", **RUNTIME)
    class Digits(ModelService):
        schema = SCHEMA

        def load(self, files: ModelFiles) -> None:
            self.estimator = files.skops()

        def predict(self, rows: Sequence[Row]) -> NDArray[np.float64]:
            return self.estimator.predict(np.array([row["pixels"] for row in rows]))

BentoML builds, hosts, traces and counts the service; the HTTP contract itself is Shipway's own application, mounted
into it, so that a body, a header or an error reads the same whichever version of BentoML is below.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import bentoml
import numpy as np
from numpy.typing import NDArray

from shipway.contract.schema import Schema
from shipway.serving.application import build_application
from shipway.serving.configuration import SlotConfiguration
from shipway.serving.model_files import ModelFiles
from shipway.serving.opening import open_runtime
from shipway.serving.runtime import Runtime

__all__ = ["RUNTIME", "ModelFiles", "ModelService", "Row"]

# A validated request row: the fields of the schema, then the features by the names in model.yaml (`view:feature`).
Row = Mapping[str, Any]

# The access log would write 0.4 kB a request to say what the metrics say.
RUNTIME: dict[str, Any] = {"workers": 1, "logging": {"access": {"enabled": False}}}


class ModelService:
    """One model behind the runtime contract; subclasses set `schema` and define `load` and `predict`."""

    schema: ClassVar[Schema]
    _runtime: ClassVar[Runtime | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        bentoml.asgi_app(build_application(cls.current), path="/", name="shipway")(cls)

    def __init__(self, configuration: SlotConfiguration | None = None) -> None:
        """Opens the slot that `configuration` describes; BentoML gives none, then the environment holds it."""
        type(self)._runtime = open_runtime(self, configuration or SlotConfiguration.from_environment())

    @classmethod
    def beside(cls) -> Self:
        """Returns an instance without a slot of its own, not loaded: what may answer when another version cannot."""
        return cls.__new__(cls)

    def load(self, files: ModelFiles) -> None:
        """Loads the model from the bundle's files; called once, before the slot is ready."""
        raise NotImplementedError

    def predict(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Returns one finite number a row; called from several threads at once."""
        raise NotImplementedError

    def entities(self, row: Row) -> dict[str, object]:
        """Returns the entity keys of a row, for models that read features."""
        return {}

    @classmethod
    def current(cls) -> Runtime:
        """Returns the runtime of this process's one instance."""
        if cls._runtime is None:
            raise RuntimeError(f"{cls.__name__} was asked before BentoML started it")
        return cls._runtime

    @bentoml.on_startup
    async def _start(self) -> None:
        await self.current().start()

    @bentoml.on_shutdown
    async def _stop(self) -> None:
        await self.current().stop()
        type(self)._runtime = None

    async def __metrics__(self, page: str) -> str:
        """Returns BentoML's page of metrics with the counters that are not prometheus_client's."""
        return page + self.current().inputs.page()

    async def __is_ready__(self) -> bool:
        return self.current().ready
