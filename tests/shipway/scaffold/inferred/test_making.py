"""A whole service from a CSV, or nothing."""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from shipway.cli.app import app
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.model import load_model
from shipway.scaffold.inferred import making
from shipway.scaffold.inferred.decisions import Options
from shipway.scaffold.inferred.gates import Measured
from shipway.scaffold.inferred.making import make_service
from shipway.scaffold.inferred.papers import with_sections
from tests.shipway.scaffold.inferred.tables import ROWS, columns, written

ROOT = Path(__file__).resolve().parents[4]
TODAY = date(2026, 3, 1)
NOTHING = Measured(
    metrics={"auc": 0.9, "mae": 1.0},
    base_rate={"auc": 0.5, "mae": 3.0},
    metric_deviation=0.02,
    gain_deviation=0.02,
    label_mean=0.25,
    train_rows=90,
    validation_rows=30,
    fit_seconds=0.1,
)


def new_project(folder: Path) -> Path:
    shutil.copytree(ROOT / "templates", folder / "templates", symlinks=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "Pulumi.yaml").touch()
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return new_project(tmp_path / "project")


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training takes seconds; what it measures is not what these tests are about."""
    monkeypatch.setattr(making, "measure", lambda _folder: NOTHING)


def made(root: Path, path: Path, answers: Mapping[str, str] | None = None, **options: Any) -> making.Made:
    return make_service(root, path, Options(**{"target": "sold", **options}), answers or {}, TODAY, lambda _line: None)


def test_a_section_is_replaced_and_the_rest_stays_as_it_was_written() -> None:
    """Comments between sections belong to what follows."""
    text = "a: 1\n# of b\nb:\n  c: 2\n\n  d: 3\n# of e\ne:\n  - 4\n"
    assert with_sections(text, {"b": "b: {}\n"}) == "a: 1\n# of b\nb: {}\n# of e\ne:\n  - 4\n"
    assert with_sections(text, {"e": "e: []\n"}).endswith("# of e\ne: []\n")
    with pytest.raises(ShipwayError, match=r"model\.yaml of the template has no key f, expected one to fill in"):
        with_sections(text, {"f": "f: 1\n"})


@pytest.mark.usefixtures("unmeasured")
def test_the_service_says_whence_it_is(project: Path, tmp_path: Path) -> None:
    """Named like its file; gates, fallback and README follow from the data, which lies beside the code."""
    path = written(tmp_path, columns(), "Swiss houses.csv")
    folder = made(project, path).folder
    spec = load_model(folder / "model.yaml")
    assert (folder.name, spec.name) == ("swiss_houses", "swiss-houses")
    assert spec.serving.fallback_constant == 0.25
    [gate] = spec.evaluation.gates
    assert (gate.metric, gate.minimum, gate.beats_base_rate_by, gate.champion_tolerance) == ("auc", 0.86, 0.2, 0.02)
    assert (folder / "data" / "swiss-houses.csv").read_bytes() == path.read_bytes()
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "| data | 120 rows of `Swiss houses.csv`, predicting `sold`; `0` is 0, `1` is 1 |" in readme
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "          - {type: roc_auc, name: auc, value: 0.9}\n" in card
    assert "## Data\n\n120 rows of `Swiss houses.csv`; `sold` is predicted from 3 columns.\n" in card
    said = "".join(
        path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.suffix in (".md", ".py", ".yaml")
    )
    assert not [word for word in ("breast", "cancer", "your own data", "your own into") if word in said]


@pytest.mark.usefixtures("unmeasured")
def test_a_number_has_a_distance_beyond_which_it_is_wrong(project: Path, tmp_path: Path) -> None:
    """Twice what the baseline misses by."""
    path = written(tmp_path, columns(sold=[number / 7 for number in range(ROWS)]))
    spec = load_model(made(project, path).folder / "model.yaml")
    assert spec.labels.wrong_beyond == 2
    assert spec.evaluation.gates[0].maximum == 1.2


@pytest.mark.usefixtures("unmeasured")
def test_a_large_file_stays_where_it_is(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the project it is referred to by its place there; elsewhere it is refused with the way on."""
    monkeypatch.setattr(making, "MOST_COPIED_BYTES", 1000)
    with pytest.raises(SpecError, match=r"MiB outside of the project', expected at most 0 MiB, which are copied"):
        made(project, written(tmp_path, columns()))
    assert list((project / "services").iterdir()) == []
    (project / "data").mkdir()
    folder = made(project, written(project / "data", columns())).folder
    assert '"../../data/houses.csv"' in (folder / "train.py").read_text(encoding="utf-8")
    assert not (folder / "data").exists()


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    ("answers", "options", "message"),
    [
        ({"name": "../out"}, {}, "shipway new: name: got '../out', expected a name of lower-case words"),
        ({}, {"kind": "image"}, "kind: got 'image', expected with --from-csv one of tabular-classification"),
        ({}, {"target": "price"}, "--target: got 'price', expected one of the columns"),
    ],
)
def test_what_is_refused_leaves_nothing(
    project: Path, tmp_path: Path, answers: dict[str, str], options: dict[str, Any], message: str
) -> None:
    """Not a folder among the services, nor beside them."""
    before = sorted(project.rglob("*"))
    with pytest.raises(SpecError) as refused:
        made(project, written(tmp_path, columns()), answers, **options)
    assert message in str(refused.value)
    assert [path for path in sorted(project.rglob("*")) if path != project / "services"] == before


