"""Artifacts of other programs: each opens to the same numbers that its own library gives, or to one clear error."""
# The libraries that make them ship no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import os
import pickle
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skl2onnx
import skops.io
from numpy.typing import NDArray
from onnx import TensorProto, helper
from safetensors.numpy import save_file
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from shipway.artifacts.opening import SUFFIXES, find_artifact, open_artifact
from shipway.bundle.formats import LOADERS
from shipway.contract.errors import ArtifactError

NAMES = ("a", "b", "c")
RNG = np.random.default_rng(0)
ROWS: NDArray[np.float64] = RNG.normal(size=(200, 3))
BINARY = (ROWS @ [1.0, -2.0, 0.5] + RNG.normal(size=200) > 0).astype(int)
THREE = np.digitize(ROWS[:, 0], [-0.5, 0.5])
CLASSIFIER = LogisticRegression().fit(ROWS, BINARY)


def onnx_file(folder: Path, estimator: Any = CLASSIFIER, columns: int | None = 3, zipmap: bool = False) -> Path:
    options = {id(estimator): {"zipmap": zipmap}} if hasattr(estimator, "classes_") else {}
    kinds = [("input", FloatTensorType([None, columns]))]
    made = skl2onnx.convert_sklearn(estimator, initial_types=kinds, options=options, target_opset=17)
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def test_a_graph_is_nobody_elses_business(tmp_path: Path) -> None:
    """What runs a graph keeps no id of the person in their home and tells nobody of it; without our word it would."""
    (home := tmp_path / "home").mkdir()
    # In a CI system it is silent of its own accord.
    marks = ("CI", "GITHUB_", "GITLAB_", "ORT_", "TF_BUILD", "XDG_")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(marks)}
    code = (
        "import pathlib, sys; from shipway.artifacts.opening import open_artifact;"
        "open_artifact(pathlib.Path(sys.argv[1]), sys.argv[2:])"
    )
    words = [sys.executable, "-c", code, str(onnx_file(tmp_path)), *NAMES]
    subprocess.run(words, env=variables | {"HOME": str(home)}, check=True, timeout=60)
    assert list(home.iterdir()) == []


def graph_file(folder: Path, shape: list[int | str], answer: list[int | str], operator: str = "Relu") -> Path:
    """Writes a graph of one operator with the given shapes."""
    given = helper.make_tensor_value_info("given", TensorProto.FLOAT, shape)
    told = helper.make_tensor_value_info("told", TensorProto.FLOAT, answer)
    graph = helper.make_graph([helper.make_node(operator, ["given"], ["told"])], "one", [given], [told])
    path = folder / "model.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    return path


def booster_file(folder: Path, names: tuple[str, ...] | str = NAMES, labels: Any = BINARY, **params: Any) -> Path:
    data = lightgbm.Dataset(ROWS[:, : 3 if names == "auto" else len(names)], labels, feature_name=list(names))
    if names == "auto":
        data = lightgbm.Dataset(ROWS, labels)
    made = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1, **params}, data, 5)
    path = folder / "model.txt"
    made.save_model(path)
    return path


def dense_file(folder: Path, tensors: dict[str, NDArray[Any]], **metadata: str) -> Path:
    path = folder / "model.safetensors"
    save_file(tensors, path, metadata=metadata)
    return path


def skops_file(folder: Path, estimator: Any = CLASSIFIER) -> Path:
    path = folder / "model.skops"
    skops.io.dump(estimator, path)
    return path


LINEAR = {"weight": CLASSIFIER.coef_, "bias": CLASSIFIER.intercept_}
BINARY_FILES: dict[str, Callable[[Path], Path]] = {
    ".onnx": onnx_file,
    ".safetensors": lambda folder: dense_file(folder, LINEAR, output="sigmoid"),
    ".skops": skops_file,
}


