"""A slot without a bundle, and one that is served over HTTP."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from shipway.contract.environment import Tier
from shipway.contract.metrics import Slot
from shipway.contract.serving import FeaturesSpec, ServingRuntime, ServingSpec
from shipway.scaffold.testing import live_client
from shipway.serving.application import build_application
from shipway.serving.dead_letters import DeadLetterLog
from shipway.serving.direct import DirectApplication
from shipway.serving.edge import Edge
from shipway.serving.fallback import FallbackChain
from shipway.serving.faults import Faults
from shipway.serving.features import FeatureReader
from shipway.serving.inputs import InputCounts
from shipway.serving.measures import Measures
from shipway.serving.model_files import ModelFiles
from shipway.serving.predictions import LabelLog, PredictionLog
from shipway.serving.previous import Previous
from shipway.serving.runtime import Runtime
from tests.shipway.serving.doubles import DIGEST, READ, REFERENCE, SCHEMA, Harness, Made, StubModel, StubStore


@pytest.fixture(params=list(ServingRuntime))
def hosted(request: pytest.FixtureRequest) -> ServingRuntime:
    """Each of the runtimes: whoever asks a runtime or serves it, asks both."""
    return request.param


@pytest.fixture
def harness(tmp_path: Path, hosted: ServingRuntime) -> Iterator[Callable[..., Harness]]:
    """Makes runtimes around a model; each is stopped at the end."""
    made: list[Runtime] = []

    def make(
        model: StubModel | None = None,
        spec: ServingSpec | None = None,
        store: StubStore | None = None,
        tier: Tier = Tier.LOCAL,
        faults: Faults | None = None,
        previous: Previous | None = None,
        features: FeaturesSpec | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> Harness:
        registry = CollectorRegistry()
        spec = (spec or ServingSpec(timeout_seconds=0.2)).model_copy(update={"runtime": hosted})
        measures = Measures(
            model="stub",
            digest=DIGEST,
            slot=Slot.BLUE,
            schema=SCHEMA,
            features=[READ.name],
            prediction_edges=(1.0, 2.0, 3.0),
            live_edges={"cdcdcdcdcdcd": (2.5,)},
            registry=registry,
        )
        features = features or FeaturesSpec(reads=(READ,), timeout_seconds=0.1)

        def count(log: str) -> Callable[[int, int], None]:
            return lambda written, dropped: measures.logged(log, written, dropped)

        runtime = Runtime(
            model or StubModel(),
            name="stub",
            digest=DIGEST,
            slot=Slot.BLUE,
            spec=spec,
            files=ModelFiles(tmp_path, "stub"),
            features=FeatureReader(features, store, measures.reads) if store else None,
            measures=measures,
            inputs=InputCounts(
                REFERENCE, SCHEMA, [READ.name], {"model": "stub", "version": "abababababab", "slot": "blue"}
            ),
            chain=FallbackChain(spec, measures, previous, clock),
            dead_letters=DeadLetterLog(tmp_path, SCHEMA, "abababababab", "blue", 1 << 20, count("dead_letters")),
            predictions=PredictionLog(tmp_path, SCHEMA, "abababababab", "blue", 1, count("predictions")),
            labels=LabelLog(tmp_path, "abababababab", "blue", 1, count("labels")),
            tier=tier,
            faults=faults,
        )
        made.append(runtime)
        return Harness(runtime, registry, tmp_path)

    yield make
    for runtime in made:
        asyncio.run(runtime.stop())


@pytest.fixture
def serve() -> Iterator[Callable[[Runtime], httpx.Client]]:
    """Serves a runtime over HTTP and returns a client."""
    with contextlib.ExitStack() as stack:

        def start(runtime: Runtime) -> httpx.Client:
            @contextlib.asynccontextmanager
            async def lifespan(_: object) -> AsyncIterator[None]:
                await runtime.start()
                while not runtime.ready:
                    await asyncio.sleep(0.01)
                yield
                await runtime.stop()

            if runtime.spec.runtime is ServingRuntime.DIRECT:
                application: Any = DirectApplication(Made(runtime))
            else:
                application = build_application(lambda: runtime, lifespan)
            client = stack.enter_context(live_client(Edge(application, runtime.name, runtime.version)))
            limit = time.monotonic() + 30
            while not runtime.ready:
                assert time.monotonic() < limit
                time.sleep(0.01)
            return client

        yield start
