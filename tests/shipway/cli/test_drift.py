"""`shipway drift` as a person meets it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shipway.cli.app import app
from shipway.contract.errors import ShipwayError, SpecError
from tests.e2e.machine import free_base
from tests.shipway.drift.toy import NAME, Toy


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A project with a model that drifts from its second day on, and no worker."""
    made = Toy(tmp_path)
    made.stack(free_base())
    for number in range(3):
        made.day(number, shift=0.7 if number else 0.0)
    monkeypatch.chdir(tmp_path)
    return made


def test_a_script_reads_the_outcome(toy: Toy, tmp_path: Path) -> None:
    """Exit code 3 for drift, one line of JSON with every field and verdict, and a picture where one was asked for."""
    done = CliRunner().invoke(app, ["drift", NAME, "--json", "--plot", str(tmp_path / "drift.svg")])
    assert done.exit_code == 3, done.output
    result = json.loads(done.stdout)
    assert (result["drifted"], result["worker_runs"], result["version"]) == (True, False, toy.version)
    assert {one["feature"] for one in result["fields"]} == {"x", "view:f", "colour", "prediction", "label", "relation"}
    (x,) = [one for one in result["fields"] if one["feature"] == "x"]
    assert x["status"] == "drifted"
    assert x["effect"] == pytest.approx(x["score"] / x["threshold"])
    assert x["weight"] == pytest.approx(x["effect"] * 0.7)
    assert {one["window"]["start"][:10] for one in result["verdicts"]} == {"2013-05-06", "2013-05-07"}
    assert (tmp_path / "drift.svg").read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["--since", "June"], SpecError, "a date such as 2013-06-01"),
        (["--plot", "drift.pdf"], SpecError, r"a name that ends in \.svg or \.png"),
        (["--segment", "colour=mauve"], ShipwayError, "known: colour=blue, colour=red"),
    ],
)
def test_what_cannot_be_done_is_said(toy: Toy, arguments: list[str], kind: type[ShipwayError], message: str) -> None:
    """One sentence with what was expected."""
    with pytest.raises(kind, match=message):
        CliRunner().invoke(app, ["drift", NAME, *arguments], catch_exceptions=False)
    assert toy.version


def test_too_few_rows_are_no_good_news(toy: Toy) -> None:
    """Exit code 4, neither 0 nor 3: nobody knows. A first month that is found is no verdict yet, and 0."""
    done = CliRunner().invoke(app, ["drift", NAME, "--window", "month", "--segment", "colour=red"])
    assert (done.exit_code, "stable, found once" in done.output) == (0, True), done.output
    toy.root.joinpath("services", "toy_drift", "model.yaml").write_text(
        toy.root.joinpath("services", "toy_drift", "model.yaml").read_text() + "drift: {minimum_rows: 5000}\n"
    )
    done = CliRunner().invoke(app, ["drift", NAME])
    assert done.exit_code == 4, done.output
    assert "nothing could be judged: too few rows" in done.output
