"""Service: one folder below services/ with what it says about its model and what is released to this environment."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shipway.contract.errors import SpecError
from shipway.contract.layout import services
from shipway.contract.metrics import Slot
from shipway.contract.model import ModelSpec, load_model, refuse_incompatible
from shipway.contract.record import load_record
from shipway.contract.release import Release, load_release, release_path, short_digest
from shipway.contract.workers import DescribedModel

__all__ = ["Headroom", "Service", "Way", "load_services"]


class Way(StrEnum):
    """How a new version finds room: beside the old one, with fewer replicas, or only in its place."""

    CANARY = "canary"
    SURGE = "surge"
    DRAIN_AND_SWAP = "drain_and_swap"


@dataclass(frozen=True)
class Headroom:
    """The room there is for a new version of a model.

    Args:
        way: how it comes in.
        candidate_replicas: how many it may begin with; none where it has to wait for the old one's place.
        reason: why, with the numbers.
        beside: whether a pod of each slot that is filled fits beside all of these: one that changes while it serves.
    """

    way: Way
    candidate_replicas: int
    reason: str
    beside: bool = True


@dataclass(frozen=True)
class Service:
    """One model service: its folder, its model.yaml and its release file, and the room for a new version when known."""

    folder: Path
    spec: ModelSpec
    release: Release
    room: Headroom | None = None

    def described(self) -> DescribedModel:
        """Returns what the model's logs are judged by: its model.yaml, and how the versions in its slots did.

        Raises:
            SpecError: when nothing is known of a bundle that is released.
        """
        digests = [digest for slot in Slot if (digest := self.release.digest(slot))]
        evaluations = {short_digest(digest): load_record(self.folder, digest).metrics for digest in digests}
        return DescribedModel(spec=self.spec, evaluations=evaluations)


def load_services(root: Path, environment: str) -> tuple[Service, ...]:
    """Returns every service of the project at `root` with its release to `environment`, sorted by folder.

    Raises:
        SpecError: when a document is wrong or of a contract that does not deploy, a folder is not called after its
            model (so no name is taken twice), or a model reads features and declares none.
    """
    found: list[Service] = []
    for folder in services(root):
        spec = load_model(folder / "model.yaml")
        refuse_incompatible(spec.contract_version, folder / "model.yaml")
        if folder.name != spec.package:
            raise SpecError(
                folder / "model.yaml", "name", spec.name, f"{folder.name.replace('_', '-')!r}, after its folder"
            )
        if spec.features.reads and not (folder / "features.py").exists():
            read = spec.features.reads[0].name
            raise SpecError(folder / "model.yaml", "features.reads", read, f"{folder / 'features.py'} to declare it")
        found.append(Service(folder, spec, load_release(release_path(folder, environment))))
    return tuple(found)
