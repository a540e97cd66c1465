"""What a service's own tests need: its bundle from a real training, and a client of a slot that serves it."""

import asyncio
import contextlib
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from shipway.bundle.served import service_import
from shipway.bundle.source import import_from
from shipway.bundle.store import ArtifactStore
from shipway.contract.environment import Tier
from shipway.contract.errors import ShipwayError
from shipway.contract.metrics import Slot
from shipway.contract.model import ModelSpec, load_model
from shipway.training.artifact import restore
from shipway.training.champion import fill_defaults
from shipway.training.drift_reference import build_reference
from shipway.training.packaging import assemble, make_manifest
from shipway.training.plan import TrainingData

__all__ = ["TrainedService", "live_client", "slot_client", "train_service"]

_READY_SECONDS = 30


@dataclass(frozen=True)
class TrainedService:
    """A service trained as `shipway train` trains it, but neither judged nor registered.

    Args:
        folder: the service's folder.
        spec: its model.yaml.
        plan: its train.py.
        data: what it loaded.
        predictions: what the shipped model says about the validation rows.
        digest: of the bundle.
        bundle: where the bundle lies.
    """

    folder: Path
    spec: ModelSpec
    plan: Any
    data: TrainingData
    predictions: NDArray[np.float64]
    digest: str
    bundle: Path


def train_service(folder: Path, scratch: Path) -> TrainedService:
    """Returns the service in `folder` trained with its default settings, its bundle in a store below `scratch`."""
    spec = load_model(folder / "model.yaml")
    plan: Any = import_from(folder.parent, folder.name, "train")
    schema = import_from(folder.parent, folder.name, "schema").SCHEMA
    settings = plan.SETTINGS()
    cache = scratch / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    data = plan.load(settings, cache)
    reads = spec.features.reads
    estimator = plan.fit(fill_defaults(data.train, reads), data.train_labels, settings)
    store = ArtifactStore(scratch / "artifacts")
    with tempfile.TemporaryDirectory(dir=scratch) as made:
        files = Path(made) / "files"
        assemble(folder, spec, plan, estimator, files)
        shipped = restore(plan, files / "model", plan.TRUSTED_TYPES)
        predictions = np.asarray(plan.predict(shipped, fill_defaults(data.validation, reads)))
        manifest = make_manifest(spec, plan, build_reference(data.validation, predictions, schema), files)
        digest = store.put(files, manifest)
    return TrainedService(folder, spec, plan, data, predictions, digest, store.path(digest))


@contextlib.contextmanager
def slot_client(trained: TrainedService, scratch: Path) -> Generator[httpx.Client, None, None]:
    """Yields a client of a slot that serves `trained` from a thread of this process.

    It speaks the whole HTTP contract except `/livez`, `/readyz` and `/metrics`, which BentoML answers in a slot's own
    process.
    """
    from shipway.serving.application import build_application
    from shipway.serving.configuration import SlotConfiguration
    from shipway.serving.edge import Edge

    configuration = SlotConfiguration(
        bundle=trained.bundle,
        slot=Slot.BLUE,
        predictions=scratch / "predictions",
        features=scratch / "features",
        tier=Tier.LOCAL,
    )
    module, _, name = service_import(trained.folder.name).partition(":")
    service: Any = getattr(import_from(trained.folder.parent, *module.split(".")), name)
    runtime = service.inner(configuration).current()

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None, None]:
        await runtime.start()
        async with asyncio.timeout(_READY_SECONDS):
            while not runtime.ready:
                await asyncio.sleep(0.01)
        yield
        await runtime.stop()

    application = build_application(lambda: runtime, lifespan)
    with live_client(Edge(application, runtime.name, runtime.version)) as client:
        yield client


@contextlib.contextmanager
def live_client(application: Any) -> Generator[httpx.Client, None, None]:
    """Yields a client of an ASGI application that listens on a free port of 127.0.0.1, in a thread."""
    import uvicorn

    config = uvicorn.Config(application, host="127.0.0.1", port=0, log_level="warning", lifespan="on", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="test-slot", daemon=True)
    thread.start()
    try:
        limit = time.monotonic() + _READY_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > limit:
                raise ShipwayError(f"the application did not start within {_READY_SECONDS} s; the log says why")
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_READY_SECONDS, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(_READY_SECONDS)
