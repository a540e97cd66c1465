"""Makes images and what lies beside them: read, build, send, sign, and only then name."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.bundle.store import ArtifactStore
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.errors import ArtifactError, SpecError
from shipway.contract.model import ModelSpec
from shipway.images.attach import attach_referrer, sign_image, verify_image
from shipway.images.base import (
    assemble_base,
    buildx_command,
    install_packages,
    python_version,
    read_labels,
    run_buildx,
    write_context,
)
from shipway.images.bom import BOM_TYPE, bill_of_materials
from shipway.images.build import build_image, send_image
from shipway.images.documents import Image, Manifest
from shipway.images.find import Variant, base_of, cluster_of, find_image, image_tag, read_image, repository_of
from shipway.images.layers import Blobs
from shipway.images.packages import fitting, needed, parse_lock, slot_roots
from shipway.images.registry import Repository, RepositoryName, parse_image
from shipway.images.signing import KEY_VARIABLE, Key, load_key, provenance, public_key_of

__all__ = ["Made", "Order", "make_base", "make_image", "verify_made"]


@dataclass(frozen=True)
class Order:
    """Which image is wanted.

    Args:
        environment: where it will run.
        model: whose it is.
        bundle: the digest of what it holds.
        variant: what it stands on.
        store: where the bundle lies.
        blobs: where new blobs go.
        environ: the environment: the signing key, and how registries are reached.
    """

    environment: EnvironmentSpec
    model: ModelSpec
    bundle: str
    variant: Variant
    store: ArtifactStore
    blobs: Blobs
    environ: Mapping[str, str]

    @property
    def base(self) -> str:
        """What it stands on, by digest."""
        return base_of(self.environment, self.variant)

    @property
    def repository(self) -> RepositoryName:
        """Where it goes."""
        return repository_of(self.environment, self.model.name)


@dataclass(frozen=True)
class Made:
    """An image: its digest, where it is or would be, and what was done with it.

    Args:
        reference: the image, by digest.
        base: what it stands on.
        pushed: whether it is in the registry.
        sent: how many of its blobs the registry did not have yet.
        signed: whether a signature and a provenance by the environment's key, or by ours, lie beside it.
    """

    reference: str
    base: str
    pushed: bool
    sent: int = 0
    signed: bool = False


def make_image(order: Order, *, push: bool) -> Made:
    """Returns the image of a bundle, in the registry when `push` is on; making it again changes nothing.

    Raises:
        SpecError: when the environment admits signed images alone and there is no key to sign with.
        ArtifactError: when the bundle or the base is not there, or not what it must be.
        ShipwayError: when a registry cannot be read or written.
    """
    manifest = order.store.verify(order.bundle)
    if manifest.model != order.model.name:
        raise ArtifactError(f"{order.bundle} is a bundle of {manifest.model!r}, expected one of {order.model.name!r}")
    key = _key(order) if push else None
    name, _ = parse_image(order.base)
    with Repository(name, order.environ) as bases, Repository(order.repository, order.environ, (name,)) as repository:
        base = _base(bases, order)
        image = build_image(order.store.path(order.bundle), base, order.base, order.blobs)
        reference = f"{order.repository}@{image.digest}"
        if not push:
            return Made(reference, order.base, pushed=False)
        present = find_image(repository, order.bundle, order.base)
        if present is not None and present.digest != image.digest:
            tag = image_tag(order.bundle, order.base)
            raise ArtifactError(f"{order.repository}:{tag}: found {present.digest}, expected {image.digest}")
        sent = send_image(image, repository, order.blobs, bases)
        told = read_labels(base, order.base)
        materials = bill_of_materials(
            str(order.repository),
            image.digest,
            manifest,
            packages=told.packages,
            base=order.base,
            version=told.version,
        )
        attach_referrer(repository, order.blobs, image, BOM_TYPE, materials)
        if key is not None:
            statement = provenance(
                str(order.repository),
                image.digest,
                bundle=order.bundle,
                model=order.model.name,
                base=order.base,
                version=told.version,
            )
            sign_image(repository, order.blobs, image, key, statement)
        if present is None:
            # Last: whoever finds the image by this name finds everything beside it.
            repository.put_manifest(image.manifest, image_tag(order.bundle, order.base))
    return Made(reference, order.base, pushed=True, sent=sent, signed=key is not None)


def verify_made(order: Order) -> Made:
    """Returns the image of a bundle as the registry has it, verified with the environment's key.

    Raises:
        SpecError: when the environment has no key to verify with.
        ArtifactError: when there is no such image, or it is not signed and attested by that key.
    """
    key = public_key_of(order.environment)
    if key is None:
        path = f"stacks/Pulumi.{order.environment.name}.yaml"
        raise SpecError(path, f"{order.environment.target}.admission", None, "a public_key to verify images with")
    with Repository(order.repository, order.environ) as repository:
        image = find_image(repository, order.bundle, order.base)
        if image is None:
            raise ArtifactError(f"{order.repository}: found no image of {order.bundle}, expected one on {order.base}")
        verify_image(repository, image.digest, key)
    return Made(f"{order.repository}@{image.digest}", order.base, pushed=True, signed=True)


def make_base(
    environment: EnvironmentSpec, python: str, lock: Path, blobs: Blobs, environ: Mapping[str, str], *, docker: bool
) -> Made:
    """Returns a base of models' images, in the registry, for an environment to name.

    Args:
        environment: whose registry it goes to.
        python: a Python image, by digest.
        lock: the project's requirements.lock.
        blobs: where new blobs go.
        environ: the environment.
        docker: whether `docker buildx` builds it, from a Dockerfile that says the same.
    """
    cluster = cluster_of(environment)
    architecture = cluster.images.bases.architecture if cluster.images.bases else "amd64"
    name, digest = parse_image(python)
    target = repository_of(environment, "shipway/base")
    with (
        tempfile.TemporaryDirectory() as folder,
        Repository(name, environ) as source,
        Repository(target, environ, (name,)) as repository,
    ):
        image = read_image(source, digest, architecture)
        if image is None:
            raise ArtifactError(f"{name}: found no image {digest}, expected the Python image")
        version = python_version(image, python)
        locked = fitting(parse_lock(lock.read_text(encoding="utf-8"), str(lock)), version, architecture)
        packages = needed(locked, slot_roots(), str(lock))
        scratch = Path(folder)
        if docker:
            write_context(python, packages, scratch / "context")
            told = scratch / "told.json"
            made = run_buildx(buildx_command(scratch / "context", str(target), architecture, told), told)
            pushed = repository.manifest(made)
            if pushed is None:
                raise ArtifactError(f"{target}: found no manifest {made}, expected it, as docker pushed it")
            _keep_base(repository, pushed)
            return Made(f"{target}@{made}", python, pushed=True)
        install_packages(packages, scratch / "packages", version, architecture)
        base = assemble_base(image, python, packages, scratch / "packages", blobs)
        blobs.put(base.config)
        sent = send_image(base, repository, blobs, source)
        _keep_base(repository, base.manifest)
    return Made(f"{target}@{base.digest}", python, pushed=True, sent=sent)


def _keep_base(repository: Repository, base: Manifest) -> None:
    # A name keeps it: registries clear away what has none.
    repository.put_manifest(base, f"base-{base.digest.removeprefix('sha256:')[:16]}")


def _key(order: Order) -> Key | None:
    """Returns what to sign with; where images must be signed, nothing is sent that could not run."""
    key, wanted = load_key(order.environ), public_key_of(order.environment)
    if wanted is not None and (key is None or key.public != wanted):
        got = None if key is None else order.environ[KEY_VARIABLE]
        expected = f"the key file of admission.public_key: {order.environment.name} admits signed images alone"
        raise SpecError("environment", KEY_VARIABLE, got, expected)
    return key


def _base(bases: Repository, order: Order) -> Image:
    name, digest = parse_image(order.base)
    cluster = cluster_of(order.environment)
    architecture = cluster.images.bases.architecture if cluster.images.bases else ""
    base = read_image(bases, digest, architecture)
    if base is None:
        raise ArtifactError(f"{name}: found no base {digest}, expected the one that {order.environment.name} names")
    if base.settings.get("architecture") != architecture:
        raise ArtifactError(f"{order.base}: found {base.settings.get('architecture')!r}, expected {architecture!r}")
    return base
