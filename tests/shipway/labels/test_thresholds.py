"""From which distance on a prediction of a model is wrong."""

from shipway.labels.thresholds import Thresholds
from tests.shipway.labels.logs import Logs


def test_a_changed_model_is_read_again(logs: Logs) -> None:
    """The value is that of model.yaml, the contract's default where it says none, and gone with its service."""
    said: list[str] = []
    thresholds = Thresholds(logs.layout.root, said.append)
    assert thresholds.refresh() == {"toy-labels": 0.25}
    logs.describe(labels={"wrong_beyond": 2})
    assert thresholds.refresh() == {"toy-labels": 2.0}
    logs.describe(labels={})
    assert thresholds.refresh() == {"toy-labels": 0.5}
    (logs.service / "model.yaml").unlink()
    assert (thresholds.refresh(), said) == ({}, [])


def test_a_wrong_document_keeps_the_last_good_value(logs: Logs) -> None:
    """It is said once, with file, key and value."""
    said: list[str] = []
    thresholds = Thresholds(logs.layout.root, said.append)
    thresholds.refresh()
    logs.describe(labels={"wrong_beyond": -1})
    assert [thresholds.refresh(), thresholds.refresh()] == [{"toy-labels": 0.25}] * 2
    path = logs.service / "model.yaml"
    assert said == [f"{path}: labels.wrong_beyond: got -1, expected greater than or equal to 0"]
