"""What a bundle needs beside Shipway's own packages."""

from pathlib import Path

import pytest

from shipway.bundle.loaders import every_loader, loaders_of
from shipway.contract.errors import ArtifactError


def files(folder: Path, model: str, code: str, module: str = "inputs") -> Path:
    for name, content in ((f"model/{model}", "x"), (f"src/a_model/{module}.py", code)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("model", "package"),
    [("model.onnx", "onnxruntime"), ("model.txt", "lightgbm"), ("w.safetensors", "safetensors"), ("model.skops", None)],
)
def test_the_suffix_says_what_opens_a_model(tmp_path: Path, model: str, package: str | None) -> None:
    """An ONNX file needs onnxruntime; scikit-learn's are opened by what is there anyway."""
    assert loaders_of(files(tmp_path, model, "")) == ({package} if package else set())
    assert package is None or package in every_loader()


@pytest.mark.parametrize(
    "line",
    [
        "from shipway.artifacts.pictures import pixels",
        "from shipway.artifacts import pictures",
        "import shipway.artifacts.pictures",
        "from PIL import Image",
        "import PIL",
    ],
)
def test_code_that_decodes_pictures_needs_pillow(tmp_path: Path, line: str) -> None:
    """However it is imported, but not by what only trains: no slot imports that."""
    assert loaders_of(files(tmp_path, "model.skops", line)) == {"pillow"} <= every_loader()
    (tmp_path / "src/a_model/inputs.py").unlink()
    assert loaders_of(files(tmp_path, "model.skops", line, module="train")) == set()


@pytest.mark.parametrize("content", [b"def broken(:\n", b"\xff\xfe", b"x = 1\0"])
def test_a_source_that_is_no_python_is_named(tmp_path: Path, content: bytes) -> None:
    """A stray file beside the service stops the bundle with one sentence."""
    (tmp_path / "model").mkdir()
    stray = tmp_path / "src" / "stray.py"
    stray.parent.mkdir()
    stray.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"stray\.py: found .+, expected Python"):
        loaders_of(tmp_path)
