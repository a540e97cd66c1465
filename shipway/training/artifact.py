"""Saving and restoring an estimator in a format that cannot run code: skops, unless the plan brings its own pair."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shipway.bundle.canonical import canonicalise_skops
from shipway.contract.errors import ArtifactError

__all__ = ["MODEL_FILE", "restore", "save"]

MODEL_FILE = "model.skops"


def save(plan: Any, estimator: Any, folder: Path) -> None:
    """Writes `estimator` into the empty folder `folder`, with the same bytes for the same estimator.

    Raises:
        ArtifactError: when it holds a type that neither skops nor the plan's TRUSTED_TYPES knows.
    """
    if hasattr(plan, "save"):
        plan.save(estimator, folder)
        return
    import skops.io  # pyright: ignore[reportMissingTypeStubs]

    path = folder / MODEL_FILE
    skops.io.dump(estimator, path)
    canonicalise_skops(path)
    if unknown := sorted(set(skops.io.get_untrusted_types(file=path)) - set(plan.TRUSTED_TYPES)):
        raise ArtifactError(
            f"{path.name}: found types {unknown}, expected only skops' own and the plan's TRUSTED_TYPES"
        )


def restore(plan: Any, folder: Path, trusted_types: Sequence[str]) -> Any:
    """Returns the estimator in `folder`.

    Args:
        plan: the train.py that saved it.
        folder: the bundle's `model` folder.
        trusted_types: from the bundle's manifest.
    """
    if hasattr(plan, "restore"):
        return plan.restore(folder)
    import skops.io  # pyright: ignore[reportMissingTypeStubs]

    loaded: Any = skops.io.load(folder / MODEL_FILE, trusted=list(trusted_types))
    return loaded
