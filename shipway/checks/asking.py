"""One bundle, served and asked, in a process of its own: `python -m shipway.checks --question FILE`.

One process holds one version of a service's code, and whatever that code does to its process is no matter of whoever
wanted it checked.
"""

import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from shipway.bundle.isolated import import_isolated
from shipway.bundle.manifest import Manifest
from shipway.bundle.source import import_from
from shipway.bundle.store import verify_bundle
from shipway.checks.facts import Facts, Labelled, Reply, Row, Values
from shipway.checks.finding import Finding, Status
from shipway.checks.question import Question, Said
from shipway.checks.registry import OF_BUNDLE
from shipway.checks.relations import own_relations
from shipway.contract.check import CheckName
from shipway.contract.documents import read_json
from shipway.contract.environment import Tier
from shipway.contract.errors import ShipwayError
from shipway.contract.metrics import Slot
from shipway.contract.model import ModelSpec, load_model
from shipway.scaffold.testing import live_client
from shipway.serving.configuration import SlotConfiguration
from shipway.serving.launch import asgi_application
from shipway.serving.model_files import ModelFiles
from shipway.serving.outputs import checked
from shipway.training.champion import fill_defaults
from shipway.training.metrics import evaluate
from shipway.training.regression import load_regression_set

__all__ = ["answer"]

# As many as a request may have: what a model never has to answer at once it is not asked at once.
_BATCH_ROWS = 1000

# After the model is loaded it answers one row; what takes longer than this does not answer it.
_READY_SECONDS = 30


def answer(question: Question, say: Callable[[Said], None]) -> None:
    """Says what the checks find, one after the other; what the bundle's code raises is a finding of its check.

    Raises:
        ShipwayError: when the bundle is not what its digest says, or cannot be served.
    """
    bundle = Path(question.bundle)
    manifest = verify_bundle(bundle)
    with threadpool_limits(limits=1), _served(bundle, manifest, Path(question.scratch)) as (client, model):
        facts = _facts(question, manifest, client, model)
        for name in question.checks:
            say(Said(begins=name))
            say(Said(begins=name, findings=tuple(_run(name, OF_BUNDLE[name](facts)))))


def _run(name: CheckName, check: Iterator[Finding]) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check)
    except ShipwayError as error:
        found.append(Finding(check=name, subject="declared", status=Status.FAILED, sentence=str(error)))
    except Exception as error:  # noqa: BLE001 - whatever a model raises when it is asked, it is no answer
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        where = f"{Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last is not None else "nowhere"
        # The message may quote a row, which may be somebody's: type and place are enough to find the cause.
        said = f"the model raised {type(error).__name__} at {where}"
        found.append(Finding(check=name, subject="asked", status=Status.FAILED, sentence=said))
    return found


@contextmanager
def _served(bundle: Path, manifest: Manifest, scratch: Path) -> Generator[tuple[httpx.Client, Any], None, None]:
    """Yields a client of the slot, and the served model itself."""
    source, package = bundle / "files" / "src", manifest.service.partition(".")[0]
    features = scratch / "features"
    if manifest.feature_views:
        from shipway.features.offline import open_offline

        # Where the views are known and no value is, every read is its default.
        open_offline(features, import_from(source, package, "features").OBJECTS)
    configuration = SlotConfiguration(
        bundle=bundle,
        slot=Slot.BLUE,
        predictions=scratch / "predictions",
        features=features,
        tier=Tier.LOCAL,
    )
    application = asgi_application(configuration, scratch / "state")
    with live_client(application) as client:
        _wait(client)
        module, _, name = manifest.service.partition(":")
        service: Any = getattr(import_from(source, package, module.partition(".")[2]), name)
        yield client, service.inner.current().model


def _wait(client: httpx.Client) -> None:
    limit = time.monotonic() + _READY_SECONDS
    while client.get("/readyz").status_code != 200:
        if time.monotonic() > limit:
            raise ShipwayError(f"the slot was not ready within {_READY_SECONDS} s: its first prediction fails")
        time.sleep(0.02)


def _facts(question: Question, manifest: Manifest, client: httpx.Client, model: Any) -> Facts:
    bundle, service = Path(question.bundle), Path(question.service)
    spec = load_model(service / "model.yaml")
    source, package = bundle / "files" / "src", manifest.service.partition(".")[0]
    plan: Any = import_from(source, package, "train")
    cache = Path(question.cache)
    cache.mkdir(parents=True, exist_ok=True)
    # By the checkout's code, which knows where its data lies; the bundle holds none.
    own: Any = import_isolated(service.parent, service.name, "train", "checkout")
    data = own.load(own.SETTINGS(), cache)
    example = service / "tests" / "request.json"
    return Facts(
        spec=spec,
        schema=model.schema,
        task=plan.TASK,
        request=read_json(example) if example.is_file() else None,
        held_out=Labelled(
            fill_defaults(data.validation, spec.features.reads),
            data.validation_labels,
            "the rows that train.py holds out",
        ),
        frozen=_frozen(service, spec),
        ask=_asking(lambda rows: model.predict(rows)),
        ask_anew=_anew(model, bundle, manifest),
        entities=model.entities if manifest.feature_views else lambda row: {},
        measure=lambda labels, answers: _measure(plan, labels, answers),
        send=lambda body: _sent(client, body),
        relations=own_relations(service),
    )


def _frozen(service: Path, spec: ModelSpec) -> Labelled | None:
    found = load_regression_set(service)
    if found is None:
        return None
    rows: pd.DataFrame = fill_defaults(found.rows, spec.features.reads)
    return Labelled(rows, found.labels, f"the frozen rows of {', '.join(found.names)}")


def _measure(plan: Any, labels: NDArray[Any], answers: Values) -> dict[str, float]:
    extra: dict[str, float] = dict(plan.metrics(labels, answers)) if hasattr(plan, "metrics") else {}
    return {**evaluate(plan.TASK, labels, answers), **extra}


def _anew(model: Any, bundle: Path, manifest: Manifest) -> Callable[[Sequence[Row]], Values]:
    def ask(rows: Sequence[Row]) -> Values:
        other: Any = cast(Any, type(model)).beside()
        package = manifest.service.partition(".")[0]
        other.load(ModelFiles(bundle / "files" / "model", package, manifest.trusted_types))
        return _asking(other.predict)(rows)

    return ask


def _asking(predict: Callable[[Sequence[Row]], object]) -> Callable[[Sequence[Row]], Values]:
    def ask(rows: Sequence[Row]) -> Values:
        parts: list[Values] = []
        for start in range(0, len(rows), _BATCH_ROWS):
            some = list(rows[start : start + _BATCH_ROWS])
            values, problem = checked(predict(some), len(some))
            if values is None:
                raise ShipwayError(problem)
            parts.append(values)
        return np.concatenate(parts) if parts else np.zeros(0)

    return ask


def _sent(client: httpx.Client, body: bytes) -> Reply:
    try:
        response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    except httpx.HTTPError:
        return Reply(0, {})
    try:
        document: object = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        document = {}
    return Reply(response.status_code, document if isinstance(document, dict) else {})  # pyright: ignore[reportUnknownArgumentType]
