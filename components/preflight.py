"""The checks before the first resource: what is refused here has touched nothing."""

from collections.abc import Sequence
from pathlib import Path

from components.services import Service
from components.target import Unasked, target_of
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.release import refuse_live_change

__all__ = ["live_changes", "preflight"]


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
    """Returns the warnings of a preview: what could not be decided now and is refused at `up`.

    Raises:
        ShipwayError: for anything that must not be applied.
    """
    try:
        target_of(root, environment).refuse(root, environment, services)
    except Unasked as error:
        if not dry_run:
            raise
        return [f"whether the cluster is fit is not decidable, and `up` will refuse: {error}"]
    try:
        refused = live_changes(root, environment, services)
    except SpecError as error:
        if not dry_run:
            raise
        return [f"whether a live slot would change is not decidable, and `up` will refuse: {error}"]
    if refused:
        raise ShipwayError("; ".join(refused))
    return []
