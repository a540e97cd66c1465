"""One version of a model as training knows it: its code, its reads, its offline store and its estimator."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from shipway.bundle.served import ServedModel
from shipway.bundle.source import import_from
from shipway.bundle.store import verify_bundle
from shipway.contract.documents import parse, read_json
from shipway.contract.errors import FeatureError
from shipway.contract.model import load_model
from shipway.contract.serving import FeatureRead
from shipway.objects.storage import ObjectStorage
from shipway.parity.environment import fetched_repository
from shipway.parity.running import Question, Unanswered
from shipway.training.artifact import restore

__all__ = ["Version", "environment_of", "load_version"]


@dataclass(frozen=True)
class Version:
    """One version's training side.

    Args:
        home: the folder above its package.
        package: its service's package.
        reads: the features it reads.
        model: the folder of its estimator, None when its bundle is not there.
        trusted_types: from the bundle's manifest.
    """

    home: Path
    package: str
    reads: tuple[FeatureRead, ...]
    model: Path | None
    trusted_types: Sequence[str]

    @property
    def plan(self) -> Any:
        """The train.py."""
        return import_from(self.home, self.package, "train")

    def objects(self) -> Sequence[Any]:
        """Returns the Feast objects of its features.py."""
        found: Sequence[Any] = import_from(self.home, self.package, "features").OBJECTS
        return found

    def offline(self, cache: Path, features: Path | ObjectStorage) -> Path:
        """Returns the repository whose files training joins from.

        Args:
            cache: the plan's folder of derived data, for `offline(cache)` of its train.py, where it has one.
            features: the environment's feature repository, taken where train.py says nothing; of a cluster the object
                store's folder of its files.

        Raises:
            FeatureError: when neither holds the values of every view.
            Unanswered: when the object store does not answer.
        """
        plan = self.plan
        if hasattr(plan, "offline"):
            cache.mkdir(parents=True, exist_ok=True)
            return Path(plan.offline(cache))
        views = sorted({read.name.partition(":")[0] for read in self.reads})
        if isinstance(features, ObjectStorage):
            try:
                return fetched_repository(features, self.objects(), views, cache / "environment")
            except OSError as error:
                # The store's fault, and no try of the version.
                raise Unanswered(0, str(error)) from None
        if all((features / "data" / f"{view}.parquet").exists() for view in views):
            return features
        raise FeatureError(
            f"{features / 'data'}: found no offline values of {', '.join(views)}, expected them there, or a function "
            "`offline(cache)` in train.py that returns the folder of the repository that training joins from"
        )

    def predict(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Returns what its model says of rows without a null feature.

        Raises:
            ValueError: when there is no model.
        """
        if self.model is None:
            raise ValueError(f"{self.package}: no model to ask, expected its bundle")
        plan = self.plan
        # In one thread, as when it was trained: a comparison takes no core from a slot.
        with threadpool_limits(limits=1):
            found: NDArray[np.float64] = plan.predict(restore(plan, self.model, self.trusted_types), rows)
        return found


def environment_of(question: Question) -> Path | ObjectStorage:
    """Returns where the environment's feature repository is."""
    if question.features.startswith("s3://"):
        return ObjectStorage(question.features, endpoint_url=question.features_endpoint_url)
    return Path(question.features)


def load_version(question: Question) -> Version:
    """Returns the version that a question is about; nothing of a bundle runs before every byte was checked.

    Raises:
        ArtifactError: when the bundle is not what its digest says.
        SpecError: when a document is wrong.
    """
    files, model, trusted = Path(question.bundle) / "files", None, ()
    manifest = verify_bundle(Path(question.bundle)) if question.bundle else None
    if manifest is not None:
        model, trusted = files / "model", manifest.trusted_types
    if question.service:
        folder = Path(question.service)
        reads = load_model(folder / "model.yaml").features.reads
        return Version(folder.parent, folder.name, reads, model, trusted)
    if manifest is None:
        raise ValueError(f"{question.model}: neither a bundle nor a service to ask")
    served = parse(ServedModel, read_json(files / "model.json"), files / "model.json")
    return Version(files / "src", manifest.service.partition(".")[0], served.features.reads, model, trusted)
