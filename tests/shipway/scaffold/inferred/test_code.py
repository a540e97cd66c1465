"""The generated files: clean source for every mixture of columns, that says what was decided."""

import ast
import subprocess
import sys
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from shipway.bundle.source import import_from
from shipway.scaffold.inferred.code import Place, service_files
from shipway.scaffold.inferred.decisions import Inference, Options, infer
from tests.shipway.scaffold.inferred.tables import ROWS, columns, table, written

DAYS = [f"2013-{1 + number // 28:02}-{1 + number % 28:02}T08:30" for number in range(ROWS)]
TARGETS = {
    "binary": columns()["sold"],
    "multiclass": [("a", "b", 'say "c"')[number % 3] for number in range(ROWS)],
    "regression": [number / 7 for number in range(ROWS)],
}
TEXTS = [(None, "it's", 'x"y', "back\\slash", "{{ 7 }}", "温度")[number % 6] for number in range(ROWS)]


def inferred(folder: Path, task: str, *, time: bool, text: bool, only: bool) -> Inference:
    data = columns(sold=TARGETS[task], **({"day": DAYS} if time else {}), **({"Say {{ it }}": TEXTS} if text else {}))
    kept = {name: data[name] for name in data if not only or name in ("sold", "day", "Say {{ it }}", "rooms")}
    return infer(table(folder, kept), Options(target="sold"))


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Inference]:
    """Service's folder -> what it was made of: every task with and without times, texts and more than one number."""
    root = tmp_path_factory.mktemp("project") / "services"
    found: dict[str, Inference] = {}
    for task, time, text, only in product(TARGETS, (False, True), (False, True), (False, True)):
        name = f"{'a' if time else 'z'}{task}-{int(text)}{int(only)}"
        inference = inferred(tmp_path_factory.mktemp("data"), task, time=time, text=text, only=only)
        folder = root / name.replace("-", "_")
        (folder / "tests").mkdir(parents=True)
        for file, content in service_files(inference, Place(name, "data/houses.csv", date(2026, 3, 1))).items():
            (folder / file).write_text(content, encoding="utf-8")
        found[str(folder)] = inference
    return found


def test_every_mixture_is_clean_source(services: dict[str, Inference]) -> None:
    """The linter and the formatter have no wish, whatever the columns and their values are called."""
    root = Path(next(iter(services))).parent
    config = f"src = ['{root}', '{Path(__file__).parents[4]}']"
    project = Path(__file__).parents[4] / "pyproject.toml"
    (root.parent / "pyproject.toml").write_bytes(project.read_bytes())
    for check in (["check"], ["format", "--check", "--diff"]):
        command = [sys.executable, "-m", "ruff", *check, "--no-cache", "--config", config, root]
        done = subprocess.run(command, cwd=root.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:]


def test_the_schema_is_what_was_decided(services: dict[str, Inference]) -> None:
    """Imported, it is field by field the same, and it takes the request that lies beside it."""
    for folder, inference in services.items():
        path = Path(folder)
        schema = import_from(path.parent, path.name, "schema").SCHEMA
        assert schema == inference.schema
        assert schema.check([inference.request]) == []
        request: Any = ast.literal_eval((path / "tests" / "request.json").read_text().replace("null", "None"))
        assert request["rows"] == [inference.request]


@pytest.mark.parametrize("task", TARGETS)
def test_no_row_that_trained_validates_once_the_file_has_grown(
    services: dict[str, Inference], tmp_path: Path, task: str
) -> None:
    """Else the version before knows rows that the next one is compared with it on; doubled rows lie on one side."""
    folder = Path(next(one for one in services if one.endswith(f"z{task}_00")))
    train = import_from(folder.parent, folder.name, "train")
    data = columns(sold=TARGETS[task])
    (folder / "data").mkdir()
    written(folder / "data", data)
    before = sides(train, tmp_path)
    more = {name: list(values[:17]) for name, values in data.items()} | {"Size (m2)": [90 + n / 8 for n in range(17)]}
    written(folder / "data", {name: [*more[name], *values, *values] for name, values in data.items()})
    after = sides(train, tmp_path)
    assert not before[0] & after[1]
    assert not before[1] & after[0]
    assert not after[0] & after[1]


def sides(train: Any, cache: Path) -> tuple[set[Any], ...]:
    """Returns what the rows hold that train, and that validate."""
    found = train.load(train.SETTINGS(), cache)
    return tuple(set(rows.itertuples(index=False, name=None)) for rows in (found.train, found.validation))


def test_the_matrix_has_a_column_for_each_field_and_two_for_a_time(services: dict[str, Inference]) -> None:
    """A category is its place, one that training has not seen and a null are NaN; a time is its hour and weekday."""
    import numpy as np

    folder = Path(next(one for one in services if "abinary_10" in one))
    inputs = import_from(folder.parent, folder.name, "inputs")
    assert inputs.COLUMNS == ("size_m2", "rooms", "town", "day", "say_it")
    rows = {
        "size_m2": [20.0, None],
        "rooms": [1, 2],
        "town": ["Bern", "Chur"],
        "day": ["2013-01-01T08:30:00+00:00", "2013-01-06T23:30:00-01:00"],
        "say_it": [None, "it's"],
    }
    codes = services[str(folder)].fields[4].categories
    expected = [[20.0, 1, 1, 8.5, 1, np.nan], [np.nan, 2, np.nan, 0.5, 0, codes.index("it's")]]
    np.testing.assert_array_equal(inputs.matrix(rows), expected)
