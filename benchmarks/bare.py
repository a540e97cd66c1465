"""A BentoML service as one writes it without Shipway: `python -m benchmarks.bare --bundle B --features F ...`.

The same model and the same feature reads as the bundle's own service, BentoML's own validation, and nothing else: no
log, no counters of drift, no fallback. It works inside the event loop, without a thread's hop, because that is fastest.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shipway.bundle.manifest import Manifest
from shipway.bundle.served import ServedModel
from shipway.bundle.source import import_from
from shipway.contract.documents import parse, read_json

__all__ = ["main"]

Rows = list[dict[str, Any]]


def predictor(bundle: Path, features: Path) -> Callable[[Rows], list[float]]:
    """Returns what answers rows: the bundle's estimator on its features, or the echo of `benchmarks.echo`."""
    from shipway.serving.model_files import ModelFiles

    files = bundle / "files"
    manifest = parse(Manifest, read_json(bundle / "manifest.json"), bundle / "manifest.json")
    served = parse(ServedModel, read_json(files / "model.json"), files / "model.json")
    package = manifest.service.partition(".")[0]
    if package == "echo":
        return lambda rows: [row["x"] for row in rows]
    inputs = import_from(files / "src", package, "inputs")
    estimator = ModelFiles(files / "model", package, manifest.trusted_types).skops()
    read = reader(served, import_from(files / "src", package, "features").ENTITIES, features)

    def predict(rows: Rows) -> list[float]:
        joined = [row | found for row, found in zip(rows, read(rows), strict=True)]
        columns = {name: [row[name] for row in joined] for name in inputs.COLUMNS}
        return estimator.predict_proba(inputs.matrix(columns))[:, 1].tolist()

    return predict


def reader(
    served: ServedModel, entities: Callable[[Mapping[str, object]], dict[str, object]], folder: Path
) -> Callable[[Rows], list[dict[str, Any]]]:
    """Returns what reads the features of rows, with the defaults of model.yaml where there is no value."""
    from shipway.features.online import OnlineStore

    store = OnlineStore(folder)
    defaults = {read.name: read.default for read in served.features.reads}

    def read(rows: Rows) -> list[dict[str, Any]]:
        answers = store.read_many(list(defaults), [entities(row) for row in rows])
        return [
            {name: default if (value := answer[name].value) is None else value for name, default in defaults.items()}
            for answer in answers
        ]

    return read


def application(predict: Callable[[Rows], list[float]]) -> Any:
    """Returns the ASGI application of a service that answers with `predict`."""
    import bentoml

    class Bare:
        """Answers rows."""

        async def predict(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
            """Returns one number a row."""
            return {"predictions": predict(rows)}

    Bare.predict = bentoml.api(route="/predict")(Bare.predict)  # pyright: ignore[reportAttributeAccessIssue]
    service: Any = bentoml.service(name="bare", workers=1, logging={"access": {"enabled": False}})(Bare)
    return service.to_asgi()


def main() -> None:
    """Serves until it is ended, as a slot is served: uvicorn in one process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bare", description=__doc__)
    for name in ("bundle", "features", "state"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    chosen = parser.parse_args()
    counters = chosen.state / "metrics"
    counters.mkdir(parents=True)
    quiet = {"BENTOML_DO_NOT_TRACK": "True", "OMP_NUM_THREADS": "1"}
    os.environ.update(quiet | {"BENTOML_HOME": str(chosen.state), "PROMETHEUS_MULTIPROC_DIR": str(counters)})

    import uvicorn

    served = application(predictor(chosen.bundle, chosen.features))
    uvicorn.run(served, host="127.0.0.1", port=chosen.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
