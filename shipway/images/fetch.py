"""A bundle out of its image: for whoever must compare with a version that was trained on another machine."""

import gzip
import os
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shipway.bundle.manifest import Manifest
from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import parse, read_json
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.errors import ArtifactError
from shipway.contract.model import ModelSpec
from shipway.images.documents import Image
from shipway.images.find import base_of, find_image, repository_of, variant_of
from shipway.images.registry import Repository

__all__ = ["fetch_bundle", "unpack_bundle"]


def fetch_bundle(
    environment: EnvironmentSpec,
    model: ModelSpec,
    bundle: str,
    store: ArtifactStore,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Puts the bundle `bundle` of `model` into `store`, out of the image that holds it for `environment`.

    What comes is believed only after every byte of it was hashed: the bundle is its digest, whoever kept it.

    Raises:
        SpecError: when the environment's slots are no pods, or it names no base.
        ArtifactError: when there is no such image, or it does not hold what it says.
        ShipwayError: when the registry cannot be read.
    """
    name = repository_of(environment, model.name)
    with Repository(name, environ) as repository:
        image = find_image(repository, bundle, base_of(environment, variant_of(model)))
        if image is None:
            raise ArtifactError(f"{name}: found no image of {bundle}, expected the one that serves")
        unpack_bundle(repository, image, bundle, store)


def unpack_bundle(repository: Repository, image: Image, bundle: str, store: ArtifactStore) -> None:
    """Puts the bundle that the last layer of `image` holds into `store`.

    Raises:
        ArtifactError: when that layer does not hold it, or holds something else below its name.
    """
    with tempfile.TemporaryDirectory() as scratch:
        packed, folder = Path(scratch) / "layer.tar.gz", Path(scratch) / "unpacked"
        repository.download(image.layers[-1].digest, packed)
        with gzip.open(packed) as stream, tarfile.open(fileobj=stream) as archive:
            archive.extractall(folder, filter="data")
        home = folder / "bundles" / bundle.replace(":", "/")
        if not (home / "manifest.json").is_file():
            raise ArtifactError(f"{repository.name}: its image holds no {bundle}, expected it in its last layer")
        manifest = parse(Manifest, read_json(home / "manifest.json"), home / "manifest.json")
        if manifest.digest != bundle:
            raise ArtifactError(f"{repository.name}: its image holds {manifest.digest}, expected {bundle}")
        store.put(home / "files", manifest)
