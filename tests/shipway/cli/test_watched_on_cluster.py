"""What watches a model on a cluster, as a person's command finds it in the object store."""

import json
from pathlib import Path

import pytest
import yaml

from shipway.objects.storage import ObjectStorage
from shipway.serving.dead_letters import DeadLetterLog
from tests.shipway.cli.project import run
from tests.shipway.delivery.stack import ENVIRONMENT, Stack
from tests.shipway.serving.doubles import SCHEMA
from tests.shipway.serving.test_dead_letters import Counted, letter
from tests.standins.object_store import ObjectStore

REPOSITORY = Path(__file__).parents[3]
QUALITY = {
    "time": "2013-05-02T00:00:00+00:00",
    "model": "digits",
    "event_time": "2013-05-01T00:00:00+00:00",
    "threshold": 0.05,
    "sampled_ratio": 1.0,
    "coverage": {"abababababab": {"labelled": 3, "due": 4}},
    "quality": [],
}


@pytest.fixture
def onprem(project: Stack, store: ObjectStore) -> ObjectStore:
    """The project on a cluster of its own, whose object store answers here."""
    document = yaml.safe_load((REPOSITORY / "stacks" / "Pulumi.onprem.yaml").read_text())
    document["config"]["shipway:environment"]["name"] = ENVIRONMENT
    # Where it is, the variables say that pods have too.
    del document["config"]["shipway:environment"]["kubernetes"]["object_storage"]["endpoint_url"]
    (project.root / "stacks" / f"Pulumi.{ENVIRONMENT}.yaml").write_text(yaml.safe_dump(document))
    return store


@pytest.mark.usefixtures("onprem")
def test_dead_letters_of_all_pods_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a laptop, the newest last."""
    for pod in range(2):
        storage = ObjectStorage("s3://shipway-onprem/predictions/digits")
        log = DeadLetterLog(tmp_path / str(pod), SCHEMA, "abababababab", "green", 1 << 20, Counted(), storage)
        log.append(letter(1 - pod))
        log.close()
    assert run(monkeypatch, "dead-letters", "digits", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [int(one["request_id"], 16) for one in found["dead_letters"]] == [0, 1]


def test_what_labels_say_is_read(
    onprem: ObjectStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the worker keeps it; before it has, that is said with the place."""
    assert run(monkeypatch, "labels", "digits") == 1
    assert "s3://shipway-onprem/workers/labels/digits/quality.json: no such file" in capsys.readouterr().err
    onprem.objects["workers/labels/digits/quality.json"] = json.dumps(QUALITY).encode()
    assert run(monkeypatch, "labels", "digits") == 0
    assert "coverage of abababababab: 75.0%, 3 of 4 old enough for a label" in capsys.readouterr().out


def test_drift_looks_there(
    onprem: ObjectStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing predicted is nothing to judge; a store that does not answer is one line, with what was asked."""
    assert run(monkeypatch, "drift", "digits") == 1
    said = capsys.readouterr().err
    assert "s3://shipway-onprem/predictions/digits: no prediction of digits was logged yet" in said
    onprem.answers = False
    assert run(monkeypatch, "drift", "digits") == 1
    said = capsys.readouterr().err
    assert "the object store answered SlowDown: 's3://shipway-onprem/" in said
    assert "Traceback" not in said
