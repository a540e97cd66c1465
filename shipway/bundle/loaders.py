"""Which packages beside Shipway's own a bundle needs: by the suffix of its model, and by what its code decodes."""

import ast
from pathlib import Path

from shipway.bundle.formats import LOADERS
from shipway.contract.errors import ArtifactError

__all__ = ["PILLOW", "every_loader", "loaders_of"]

# What decodes pictures.
PILLOW = "pillow"
_PICTURES = "shipway.artifacts.pictures"


def every_loader() -> frozenset[str]:
    """Returns all packages that some bundle may need: what a base of images holds."""
    return frozenset({*LOADERS.values(), PILLOW})


def loaders_of(files: Path) -> set[str]:
    """Returns the packages that the bundle in `files` needs.

    Args:
        files: a bundle's `files` folder: `model/` and `src/` are looked at. `train.py` is not: no slot imports it.

    Raises:
        ArtifactError: naming a source file that is no Python.
    """
    found = {LOADERS[path.suffix.lower()] for path in (files / "model").iterdir() if path.suffix.lower() in LOADERS}
    sources = (path for path in (files / "src").rglob("*.py") if path.name != "train.py")
    if any(_decodes_pictures(path) for path in sources):
        found.add(PILLOW)
    return found


def _decodes_pictures(path: Path) -> bool:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise ArtifactError(
            f"{path}: found {error}, expected Python: a bundle holds no source that cannot be read"
        ) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(one.name in ("PIL", _PICTURES) for one in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "PIL":
            return True
        if isinstance(node, ast.ImportFrom) and any(
            f"{node.module}.{one.name}".startswith(_PICTURES) for one in node.names
        ):
            return True
    return False
