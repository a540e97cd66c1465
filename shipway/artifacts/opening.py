"""The one artifact of a folder, opened by its suffix."""

import importlib
import os
from collections.abc import Sequence
from pathlib import Path

from shipway.artifacts.answers import Artifact, refused
from shipway.bundle.formats import LOADERS, PICKLE_SUFFIXES, check_file
from shipway.contract.telemetry import ONNXRUNTIME_SILENT

__all__ = ["SUFFIXES", "find_artifact", "open_artifact"]

# What can be opened without code of the service's own; a bundle may hold more.
SUFFIXES: tuple[str, ...] = (".onnx", ".safetensors", ".skops", ".txt")


def find_artifact(folder: Path) -> Path:
    """Returns the one artifact in `folder`; files of other suffixes, such as a sample, may lie beside it.

    Raises:
        ArtifactError: when there is none, more than one, or a pickle.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    for path in files:
        if path.suffix.lower() in PICKLE_SUFFIXES:
            raise refused(path, "a pickle, which can run any code when it is loaded", f"one of {', '.join(SUFFIXES)}")
    found = [path for path in files if path.suffix.lower() in SUFFIXES]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "no artifact"
        raise refused(folder, names, f"one file of {', '.join(SUFFIXES)}")
    return found[0]


def open_artifact(
    path: Path, names: Sequence[str], width: int | None = None, trusted_types: Sequence[str] = ()
) -> Artifact:
    """Returns the model in `path`, asked once for rows of zeros.

    Args:
        path: the artifact; its suffix says what opens it.
        names: of the matrix's columns, in order.
        width: how many numbers a row has; as many as names where no column is a vector.
        trusted_types: types outside skops' own list that a skops file may hold.

    Raises:
        ArtifactError: when the file is not what its suffix says, does not fit the columns, or its package is not here.
    """
    check_file(path)
    suffix, columns = path.suffix.lower(), len(names) if width is None else width
    if suffix not in SUFFIXES:
        raise refused(path, f"the suffix {path.suffix!r}", f"one of {', '.join(SUFFIXES)}")
    os.environ.update(ONNXRUNTIME_SILENT)
    if loader := LOADERS.get(suffix):
        try:
            importlib.import_module(loader)
        except ImportError as error:
            raise refused(path, f"no package {loader} here ({error})", "it to be installed") from None
    # Each brings a package of its own: only the one that is needed is imported.
    match suffix:
        case ".onnx":
            from shipway.artifacts.network import open_network

            return open_network(path, columns)
        case ".txt":
            from shipway.artifacts.booster import open_booster

            return open_booster(path, names, columns)
        case ".safetensors":
            from shipway.artifacts.dense import open_dense

            return open_dense(path, columns)
        case _:
            from shipway.artifacts.estimator import open_estimator

            return open_estimator(path, names, columns, trusted_types)
