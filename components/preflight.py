"""The checks before the first resource: what is refused here has touched nothing."""

from collections.abc import Sequence
from pathlib import Path

from components.services import Service
from components.target import Unasked, target_of
from shipway.contract.compatibility import compatibility
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.release import refuse_live_change

__all__ = ["behind", "live_changes", "preflight"]


def behind(services: Sequence[Service]) -> list[str]:
    """Returns one sentence for each service of an older contract that still deploys."""
    found = [(one.spec.name, compatibility(one.spec.name, one.spec.contract_version)) for one in services]
    return [f"{name}: {each.sentence}" for name, each in found if each.sentence]


def live_changes(root: Path, environment: EnvironmentSpec, services: Sequence[Service]) -> list[str]:
    """Returns one sentence for each live slot whose digest would change; without services nothing is asked.

    Raises:
        SpecError: when what is live cannot be read.
    """
    if not services:
        return []
    releases = {service.spec.name: service.release for service in services}
    return refuse_live_change(releases, target_of(root, environment).served(root, environment))


def preflight(root: Path, environment: EnvironmentSpec, services: Sequence[Service], *, dry_run: bool) -> list[str]:
    """Returns the warnings: services that are behind, and of a preview what is not decidable and refused at `up`.

    Raises:
        ShipwayError: for anything that must not be applied.
    """
    try:
        target_of(root, environment).refuse(root, environment, services)
    except Unasked as error:
        if not dry_run:
            raise
        return [*behind(services), f"whether the cluster is fit is not decidable, and `up` will refuse: {error}"]
    try:
        refused = live_changes(root, environment, services)
    except SpecError as error:
        if not dry_run:
            raise
        return [*behind(services), f"whether a live slot would change is not decidable, and `up` will refuse: {error}"]
    if refused:
        raise ShipwayError("; ".join(refused))
    return behind(services)
