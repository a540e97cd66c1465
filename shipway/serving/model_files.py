"""The model folder of a verified bundle, and the only ways a file in it becomes a live object."""

import difflib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.artifacts.answers import Artifact
from shipway.artifacts.estimator import check_estimator
from shipway.artifacts.opening import find_artifact, open_artifact
from shipway.contract.errors import ArtifactError

__all__ = ["TRUSTED_TYPES", "ModelFiles"]

# Types outside skops' own list that the platform vouches for: the compiled trees of scikit-learn. They hold arrays and
# run no code at load time; skops leaves them out because a crafted array could crash the process, and here the digest
# of a reviewed release says who made it. A bundle may trust these and the types of its own package, whose source the
# same digest covers; any other name is refused before the file is opened.
TRUSTED_TYPES: frozenset[str] = frozenset(
    {
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
    }
)


@dataclass(frozen=True)
class ModelFiles:
    """The files a service may load its model from.

    Args:
        folder: the bundle's `files/model`.
        package: the service's own package, whose types its bundle may trust.
        trusted_types: the types outside skops' own list that the bundle's manifest names.
    """

    folder: Path
    package: str
    trusted_types: Sequence[str] = ()

    def skops(self, name: str = "model.skops") -> Any:
        """Returns the estimator in `name`, built from allowed types only.

        Raises:
            ArtifactError: when the file is missing, is no skops file, or holds a type that is not allowed.
        """
        path = self._existing(name)
        refused = sorted(kind for kind in self.trusted_types if not self._allowed(kind))
        if refused:
            raise ArtifactError(
                f"{path}: the manifest trusts {', '.join(refused)}, expected only types of {self.package} "
                "and of shipway.serving.model_files.TRUSTED_TYPES"
            )
        # skops imports every estimator of scikit-learn, and ships no types.
        import skops.io  # pyright: ignore[reportMissingTypeStubs]

        try:
            held = skops.io.get_untrusted_types(file=path)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ArtifactError(f"{path}: not a skops file ({type(error).__name__}: {error})") from None
        if unknown := sorted(set(held) - set(self.trusted_types)):
            raise ArtifactError(
                f"{path}: holds {', '.join(unknown)}, expected only types skops knows and the manifest's "
                f"trusted types ({', '.join(self.trusted_types) or 'none'})"
            )
        return skops.io.load(path, trusted=list(self.trusted_types))

    def artifact(self, names: Sequence[str], width: int | None = None) -> Artifact:
        """Returns the one model in the folder, opened by its suffix: ONNX, LightGBM, safetensors or skops.

        Args:
            names: of the matrix's columns, in order.
            width: how many numbers a row has; as many as names where no column is a vector.

        Raises:
            ArtifactError: when there is no such file, it does not fit the columns, or its package is not installed.
        """
        path = find_artifact(self.folder)
        if path.suffix == ".skops":
            return check_estimator(path, self.skops(path.name), names, len(names) if width is None else width)
        return open_artifact(path, names, width)

    def _existing(self, name: str) -> Path:
        path = self.folder / name
        if path.is_file():
            return path
        found = sorted(file.name for file in self.folder.iterdir()) if self.folder.is_dir() else []
        near = difflib.get_close_matches(name, found, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the folder holds {', '.join(found) or 'nothing'}"
        raise ArtifactError(f"{path}: no such model file; {hint}")

    def _allowed(self, kind: str) -> bool:
        return kind in TRUSTED_TYPES or kind.startswith(f"{self.package}.")
