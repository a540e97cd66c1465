"""`shipway labels` as a person meets it."""

import json
import uuid
from pathlib import Path

import pytest

from shipway.labels.process import rounds_of
from tests.shipway.cli.project import run
from tests.shipway.delivery.stack import Stack
from tests.shipway.labels.logs import Logs

IDS = [uuid.UUID(int=number).hex for number in range(300)]


@pytest.fixture
def served(project: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A project whose one model predicted 300 classes."""
    source = Logs(tmp_path_factory.mktemp("source"))
    source.predict([(one, float(number % 10), "abc", 0) for number, one in enumerate(IDS)])
    folder = project.layout.predictions / "digits"
    folder.parent.mkdir(parents=True, exist_ok=True)
    source.folder.rename(folder)
    return project


def labels_file(folder: Path, wrong_every: int) -> Path:
    path = folder / "labels.csv"
    rows = [f"{one},{number % 10 + (number % wrong_every == 0)}" for number, one in enumerate(IDS)]
    path.write_text("\n".join(["prediction_id,label", *rows]))
    return path


def test_imported_labels_become_quality(
    served: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a file into the log, through a round of the labels process, onto the screen and into JSON."""
    path = labels_file(served.root, wrong_every=10)
    assert run(monkeypatch, "labels", "import", str(path)) == 0
    told = capsys.readouterr()
    assert told.out == "digits: 300 of 300 labels written\n"
    assert "labels.csv: 300 rows checked" in told.err
    assert run(monkeypatch, "labels", "import", str(path), "--model", "digits", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["written"], again["known"], again["rows"], again["model"]) == (0, 300, 300, "digits")
    rounds_of(served.layout, lambda _: None, lambda: 5.0).round()
    assert run(monkeypatch, "labels", "digits") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("digits: by labels known at 1970-01-01T00:00:05+00:00, predictions until 2013-05-01T03")
    assert lines[1].split() == ["VERSION", "SEGMENT", "METRIC", "VALUE", "LOW", "HIGH", "LABELLED", "REFERENCE", "DROP"]
    assert lines[2].split()[:4] == ["abc", "all", "accuracy", "0.9000"]
    assert run(monkeypatch, "labels", "digits", "--json") == 0
    assert json.loads(capsys.readouterr().out)["quality"][0]["score"] == 0.9


def test_few_labels_are_said_to_be_few(
    served: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No number is shown for what is not known, and coverage says why."""
    rounds_of(served.layout, lambda _: None, lambda: 5.0).round()
    assert run(monkeypatch, "labels", "digits") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1] == "no version has enough labelled predictions in the newest week (200) to say anything"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("digit",), 1, "no model 'digit' in "),
        (("digits",), 1, "nothing is known of the labels of digits yet; the labels process writes it a few seconds"),
        (
            ("import",),
            2,
            "the command line: import: got 'no file', expected a file of labels: shipway labels import FILE",
        ),
        (("digits", "x.csv"), 2, "expected a file and --model with `shipway labels import` only"),
        (("import", "x.csv"), 2, "x.csv: got 'no such file', expected a file of labels"),
        (("import", "x.csv", "--model", "digit"), 1, "did you mean 'digits'?"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    project: Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    """With the reason, and the exit code that says whose mistake it is."""
    assert run(monkeypatch, "labels", *arguments) == code
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert said in err
