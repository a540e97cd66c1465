"""A model that reads no features: its predictions are compared all the same."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shipway.contract.parity import ParityOutcome
from shipway.contract.release import short_digest
from shipway.logs.schemas import PREDICTION_SCHEMA
from shipway.parity.comparing import answer
from shipway.parity.running import Question
from shipway.parity.telling import told
from shipway.scaffold.testing import train_service

DIGITS = Path(__file__).resolve().parents[3] / "services" / "digits"


def test_predictions_alone_are_compared(tmp_path: Path) -> None:
    """It says so; an answer that the model would not give is found."""
    trained = train_service(DIGITS, tmp_path)
    rows = trained.data.validation.head(20).to_dict("records")
    version = short_digest(trained.digest)
    records = [
        {
            "prediction_id": f"{number:032x}",
            "event_time": datetime(2026, 1, 1, tzinfo=UTC),
            "entities": "{}",
            "fields": json.dumps(row),
            "features": [],
            # One answer is not the model's.
            "prediction": float(prediction) + (number == 3),
            "version": version,
            "served_by": "model",
        }
        for number, (row, prediction) in enumerate(zip(rows, trained.predictions[:20], strict=True))
    ]
    path = tmp_path / "records.parquet"
    pq.write_table(pa.Table.from_pylist(records, schema=PREDICTION_SCHEMA), path)
    question = Question(model="digits", version=version, records=str(path), bundle=str(trained.bundle))
    report = answer(question.model_copy(update={"service": str(DIGITS)}))
    assert report.offline == "reads no features: compares predictions only"
    assert [one.name for one in report.compared] == ["prediction:served"]
    (found,) = report.predictions
    assert (found.outcomes[ParityOutcome.EQUAL], found.outcomes[ParityOutcome.DIFFERENT]) == (19, 1)
    assert [worst.prediction_id for worst in found.worst] == [f"{3:032x}"]
    assert "reads no features: compares predictions only" in told(report, 20)