@pytest.mark.parametrize("suffix", BINARY_FILES)
def test_the_same_model_answers_the_same_whatever_its_file(tmp_path: Path, suffix: str) -> None:
    """A logistic regression in three formats: the probability of 1, to the precision of the format."""
    path = BINARY_FILES[suffix](tmp_path)
    assert find_artifact(tmp_path) == path
    found = open_artifact(path, NAMES)
    assert found.path == path
    np.testing.assert_allclose(found.predict(ROWS), CLASSIFIER.predict_proba(ROWS)[:, 1], atol=1e-6)


@pytest.mark.parametrize("names", [NAMES, "auto"])
def test_a_booster_answers_as_lightgbm_does(tmp_path: Path, names: Any) -> None:
    """The probability of 1, exactly; features without names of their own fit every schema of as many."""
    path = booster_file(tmp_path, names)
    expected = lightgbm.Booster(model_file=path).predict(ROWS)
    np.testing.assert_array_equal(open_artifact(path, NAMES).predict(ROWS), np.asarray(expected))


def test_several_classes_are_answered_by_number(tmp_path: Path) -> None:
    """From a label, from scores of three classes, and from three weights a column."""
    estimator = LogisticRegression().fit(ROWS, THREE)
    expected = estimator.predict(ROWS).astype(float)
    np.testing.assert_array_equal(open_artifact(onnx_file(tmp_path, estimator), NAMES).predict(ROWS), expected)
    np.testing.assert_array_equal(open_artifact(skops_file(tmp_path, estimator), NAMES).predict(ROWS), expected)
    # safetensors writes memory as it lies there.
    tensors = {"weight": np.ascontiguousarray(estimator.coef_), "bias": estimator.intercept_}
    dense = open_artifact(dense_file(tmp_path, tensors, output="softmax"), NAMES)
    np.testing.assert_array_equal(dense.predict(ROWS), expected)
    path = booster_file(tmp_path, labels=THREE, objective="multiclass", num_class=3)
    scores = np.asarray(lightgbm.Booster(model_file=path).predict(ROWS))
    np.testing.assert_array_equal(open_artifact(path, NAMES).predict(ROWS), scores.argmax(axis=1))


def test_a_number_is_answered_as_it_is(tmp_path: Path) -> None:
    """Regression, in ONNX's one column and in skops' none."""
    estimator = LinearRegression().fit(ROWS, ROWS[:, 0] * 3)
    for path in (onnx_file(tmp_path, estimator), skops_file(tmp_path, estimator)):
        np.testing.assert_allclose(open_artifact(path, NAMES).predict(ROWS), ROWS[:, 0] * 3, atol=1e-5)


def test_layers_follow_their_numbers(tmp_path: Path) -> None:
    """The tenth layer comes after the second, with the activation between them and the output last."""
    first, second = RNG.normal(size=(4, 3)), RNG.normal(size=(1, 4))
    tensors = {"net.10.weight": second, "net.2.weight": first, "net.2.bias": np.ones(4)}
    found = open_artifact(dense_file(tmp_path, tensors, activation="relu", output="identity"), NAMES)
    expected = np.maximum(ROWS @ first.T + 1, 0) @ second.T
    np.testing.assert_allclose(found.predict(ROWS), expected[:, 0])


def test_a_picture_goes_in_as_the_graph_wants_it(tmp_path: Path) -> None:
    """Sixteen numbers a row become one channel of four by four."""
    given = helper.make_tensor_value_info("given", TensorProto.FLOAT, ["rows", 1, 4, 4])
    told = helper.make_tensor_value_info("told", TensorProto.FLOAT, ["rows"])
    node = helper.make_node("ReduceMean", ["given"], ["told"], axes=[1, 2, 3], keepdims=0)
    graph = helper.make_graph([node], "mean", [given], [told])
    path = tmp_path / "model.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    found = open_artifact(path, ["pixels"], width=16).predict(np.arange(32.0).reshape(2, 16))
    np.testing.assert_allclose(found, [7.5, 23.5])


def truncated(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-40])
    return path


