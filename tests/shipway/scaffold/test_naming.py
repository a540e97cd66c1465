"""Which names a new model may have."""

from pathlib import Path

import pytest

from shipway.contract.naming import check_model_name
from shipway.scaffold.naming import check_new_name


@pytest.mark.parametrize("name", ["churn", "flight-delay-2", "a", "x" * 40])
def test_a_plain_name_is_free(tmp_path: Path, name: str) -> None:
    """Nothing is wrong with a name nobody uses."""
    assert check_new_name(name, tmp_path) == ""


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("Churn", "churn"),
        ("my_model", "my-model"),
        ("my model", "my-model"),
        ("-churn", "churn"),
        ("churn-", "churn"),
        ("a--b", "a-b"),
        ("2fast", "fast"),
        ("../../etc", "etc"),
        ("churn\n", "churn"),
        ("größe", "gr-e"),
        ("", "my-model"),
        ("x" * 41, "x" * 40),
        ("gateway", "gateway-model"),
        ("class", "class-model"),
        ("json", "json-model"),
        ("numpy", "numpy-model"),
        ("taken", "taken-model-2"),
        ("taken-model", "taken-model-2"),
    ],
)
def test_a_bad_name_is_refused_with_one_that_works(tmp_path: Path, name: str, suggestion: str) -> None:
    """The suggestion can be typed as it stands."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken_model").mkdir()
    problem = check_new_name(name, tmp_path)
    assert problem.endswith(f"try {suggestion!r}")
    assert check_model_name(suggestion) == ""
    assert check_new_name(suggestion, tmp_path) == ""


def test_the_folder_being_rendered_is_not_taken_by_itself(tmp_path: Path) -> None:
    """Cookiecutter makes the folder before it asks whether it may."""
    (tmp_path / "churn").mkdir()
    assert check_new_name("churn", tmp_path, rendering=True) == ""
