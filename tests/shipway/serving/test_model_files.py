"""Only what cannot run code becomes a live object."""

import re
from pathlib import Path

import numpy as np
import pytest
import skops.io
from safetensors.numpy import save_file
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier

from shipway.contract.errors import ArtifactError
from shipway.serving.model_files import ModelFiles

TREE = "sklearn.tree._tree.Tree"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows, labels = np.array([[0.0], [1.0]]), np.array([0, 1])
    skops.io.dump(DecisionTreeClassifier(random_state=0).fit(rows, labels), tmp_path / "tree.skops")
    skops.io.dump(DummyClassifier().fit(rows, labels), tmp_path / "model.skops")
    (tmp_path / "broken.skops").write_bytes(b"PK\x03\x04 not a zip")
    return tmp_path


def test_an_estimator_of_allowed_types_is_loaded(folder: Path) -> None:
    """A tree needs its one compiled type named by the manifest."""
    assert ModelFiles(folder, "stub").skops().predict([[1.0]]).tolist() == [0]
    assert ModelFiles(folder, "stub", [TREE]).skops("tree.skops").predict([[1.0]]).tolist() == [1]


@pytest.mark.parametrize(
    ("name", "trusted", "message"),
    [
        ("tree.skops", [], f"holds {TREE}, expected only types skops knows"),
        ("tree.skops", [TREE, "os.system"], "the manifest trusts os.system, expected only types of stub and of"),
        ("tree.skops", [TREE, "stubborn.Model"], "the manifest trusts stubborn.Model"),
        ("broken.skops", [], "broken.skops: not a skops file"),
        ("modle.skops", [], "no such model file; did you mean 'model.skops'?"),
        ("x", [], "no such model file; the folder holds broken.skops, model.skops, tree.skops"),
    ],
)
def test_anything_else_is_refused_by_name(folder: Path, name: str, trusted: list[str], message: str) -> None:
    """The error names the file, what it holds and what is allowed."""
    with pytest.raises(ArtifactError) as refused:
        ModelFiles(folder, "stub", trusted).skops(name)
    assert message in str(refused.value)


def test_the_one_artifact_is_opened_by_its_suffix(tmp_path: Path) -> None:
    """A network's file answers by its own rules, an estimator's by scikit-learn's; columns are checked in both."""
    save_file(
        {"weight": np.array([[2.0]]), "bias": np.array([1.0])}, tmp_path / "w.safetensors", {"output": "identity"}
    )
    assert ModelFiles(tmp_path, "stub").artifact(["x"]).predict(np.array([[3.0]])).tolist() == [7.0]
    (tmp_path / "w.safetensors").unlink()
    rows, labels = np.array([[0.0], [1.0]]), np.array([0, 1])
    skops.io.dump(DecisionTreeClassifier(random_state=0).fit(rows, labels), tmp_path / "model.skops")
    with pytest.raises(ArtifactError, match=rf"holds {re.escape(TREE)}, expected only types skops knows"):
        ModelFiles(tmp_path, "stub").artifact(["x"])
    assert ModelFiles(tmp_path, "stub", [TREE]).artifact(["x"]).predict(rows).tolist() == [0.0, 1.0]
    with pytest.raises(ArtifactError, match="found 1 columns, expected 2, as the schema has"):
        ModelFiles(tmp_path, "stub", [TREE]).artifact(["x", "y"])