def pickled(path: Path) -> Path:
    path.write_bytes(pickle.dumps(CLASSIFIER))
    return path


def garbled(folder: Path) -> Path:
    """Returns a file that has the outer shape of ONNX and nothing inside."""
    path = folder / "model.onnx"
    path.write_bytes(b"\x08\x08\x3a\x04\xff\xff\xff\xff")
    return path


def emptied(path: Path) -> Path:
    """Takes the trees' contents away and leaves the first and the last line."""
    path.write_text("tree\nversion=v4\nend of trees\n", encoding="utf-8")
    return path


WEIGHT, SECOND = np.ones((4, 3)), np.ones((1, 4))
BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "truncated onnx": (lambda one: truncated(onnx_file(one)), r"content or suffix '\.onnx' .*that is cut off"),
    "truncated booster": (lambda one: truncated_trees(one), r"content or suffix '\.txt' .*that is cut off"),
    "truncated safetensors": (lambda one: truncated(dense_file(one, LINEAR)), r"content or suffix '\.safetensors'"),
    "truncated skops": (lambda one: truncated(skops_file(one)), r"content or suffix '\.skops'"),
    "a pickle called onnx": (lambda one: pickled(one / "model.onnx"), "a pickle, which can run any code"),
    "garbled onnx": (garbled, r"no ONNX graph that runs \(.*\), expected a whole ONNX file"),
    "a map": (lambda one: onnx_file(one, zipmap=True), r"2 outputs .*a tensor of scores \(skl2onnx: zipmap=False\)"),
    "another width": (
        lambda one: graph_file(one, ["rows", 4], ["rows", 4]),
        r"an input of shape \('rows', 4\), expected \(rows, 3\)",
    ),
    "a fixed batch": (lambda one: graph_file(one, [1, 3], [1, 3]), "an input of 1 rows.*with a dynamic batch axis"),
    "logits": (
        lambda one: dense_file(one, {"weight": WEIGHT[:2], "bias": np.array([1.0, 3.0])}, output="identity"),
        r"two answers a row \(1, 3\), expected two probabilities",
    ),
    "no answer": (lambda one: graph_file(one, ["rows", 3], ["rows", 3], "Log"), "an answer that is not finite"),
    "emptied booster": (lambda one: emptied(one / "model.txt"), r"no LightGBM booster \(.*\)"),
    "a booster's features": (lambda one: booster_file(one, ("a", "b")), "2 features, expected 3, as the schema has"),
    "a booster's order": (
        lambda one: booster_file(one, ("b", "a", "c")),
        "the features b, a, c, expected a, b, c, in this order",
    ),
    "a tensor's name": (lambda one: dense_file(one, {"conv": WEIGHT}), "a tensor conv, expected weight and bias"),
    "a tensor's shape": (
        lambda one: dense_file(one, {"weight": np.ones((1, 5))}, output="sigmoid"),
        r"weight of shape \(1, 5\), expected \(out, 3\): 3 numbers come in",
    ),
    "the next layer's shape": (
        lambda one: dense_file(one, {"0.weight": WEIGHT, "2.weight": np.ones((1, 3))}, output="sigmoid"),
        r"2\.weight of shape \(1, 3\), expected \(out, 4\)",
    ),
    "a bias' shape": (
        lambda one: dense_file(one, {"weight": WEIGHT, "bias": np.ones(3)}),
        r"bias of shape \(3,\), expected \(4,\), as weight has 4 rows",
    ),
    "a bias alone": (lambda one: dense_file(one, {"bias": np.ones(3)}), "the tensors bias, expected a weight for each"),
    "no output": (
        lambda one: dense_file(one, LINEAR),
        "the metadata output='', expected one of identity, sigmoid, softmax",
    ),
    "no activation": (
        lambda one: dense_file(one, {"0.weight": WEIGHT, "2.weight": SECOND}, output="sigmoid"),
        "the metadata activation='', expected one of relu, sigmoid, tanh",
    ),
    "sigmoids": (
        lambda one: dense_file(one, {"weight": WEIGHT}, output="sigmoid"),
        "the output sigmoid over 4 numbers",
    ),
    "an estimator's width": (
        lambda one: skops_file(one, LinearRegression().fit(ROWS[:, :2], BINARY)),
        "2 columns, expected 3, as the schema has",
    ),
    "a function": (lambda one: skops_file(one, np.mean), "the types numpy.mean, expected only skops' own"),
}


