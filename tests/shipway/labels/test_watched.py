"""What each model is judged by."""

from shipway.labels.watched import Models
from tests.shipway.labels.logs import Logs


def beyond(models: Models) -> dict[str, float]:
    """Returns from which distance on a prediction of each model is wrong."""
    return {name: one.wrong_beyond for name, one in models.refresh().items()}


def test_a_changed_model_is_read_again(logs: Logs) -> None:
    """The value is that of model.yaml, the contract's default where it says none, and gone with its service."""
    said: list[str] = []
    models = Models(logs.layout.root, said.append)
    assert beyond(models) == {"toy-labels": 0.25}
    logs.describe(labels={"wrong_beyond": 2})
    assert beyond(models) == {"toy-labels": 2.0}
    logs.describe(labels={})
    assert beyond(models) == {"toy-labels": 0.5}
    (logs.service / "model.yaml").unlink()
    assert (models.refresh(), said) == ({}, [])


def test_a_wrong_document_keeps_the_last_good_value(logs: Logs) -> None:
    """It is said once, with file, key and value."""
    said: list[str] = []
    models = Models(logs.layout.root, said.append)
    models.refresh()
    logs.describe(labels={"wrong_beyond": -1})
    assert [beyond(models), beyond(models)] == [{"toy-labels": 0.25}] * 2
    path = logs.service / "model.yaml"
    assert said == [f"{path}: labels.wrong_beyond: got -1, expected greater than or equal to 0"]
