"""Opens the runtime of a slot: reads what its verified bundle says, and puts the parts together."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from shipway.bundle.manifest import Manifest
from shipway.bundle.reference import Reference
from shipway.bundle.served import ServedModel
from shipway.contract.documents import parse, read_json
from shipway.contract.release import short_digest
from shipway.contract.serving import FallbackSource
from shipway.serving.configuration import SlotConfiguration
from shipway.serving.dead_letters import DeadLetterLog
from shipway.serving.described import store_of
from shipway.serving.fallback import FallbackChain
from shipway.serving.faults import Faults, admit
from shipway.serving.features import FeatureReader
from shipway.serving.inputs import InputCounts
from shipway.serving.measures import Measures
from shipway.serving.model_files import ModelFiles
from shipway.serving.predictions import LabelLog, PredictionLog
from shipway.serving.previous import Previous
from shipway.serving.references import LiveEdges
from shipway.serving.runtime import Model, Runtime

__all__ = ["open_runtime"]


def open_runtime(model: Model, configuration: SlotConfiguration) -> Runtime:
    """Returns the runtime of the slot that `configuration` describes; its bundle was verified before.

    Raises:
        ShipwayError: when the bundle's documents are not what this runtime understands, or it may not start here.
    """
    files = configuration.bundle / "files"
    manifest = parse(
        Manifest, read_json(configuration.bundle / "manifest.json"), configuration.bundle / "manifest.json"
    )
    served = parse(ServedModel, read_json(files / "model.json"), files / "model.json")
    admit(served.faults, configuration.tier, configuration.bundle)
    reference = parse(Reference, read_json(files / "reference.json"), files / "reference.json")
    version = short_digest(configuration.digest)
    names = [read.name for read in served.features.reads]
    edges = LiveEdges(served.name, configuration.digest, configuration.served_routes, configuration.artifacts)
    measures = Measures(
        model=served.name,
        digest=configuration.digest,
        slot=configuration.slot,
        schema=model.schema,
        features=names,
        prediction_edges=reference.predictions.edges,
        live_edges=edges.learn(),
        registry=CollectorRegistry(),
    )
    who = (version, str(configuration.slot), os.getpid())
    folder = configuration.predictions
    store, beside = store_of(configuration)
    return Runtime(
        model,
        name=served.name,
        digest=configuration.digest,
        slot=configuration.slot,
        spec=served.serving,
        files=ModelFiles(files / "model", manifest.service.partition(".")[0], manifest.trusted_types),
        features=_reader(served, configuration.features, measures),
        measures=measures,
        inputs=InputCounts(
            reference,
            model.schema,
            names,
            {"model": served.name, "version": version, "slot": str(configuration.slot)},
        ),
        chain=FallbackChain(served.serving, measures, _previous(served, configuration)),
        dead_letters=DeadLetterLog(
            folder,
            model.schema,
            *who[:2],
            served.serving.dead_letter_max_mib << 20,
            lambda written, dropped: measures.logged("dead_letters", written, dropped),
            store,
        ),
        predictions=PredictionLog(folder, model.schema, *who, _counted(measures, "predictions"), store, beside),
        labels=LabelLog(folder, *who, _counted(measures, "labels"), store),
        tier=configuration.tier,
        edges=edges,
        # No secret: the same bundle is to fail in the same way each time it starts.
        faults=Faults(served.faults, random.Random(configuration.digest)) if served.faults else None,  # noqa: S311
    )


def _reader(served: ServedModel, folder: Path, measures: Measures) -> FeatureReader | None:
    if not served.features.reads:
        return None
    # Feast takes seconds and 150 MB to import; a model without features never pays for it.
    from shipway.features.online import OnlineStore

    return FeatureReader(served.features, OnlineStore(folder), measures.reads)


def _previous(served: ServedModel, slot: SlotConfiguration) -> Previous | None:
    if FallbackSource.PREVIOUS not in served.serving.fallback:
        return None
    return Previous(served.name, slot.digest, slot.served_routes, slot.artifacts, served.serving)


def _counted(measures: Measures, log: str) -> Callable[[int, int], None]:
    def count(written: int, dropped: int) -> None:
        measures.logged(log, written, dropped)
        # A flush that left nothing on disk is no sign of life.
        if written:
            measures.heartbeat(f"{log}_log", time.time())

    return count
