"""Release: which digest sits in which slot, and the pure check that keeps the live slot untouched."""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import yaml
from pydantic import AwareDatetime, Field

from shipway.contract.documents import Spec, parse, read_yaml, refuse_credentials, write_atomic
from shipway.contract.errors import SpecError
from shipway.contract.metrics import Slot

__all__ = [
    "DIGEST_PATTERN",
    "ArtifactRef",
    "Digest",
    "Release",
    "check_digest",
    "load_release",
    "refuse_live_change",
    "release_path",
    "save_release",
    "short_digest",
]

DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
_Value = TypeVar("_Value")
MaybeDigest = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")]


class ArtifactRef(Spec):
    """One bundle: its model, the registry's version number and its digest; the digest alone identifies it."""

    name: str
    version: str
    digest: Digest


class Release(Spec):
    """The content of services/<model>/releases/<env>.yaml.

    Args:
        blue, green: the bundle digest in each slot, empty for none.
        live: the slot that was promoted last; read only where no route state exists.
        submitted_by, reason: who put the newest digest in, and why.
        images: bundle digest -> digest of the image that holds it; empty where slots are processes. By the bundle and
            not by the slot, so that an image can never be paired with a bundle that it does not hold.
        load_tested: bundle digest -> when `shipway release` or `carry` last saw the load tests that the environment
            demands; by the bundle, so that a digest that was written in by hand has none.
    """

    blue: MaybeDigest = ""
    green: MaybeDigest = ""
    live: Slot | None = None
    submitted_by: str = ""
    reason: str = ""
    images: dict[Digest, Digest] = Field(default_factory=dict)
    load_tested: dict[Digest, AwareDatetime] = Field(default_factory=dict)

    def digest(self, slot: Slot) -> str:
        """Returns the digest in `slot`, empty for none."""
        return self.blue if slot is Slot.BLUE else self.green

    def image(self, slot: Slot) -> str:
        """Returns the digest of the image that holds the bundle in `slot`, empty where none is written."""
        return self.images.get(self.digest(slot), "")

    def with_image(self, bundle: str, image: str) -> Self:
        """Returns this release with the image of `bundle`; images of bundles that are in no slot are dropped."""
        return self.model_copy(update={"images": self._released({**self.images, bundle: image})})

    def with_load_tests(self, bundle: str, seen_at: datetime) -> Self:
        """Returns this release with when the load tests of `bundle` were seen; those of bundles in no slot are dropped.

        Args:
            bundle: its digest.
            seen_at: with a time zone.
        """
        return self.model_copy(update={"load_tested": self._released({**self.load_tested, bundle: seen_at})})

    def _released(self, by_bundle: Mapping[str, _Value]) -> dict[str, _Value]:
        return {bundle: held for bundle, held in by_bundle.items() if bundle in {self.blue, self.green} - {""}}

    def document(self) -> dict[str, Any]:
        """Returns the content of the file; images and load tests are in it only where there are some."""
        empty = {name for name in ("images", "load_tested") if not getattr(self, name)}
        return self.model_dump(mode="json", exclude=empty or None)


def short_digest(digest: str) -> str:
    """Returns the first 12 hexadecimal digits: what people and metrics call a version."""
    return digest.removeprefix("sha256:")[:12]


def check_digest(digest: str, path: Path | str, key: str) -> str:
    """Returns `digest` when it is one.

    Raises:
        SpecError: for a tag, a shortened digest or anything else.
    """
    if not re.fullmatch(DIGEST_PATTERN, digest):
        raise SpecError(path, key, digest, "sha256: and 64 hexadecimal digits (a tag or a short form is not a digest)")
    return digest


def release_path(service: Path, environment: str) -> Path:
    """Returns the release file of the service folder `service` in `environment`."""
    return service / "releases" / f"{environment}.yaml"


def load_release(path: Path) -> Release:
    """Returns the release in `path`; a file that is not there is a model never released.

    Raises:
        SpecError: naming file, key, value and what was expected.
    """
    if not path.exists():
        return Release()
    document = read_yaml(path)
    refuse_credentials(document, path)
    return parse(Release, document, path)


def save_release(path: Path, release: Release) -> None:
    """Writes `release` to `path`, whole or not at all."""
    write_atomic(path, yaml.safe_dump(release.document(), sort_keys=False))


def refuse_live_change(releases: Mapping[str, Release], served: Mapping[str, tuple[Slot, str]]) -> list[str]:
    """Returns one sentence for each model whose live slot would change its digest; empty when none would.

    Args:
        releases: model -> the release about to be applied.
        served: model -> the slot that takes traffic now and the digest in it, from the route state.
    """
    refused: list[str] = []
    for model, (slot, digest) in sorted(served.items()):
        release = releases.get(model)
        if release is not None and release.digest(slot) != digest:
            wanted = short_digest(release.digest(slot)) or "nothing"
            refused.append(
                f"{model}: slot {slot} is live with {short_digest(digest)}, expected it unchanged, got {wanted}; "
                f"release into {slot.other} (`shipway release`) and promote"
            )
    return refused
