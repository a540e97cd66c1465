"""What every service on the platform holds; add what is special about this one in files of its own."""

import tempfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from shipway.bundle.source import import_from
from shipway.contract.schema import Schema
from shipway.scaffold.card import card_problems
from shipway.scaffold.testing import TrainedService, train_service
from shipway.training.metrics import evaluate
from shipway.training.quality import check_data

SERVICE = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def schema() -> Schema:
    return import_from(SERVICE.parent, SERVICE.name, "schema").SCHEMA


def test_the_example_request_fits_the_schema(schema: Schema, request_body: dict[str, Any]) -> None:
    """A reader of request.json can send it as it is."""
    assert schema.check(request_body["rows"]) == []


def test_the_training_data_passes_the_checks(schema: Schema, trained: TrainedService) -> None:
    """`shipway train` would not stop at the data."""
    reads = [read.name for read in trained.spec.features.reads]
    ranges = getattr(trained.plan, "RANGES", {})
    assert check_data(trained.data, schema, reads, trained.plan.TASK, ranges) == []


def test_the_model_card_says_what_training_measures(trained: TrainedService) -> None:
    """A number on the card is true of the version that is trained now; a card without numbers claims nothing."""
    measured = evaluate(trained.plan.TASK, trained.data.validation_labels.to_numpy(), trained.predictions)
    assert not card_problems(SERVICE / "MODEL_CARD.md", trained.spec.name, measured)


def test_training_twice_gives_the_same_digest(trained: TrainedService) -> None:
    """The same code, data and settings are the same version."""
    with tempfile.TemporaryDirectory() as scratch:
        again = train_service(SERVICE, Path(scratch))
    assert again.digest == trained.digest


def test_the_example_request_is_answered_by_the_model(client: httpx.Client, request_body: dict[str, Any]) -> None:
    """A prediction comes with its id, its version and its slot."""
    answer = client.post("/predict", json=request_body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["source"] == answer.headers["x-served-by"] == "model"
    assert answer.json()["prediction_ids"] == [answer.headers["x-prediction-id"]]
    assert answer.headers["x-slot"] == "blue"


def test_the_slot_answers_what_training_measured(client: httpx.Client, trained: TrainedService) -> None:
    """The way from a request to the matrix is the same in training and in serving."""
    fields = list(import_from(SERVICE.parent, SERVICE.name, "schema").SCHEMA.names)
    rows = trained.data.validation[fields].head(50)
    # Missing values are NaN in a frame and null in a request.
    body = {"rows": rows.astype(object).where(rows.notna(), None).to_dict("records")}
    served = client.post("/predict", json=body).json()["predictions"]
    np.testing.assert_allclose(served, trained.predictions[:50], rtol=1e-12)


def test_a_wrong_request_is_refused_by_field(
    client: httpx.Client, request_body: dict[str, Any], schema: Schema
) -> None:
    """What is missing is named; nothing is guessed."""
    row = {name: value for name, value in request_body["rows"][0].items() if name != schema.names[0]}
    answer = client.post("/predict", json={"rows": [row]})
    assert answer.status_code == 400
    assert [(one["row"], one["field"], one["rule"]) for one in answer.json()["violations"]] == [
        (0, schema.names[0], "missing")
    ]


def test_a_label_finds_its_prediction(client: httpx.Client, request_body: dict[str, Any]) -> None:
    """A late label is accepted by the id of the answer."""
    (prediction_id,) = client.post("/predict", json=request_body).json()["prediction_ids"]
    answer = client.post("/feedback", json={"labels": [{"prediction_id": prediction_id, "label": 1}]})
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
