"""Which images a cluster runs: those that a release names by digest, signed where the environment has a key."""

from collections.abc import Sequence

from components.services import Service
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.errors import SpecError
from shipway.contract.metrics import Slot
from shipway.contract.release import release_path

__all__ = ["refuse_missing_images"]


def refuse_missing_images(environment: EnvironmentSpec, services: Sequence[Service]) -> None:
    """Refuses the first filled slot whose release names no image: its pods could not be made.

    Raises:
        SpecError: naming the release file, the bundle, and what makes its image.
    """
    for service in services:
        path, name, release = release_path(service.folder, environment.name), service.spec.name, service.release
        for slot in Slot:
            bundle = release.digest(slot)
            if bundle and not release.image(slot):
                build = f"`shipway build {name} {bundle} --env {environment.name} --push` makes it"
                raise SpecError(
                    path, f"images.{bundle}", None, f"the digest of the image that holds the bundle; {build}"
                )
