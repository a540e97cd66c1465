"""A model that does what its request says, as a real bundle: made in milliseconds, in as many versions as wanted."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shipway.bundle.canonical import canonical_json
from shipway.bundle.manifest import Manifest, covered_files
from shipway.bundle.reference import Histogram, Reference
from shipway.bundle.served import FaultsSpec, ServedModel
from shipway.bundle.store import ArtifactStore
from shipway.contract.metrics import Slot
from shipway.contract.model import EvaluationSpec, GateSpec, LabelsSpec, SloSpec
from shipway.contract.route import RolloutState
from shipway.contract.serving import FeatureRead, FeaturesSpec, ServingSpec

READ = "sales_v1:items"

SERVICE = '''"""Answers amount plus the version's own offset, or does what the request says."""

import time

import bentoml
import numpy as np

from echo.inputs import OFFSET, SCHEMA
from shipway.serving.base import RUNTIME, ModelService


@bentoml.service(name="echo", **RUNTIME)
class Echo(ModelService):
    schema = SCHEMA

    def load(self, files):
        from echo.inputs import OFFSET

        self.offset = OFFSET

    def predict(self, rows):
        if OBEYS:
            # Each row for itself: those of several requests come in one call.
            if any(row["does"] == "hang" for row in rows):
                time.sleep(30)
            for row in rows:
                if row["does"] == "raise":
                    raise RuntimeError(f"cannot predict for {dict(row)}")
            if any(row["does"] == "nan" for row in rows):
                return np.array([np.nan if row["does"] == "nan" else row["amount"] for row in rows])
        return np.array([row.get("sales_v1:items", row["amount"]) for row in rows], dtype=float) + self.offset

    def entities(self, row):
        return {"shop": row["who"] or ""}
'''

INPUTS = '''"""What one request holds."""

from shipway.contract.schema import FieldKind, FieldSpec, Schema

OFFSET = 0.0

SCHEMA = Schema(
    fields=(
        FieldSpec(name="does", kind=FieldKind.CATEGORY, values=("answer", "raise", "nan", "hang"), example="answer"),
        FieldSpec(name="amount", kind=FieldKind.NUMBER, minimum=0, maximum=100, example=1.0),
        FieldSpec(name="who", kind=FieldKind.TEXT, length=100, nullable=True, personal=True),
        FieldSpec(name="mail", kind=FieldKind.TEXT, length=100, nullable=True, personal=True),
        FieldSpec(name="card", kind=FieldKind.INTEGER, nullable=True, personal=True),
        FieldSpec(name="note", kind=FieldKind.TEXT, length=300, nullable=True),
    )
)
'''


def row(**changes: Any) -> dict[str, Any]:
    """Returns a valid row."""
    return {"does": "answer", "amount": 2.5, "who": None, "mail": None, "card": None, "note": None} | changes


def put_echo(
    store: ArtifactStore,
    offset: float = 0.0,
    *,
    obeys: bool = True,
    serving: ServingSpec | None = None,
    reads: tuple[FeatureRead, ...] = (),
    features: Mapping[str, Any] | None = None,
    faults: FaultsSpec | None = None,
    trusted_types: tuple[str, ...] = (),
    service: str = SERVICE,
    inputs: str = INPUTS,
    name: str = "echo",
) -> str:
    """Returns the digest of a version that adds `offset`, put into `store`.

    Args:
        store: where to.
        offset: what tells the versions apart.
        obeys: whether it fails when a request says so.
        serving, reads, features, faults: of its model.yaml.
        trusted_types: of its manifest.
        service, inputs: its code.
        name: the model's.
    """
    described = ServedModel(
        name=name,
        slo=SloSpec(),
        serving=serving or ServingSpec(),
        features=FeaturesSpec(reads=reads, **(features or {})),
        labels=LabelsSpec(),
        evaluation=EvaluationSpec(gates=(GateSpec(metric="auc", minimum=0.5),)),
        faults=faults,
    )
    with tempfile.TemporaryDirectory() as made:
        files = Path(made) / "files"
        home = files / "src" / "echo"
        home.mkdir(parents=True)
        (home / "__init__.py").write_text("")
        (home / "service.py").write_text(service.replace("OBEYS", str(obeys)))
        (home / "inputs.py").write_text(inputs.replace("OFFSET = 0.0", f"OFFSET = {offset}"))
        (files / "model").mkdir()
        (files / "model" / "weights.json").write_text(json.dumps({"offset": offset}))
        (files / "model.json").write_bytes(canonical_json(described.document()))
        edges = tuple(float(edge) for edge in range(1, 20))
        reference = Reference(predictions=Histogram(edges=edges, counts=(1,) * 20))
        (files / "reference.json").write_bytes(canonical_json(reference.model_dump(mode="json")))
        manifest = Manifest(
            model=name,
            service="echo.service:Echo",
            feature_views=tuple(sorted({read.name.partition(":")[0] for read in reads})),
            trusted_types=trusted_types,
            files=covered_files(files),
        )
        return store.put(files, manifest)


def write_routes(path: Path, live: str, previous: str = "", rejected: tuple[str, ...] = ()) -> None:
    """Writes the served routes, in which `live` is what takes the traffic of the model `echo`."""
    state = RolloutState(live=Slot.BLUE, live_digest=live, previous_digest=previous, rejected_digests=rejected)
    metadata = {"filter_metadata": {"shipway": {"model": "echo", "state": state.model_dump_json()}}}
    path.parent.mkdir(parents=True, exist_ok=True)
    following = path.with_suffix(".next")
    following.write_text(json.dumps({"resources": [{"virtual_hosts": [{"routes": [{"metadata": metadata}]}]}]}))
    following.rename(path)
