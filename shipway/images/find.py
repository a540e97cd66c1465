"""Finds the image of a bundle: the registry itself is the map, so that nothing beside it can be out of date."""

import os
from collections.abc import Mapping
from enum import StrEnum

from shipway.contract.cluster import kubernetes_spec
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.errors import ArtifactError, SpecError
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.model import ModelSpec
from shipway.images.documents import Image, Manifest, for_architecture
from shipway.images.registry import Repository, RepositoryName

__all__ = [
    "BASE_LABEL",
    "BUNDLE_LABEL",
    "MODEL_LABEL",
    "Variant",
    "base_of",
    "cluster_of",
    "find_image",
    "image_for_release",
    "image_tag",
    "read_image",
    "repository_of",
    "variant_of",
]

BUNDLE_LABEL, MODEL_LABEL = "shipway.bundle", "shipway.model"
BASE_LABEL = "org.opencontainers.image.base.digest"


class Variant(StrEnum):
    """What a model's image stands on."""

    CPU = "cpu"
    CUDA = "cuda"


def variant_of(model: ModelSpec) -> Variant:
    """Returns which base the slots of `model` need."""
    return Variant.CUDA if model.resources.gpu_type else Variant.CPU


def cluster_of(environment: EnvironmentSpec) -> KubernetesSpec:
    """Returns the cluster of an environment.

    Raises:
        SpecError: when its slots are processes, which need no image.
    """
    cluster = kubernetes_spec(environment)
    if cluster is None:
        raise SpecError(
            f"stacks/Pulumi.{environment.name}.yaml",
            "shipway:environment.target",
            str(environment.target),
            "an environment on a cluster: where slots are processes nothing needs an image",
        )
    return cluster


def base_of(environment: EnvironmentSpec, variant: Variant) -> str:
    """Returns the base of a variant, by digest.

    Raises:
        SpecError: when the environment names none.
    """
    bases = cluster_of(environment).images.bases
    found = None if bases is None else bases.cpu if variant is Variant.CPU else bases.cuda
    if found is None:
        path, key = f"stacks/Pulumi.{environment.name}.yaml", f"{environment.target}.images.bases.{variant}"
        raise SpecError(path, key, None, "an image by digest; `shipway base` makes one")
    return found


def repository_of(environment: EnvironmentSpec, model: str) -> RepositoryName:
    """Returns where the images of `model` lie."""
    host, _, path = f"{cluster_of(environment).image_registry}/{model}".partition("/")
    return RepositoryName(host, path)


def image_tag(bundle: str, base: str) -> str:
    """Returns the tag of the image that holds `bundle` on `base`; it never moves, as both are digests."""
    return f"bundle-{bundle.removeprefix('sha256:')}.{base.rpartition('sha256:')[2][:16]}"


def read_image(repository: Repository, reference: str, architecture: str) -> Image | None:
    """Returns the image that a digest or a tag names, None when there is none; of an index, `architecture`'s.

    Raises:
        ArtifactError: when it is there and something of it is missing or not what its digest says.
    """
    manifest = repository.manifest(reference)
    if manifest is not None and "manifests" in manifest.document:
        chosen = for_architecture(manifest, architecture)
        manifest = _there(repository.manifest(chosen), repository, chosen)
    if manifest is None:
        return None
    if "config" not in manifest.document:
        raise ArtifactError(f"{repository.name}@{manifest.digest}: found no config, expected an image's manifest")
    return Image(manifest, repository.blob(manifest.document["config"]["digest"]))


def _there(manifest: Manifest | None, repository: Repository, digest: str) -> Manifest:
    if manifest is None:
        raise ArtifactError(f"{repository.name}: found no manifest {digest}, expected it, as the index names it")
    return manifest


def find_image(repository: Repository, bundle: str, base: str) -> Image | None:
    """Returns the image of `bundle` on `base`, None when it was not built.

    Raises:
        ArtifactError: when what the tag names does not say that it holds this bundle, and on this base.
    """
    tag = image_tag(bundle, base)
    # The base's architecture is settled in the image: there is no index to choose from.
    image = read_image(repository, tag, "")
    if image is not None and image.labels.get(BUNDLE_LABEL) != bundle:
        found = image.labels.get(BUNDLE_LABEL) or "no bundle"
        raise ArtifactError(f"{repository.name}:{tag}: found an image of {found}, expected {bundle}")
    # A tag may be moved, to an image that was signed on a base that is not meant any more.
    wanted = base.partition("@")[2]
    if image is not None and image.labels.get(BASE_LABEL) != wanted:
        found = image.labels.get(BASE_LABEL) or "no base"
        raise ArtifactError(f"{repository.name}:{tag}: found an image on {found}, expected {wanted}")
    return image


def image_for_release(
    environment: EnvironmentSpec, model: ModelSpec, bundle: str, environ: Mapping[str, str] = os.environ
) -> str:
    """Returns the digest of the image that holds `bundle` for the slots of `model`: what `Release.with_image` takes.

    Where the environment admits signed images alone, the signature and the provenance are verified here too, so that a
    release is refused before the cluster would refuse its pods.

    Raises:
        SpecError: when the environment's slots are no pods, or it names no base.
        ArtifactError: when there is no such image, naming how to build it, or it is not signed as it must be.
        ShipwayError: when the registry cannot be read.
    """
    base, name = base_of(environment, variant_of(model)), repository_of(environment, model.name)
    with Repository(name, environ) as repository:
        image = find_image(repository, bundle, base)
        if image is None:
            raise ArtifactError(
                f"{name}: found no image of {bundle} on {base}; "
                f"`shipway build {model.name} {bundle} --env {environment.name} --push` makes it"
            )
        if cluster_of(environment).admission is not None:
            _verify(repository, image, environment)
    return image.digest


def _verify(repository: Repository, image: Image, environment: EnvironmentSpec) -> None:
    # Only here: cryptography is an extra, and finding an image needs none.
    from shipway.images.attach import verify_image
    from shipway.images.signing import public_key_of

    key = public_key_of(environment)
    if key is not None:
        verify_image(repository, image.digest, key)
