"""What the tests of bundles share: a small bundle, not yet in a store."""

from pathlib import Path

import pytest

from shipway.bundle.canonical import canonicalise_skops
from shipway.bundle.manifest import Manifest, covered_files


def write_skops(path: Path, addresses: tuple[int, int] = (1, 2)) -> None:
    """Writes an archive with the layout of skops, its two objects at the given memory addresses."""
    import json
    import zipfile

    whole, array = addresses
    schema = {
        "__class__": "Thing",
        "content": {"weights": {"type": "numpy", "file": f"{array}.npy", "__id__": array}},
        "__id__": whole,
        "_skops_version": "0.16.0",
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{array}.npy", b"\x93NUMPY" + bytes(8))
        archive.writestr("schema.json", json.dumps(schema))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A bundle's `files` folder."""
    folder = tmp_path / "files"
    (folder / "src" / "toy").mkdir(parents=True)
    (folder / "model").mkdir()
    (folder / "src" / "toy" / "service.py").write_text("class Toy: ...\n")
    write_skops(folder / "model" / "model.skops")
    canonicalise_skops(folder / "model" / "model.skops")
    (folder / "model.json").write_text("{}")
    return folder


@pytest.fixture
def manifest(files: Path) -> Manifest:
    """The manifest of `files`."""
    return Manifest(model="toy", service="toy.service:Toy", files=covered_files(files))
