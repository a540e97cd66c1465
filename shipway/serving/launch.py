"""Starts one slot: verify the bundle, then import its code, then serve it from one process."""

import argparse
import asyncio
import importlib
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from shipway.bundle.served import ServedModel
from shipway.bundle.store import verify_bundle
from shipway.contract.documents import parse, read_json
from shipway.contract.environment import Tier
from shipway.contract.errors import ArtifactError
from shipway.contract.metrics import LOG_FIELDS, Slot
from shipway.contract.release import short_digest
from shipway.contract.serving import ServingRuntime
from shipway.contract.telemetry import BENTOML_SILENT, ONNXRUNTIME_SILENT
from shipway.serving.configuration import SlotConfiguration
from shipway.serving.edge import Edge
from shipway.serving.faults import admit

__all__ = ["SHUTDOWN_SECONDS", "asgi_application", "main"]

# How long requests in flight may take to finish after a slot has drained; the supervisor waits longer before it kills.
SHUTDOWN_SECONDS = 15


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves a slot until SIGTERM.

    Raises:
        ShipwayError: when the bundle is not what its digest says or cannot be served.
        OSError: when the port is taken or the state folder cannot be written.
    """
    parser = argparse.ArgumentParser(prog="python -m shipway.serving", description="Serve one slot.")
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder in the artifact store")
    parser.add_argument("--slot", type=Slot, choices=list(Slot), required=True, help="blue or green")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; a pod has one of its own")
    parser.add_argument("--port", type=int, required=True, help="the port on it")
    parser.add_argument("--state", type=Path, required=True, help="this slot's scratch folder")
    parser.add_argument("--predictions", type=Path, required=True, help="the model's folder of predictions and labels")
    parser.add_argument("--features", type=Path, required=True, help="the feature store's folder")
    parser.add_argument("--tier", type=Tier, choices=list(Tier), default=Tier.LOCAL, help="local, nonprod or prod")
    parser.add_argument("--served-routes", type=Path, help="the routes that delivery wrote, which say what is live")
    parser.add_argument("--artifacts", type=Path, help="the artifact store, which holds the live bundle")
    parser.add_argument("--store", help="the model's folder in an object store for its logs, such as s3://bucket/model")
    parser.add_argument("--described", type=Path, help="what the logs are judged by, put beside them in the store")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format=" ".join(f"%({field})s" for field in LOG_FIELDS))
    logging.getLogger("shipway").setLevel(logging.INFO)
    configuration = SlotConfiguration(
        bundle=options.bundle.resolve(),
        slot=options.slot,
        predictions=options.predictions.resolve(),
        features=options.features.resolve(),
        tier=options.tier,
        served_routes=options.served_routes.resolve() if options.served_routes else None,
        artifacts=options.artifacts.resolve() if options.artifacts else None,
        store=options.store,
        # Not resolved: what a cluster changes is where the link leads.
        described=options.described,
    )
    with _bound(options.host, options.port) as listener:
        _serve(asgi_application(configuration, options.state.resolve()), listener)


def asgi_application(configuration: SlotConfiguration, state: Path) -> Edge:
    """Returns the ASGI application of a slot; its lifespan loads the model.

    Sets this process's environment first, because BentoML and prometheus_client read it when they are imported.

    Raises:
        ShipwayError: when the bundle is not what its digest says or may not start here; none of its code has run then.
    """
    manifest = verify_bundle(configuration.bundle)
    described = configuration.bundle / "files" / "model.json"
    served = parse(ServedModel, read_json(described), described)
    admit(served.faults, configuration.tier, configuration.bundle)
    os.environ.update(_environment(state))
    if served.serving.runtime is ServingRuntime.DIRECT:
        # One process and no BentoML: prometheus_client keeps the values in memory, not in files.
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
    os.environ.update(configuration.environment())

    # The bundle's code is imported without writing bytecode; what it imports from outside is worth keeping compiled.
    importlib.import_module("shipway.serving.base")
    if manifest.feature_views:
        importlib.import_module("feast")

    from shipway.bundle.source import import_from

    module, _, name = manifest.service.partition(":")
    package, _, submodule = module.partition(".")
    service = getattr(import_from(configuration.bundle / "files" / "src", package, submodule), name)
    if served.serving.runtime is ServingRuntime.DIRECT:
        from shipway.serving.direct import DirectApplication

        application: Any = DirectApplication(service.inner)
    else:
        application = service.to_asgi()
        _drop_timeouts(application)
    return Edge(application, manifest.model, short_digest(configuration.digest))


def _drop_timeouts(application: Any) -> None:
    # BentoML's timeout would answer in its own words, and it leaves a timer behind for each finished request: at 500
    # requests a second that is 200 MB within its 60 seconds. Ours bounds the model and the feature store themselves.
    from bentoml._internal.server.http.traffic import TimeoutMiddleware

    application.user_middleware = [one for one in application.user_middleware if one.cls is not TimeoutMiddleware]


def _environment(state: Path) -> dict[str, str]:
    # Counters live in files of the first folder; a former process's would be added to ours. In the second it may have
    # left what it had no time to remove when it was killed.
    metrics, temporary = state / "metrics", state / "tmp"
    for folder in (metrics, temporary):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    home = state / "bentoml"
    home.mkdir(exist_ok=True)
    return {
        # A service's own code may open a graph as well.
        **(BENTOML_SILENT | ONNXRUNTIME_SILENT),
        # Two slots with one home would wipe each other's metrics.
        "BENTOML_HOME": str(home),
        # Requests run side by side already; a pool of threads below each would only make them wait for each other.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "TMPDIR": str(temporary),
    }


def _bound(host: str, port: int) -> socket.socket:
    # Bound before the seconds it takes to load a model, listening only after: a taken port is said at once, and a
    # connection is refused until the slot is ready for it.
    # Named as TCP, or asyncio leaves Nagle's algorithm on for each connection: a response then waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. Without it an answer's second piece waits 40 ms for the client to confirm the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise OSError(f"{host}:{port}: expected a free port ({error})") from None
    return listener


def _serve(application: Edge, listener: socket.socket) -> None:
    import uvicorn

    from shipway.serving.connection import WholeAnswers

    class Draining(uvicorn.Server):
        """Says first that it is not ready, goes on answering for a while, and only then listens no more."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            told_before = application.draining
            seconds = application.drain()
            if told_before or not self.started or not seconds:
                super().handle_exit(sig, frame)
                return
            later = threading.Timer(seconds, super().handle_exit, (sig, frame))
            later.daemon = True
            later.start()

    config = uvicorn.Config(
        application,
        http=WholeAnswers,
        access_log=False,
        # Nobody asks for the caller's address.
        proxy_headers=False,
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
    )
    server = Draining(config)
    # uvicorn drains on SIGTERM and then raises it again for this handler: being told to stop is no failure.
    signal.signal(signal.SIGTERM, _leave)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listener]))
    if not server.started:
        raise ArtifactError("the model could not be loaded; the lines above say why")


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(0)