@pytest.mark.usefixtures("unmeasured")
def test_services_that_lead_out_of_the_project_are_refused(project: Path, tmp_path: Path) -> None:
    """Nothing is written there."""
    (tmp_path / "elsewhere").mkdir()
    (project / "services").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ShipwayError, match="leads out of the project"):
        made(project, written(tmp_path, columns()))
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.usefixtures("unmeasured")
def test_the_verb_tells_what_it_decided_and_what_comes_next(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As text for a person and as one line of JSON; a column that gives the answer away is warned of."""
    monkeypatch.chdir(project)
    data = columns(answer=["yes" if one else "no" for one in columns()["sold"]])
    path = written(tmp_path, data)
    done = CliRunner().invoke(app, ["new", "--from-csv", str(path), "--target", "sold"])
    assert done.exit_code == 0, done.output
    assert "warning: answer is left out: it tells sold in every row" in done.stderr
    assert "  size_m2: number, 0 to 120\n" in done.stdout
    assert "  town: category, one of Basel, Bern, Genf\n" in done.stdout
    assert (
        "baseline: auc 0.9 on 30 rows it has not seen, 0.5 without any column; the gate wants at least 0.86"
        in done.stdout
    )
    assert done.stdout.endswith("  pulumi up -s local\n")
    asked = ["new", "--from-csv", str(path), "--target", "sold", "--name", "other", "--keep", "answer", "--json"]
    result = json.loads(CliRunner().invoke(app, asked).stdout)
    assert [one["name"] for one in result["fields"]] == ["size_m2", "rooms", "town", "answer"]
    assert (result["model"], result["task"], result["left_out"]) == ("other", "binary", {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from-csv", "houses.csv"], "--target: got None, expected the column to predict beside --from-csv"),
        (["--target", "sold"], "--from-csv: got None, expected a file beside --target"),
        (["--from-csv", "houses.csv", "--target", "sold"], "houses.csv: got 'no such file'"),
    ],
)
def test_an_option_without_its_fellow_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    """Before anything is read."""
    monkeypatch.chdir(project)
    done = CliRunner().invoke(app, ["new", "--no-input", *arguments])
    assert isinstance(done.exception, SpecError)
    assert message in str(done.exception)


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_services_of_every_task_train_and_serve_as_they_are(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Their own tests pass: data checks, the same digest twice, a slot that answers what training measured.

    The baseline is a real one, its gates are met; with a target that follows from nothing no service is made.
    """
    root, data = new_project(tmp_path_factory.mktemp("project")), tmp_path_factory.mktemp("data")
    days = [f"2013-{1 + number // 28:02}-{1 + number % 28:02}T08:30" for number in range(ROWS)]
    gaps = {
        "gap": [number % 5 or None for number in range(ROWS)],
        "text": [("x", None, "y")[n % 3] for n in range(ROWS)],
    }
    sizes = [float(str(size)) for size in columns()["Size (m2)"]]
    targets = {
        "yes-or-no": columns(day=days, **gaps, sold=["yes" if size > 45 else "no" for size in sizes]),
        "classes": columns(
            **gaps, sold=["large" if size > 55 else "small" if size < 35 else "medium" for size in sizes]
        ),
        "amounts": columns(sold=[size * 3 + number % 7 for number, size in enumerate(sizes)]),
    }
    folders = [made(root, written(data, target, f"{name}.csv")).folder for name, target in targets.items()]
    chance = random.Random(0)
    with pytest.raises(ShipwayError, match="the columns say too little about the target"):
        made(root, written(data, columns(sold=[chance.random() for _ in range(ROWS)]), "chance.csv"))
    assert sorted(path.name for path in (root / "services").iterdir()) == ["amounts", "classes", "yes_or_no"]
    command = [sys.executable, "-m", "pytest", "-q", *map(str, folders)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    documents = [yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8")) for folder in folders]
    assert [one["evaluation"]["gates"][0]["metric"] for one in documents] == ["auc", "accuracy", "mae"]
