"""Records of the log as what the sample takes."""

import json

from shipway.labels import records
from shipway.labels.sample import Sample
from shipway.logs.sources import LocalSource
from shipway.logs.tail import Tail
from tests.shipway.labels.logs import Logs


def test_all_of_a_models_own_predictions_are_taken(logs: Logs) -> None:
    """Outside of rollouts too; those of a fallback, without an id or without a number are not."""
    logs.predict([("in", 0.5, "v", 3), ("out", 0.25, "w", 0)], name="a", fields=json.dumps({"origin": "JFK"}))
    logs.predict([("fallback", 0.5, "v", 0)], name="b", served_by="constant")
    logs.predict([("nobody", 0.5, "v", 0)], name="c", prediction_id=None)
    logs.predict([("nothing", 0.5, "v", 0)], name="d", prediction=None)
    logs.predict([("never", 0.5, "v", 0)], name="e", event_time=None)
    # What is no text, is hashed or cannot be read makes no segment, and the prediction counts all the same.
    logs.predict([("hashed", 0.5, "v", 0)], name="f", fields=json.dumps({"origin": "blake2:ab"}))
    logs.predict([("number", 0.5, "v", 0)], name="g", fields=json.dumps({"origin": 7}))
    logs.predict([("torn", 0.5, "v", 0)], name="h", fields="{")
    logs.label([("in", 1.0), ("out", 0.0), ("fallback", 1.0)])
    sample, fields = Sample(["origin"], days_kept=3), ("origin",)
    for piece in Tail(LocalSource(logs.folder), records.columns(fields)).poll():
        records.add(sample, "toy-labels", piece, fields)
    drawn = sample.drawn(0, 100_000)
    assert len(drawn.labels) == 5
    assert sorted(drawn.labels[drawn.labels == drawn.labels].tolist()) == [0.0, 1.0]
    assert sorted(sample.versions) == ["v", "w"]
    assert sorted(sample.values[0]) == ["", "JFK"]