def truncated_trees(folder: Path) -> Path:
    path = booster_file(folder)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("end of trees") - 30], encoding="utf-8")
    return path


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_clear_error(tmp_path: Path, case: str) -> None:
    """The file, what was found in it and what was expected; nothing else gets out of the libraries below."""
    make, words = BAD[case]
    path = make(tmp_path)
    with pytest.raises(ArtifactError, match=rf"^{re.escape(str(path))}: found {words}") as caught:
        open_artifact(path, NAMES)
    assert "\n" not in str(caught.value)


def test_one_artifact_lies_in_a_folder(tmp_path: Path) -> None:
    """None, two and a pickle are refused by name; what has another suffix may lie beside it."""
    with pytest.raises(ArtifactError, match=r"found no artifact, expected one file of \.onnx, \.safetensors, \.skops"):
        find_artifact(tmp_path / "nowhere")
    path = skops_file(tmp_path)
    (tmp_path / "sample.csv").write_text("a,b\n", encoding="utf-8")
    assert find_artifact(tmp_path) == path
    onnx_file(tmp_path)
    with pytest.raises(ArtifactError, match=r"found model\.onnx, model\.skops, expected one file"):
        find_artifact(tmp_path)
    (tmp_path / "model.pkl").touch()
    with pytest.raises(ArtifactError, match=r"model\.pkl: found a pickle, which can run any code"):
        find_artifact(tmp_path)


def test_a_package_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot without it says so instead of failing in an import."""
    path = booster_file(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(ArtifactError, match=r"model\.txt: found no package lightgbm here"):
        open_artifact(path, NAMES)


def test_every_suffix_has_its_package() -> None:
    """What opens without scikit-learn needs a package that bundles pin; skops is one of Shipway's own."""
    assert set(SUFFIXES) == set(LOADERS) | {".skops"}


def by_name() -> Any:
    frame = pd.DataFrame(ROWS, columns=list(NAMES))
    columns = make_column_transformer((StandardScaler(), ["a", "b"]), ("passthrough", ["c"]))
    return make_pipeline(columns, LogisticRegression()).fit(frame, BINARY)


def by_category() -> Any:
    return make_pipeline(OneHotEncoder(), LogisticRegression()).fit(THREE[:, None] + [1, 1, 1], BINARY)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (by_name, "ValueError: Specifying the columns using strings"),
        (by_category, "Found unknown categories"),
        (lambda: LogisticRegression().fit(ROWS, np.array(["red", "green", "blue"])[THREE]), "could not convert string"),
        (LogisticRegression, "NotFittedError"),
    ],
)
def test_an_estimator_that_does_not_answer_numbers_is_refused(
    tmp_path: Path, made: Callable[[], Any], said: str
) -> None:
    """Fitted by columns' names, on categories, with labels of text, or not at all: a sentence, and no traceback."""
    path = tmp_path / "model.skops"
    skops.io.dump(made(), path)
    expected = f"found an estimator that fails on rows of zeros .*{said}.*expected one that"
    with pytest.raises(ArtifactError, match=expected):
        open_artifact(path, NAMES, trusted_types=skops.io.get_untrusted_types(file=path))


def test_a_skops_file_with_another_schema_is_refused(tmp_path: Path) -> None:
    """Whatever its reader raises over it."""
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "[1, 2]")
    with pytest.raises(ArtifactError, match=r"found no skops file \(AttributeError"):
        open_artifact(path, NAMES)
