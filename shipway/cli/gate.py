"""What a release asks for before anything is written: the load tests that model.yaml demands of the environment."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.contract.environment import EnvironmentSpec, Target
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.contract.load_evidence import missing_load_tests, passed_load_tests
from shipway.contract.loadtest import LoadTestResult
from shipway.contract.model import ModelSpec
from shipway.contract.record import load_record, record_path
from shipway.contract.release import short_digest
from shipway.delivery.controller import Refused

if TYPE_CHECKING:
    from shipway.loadtest.results import Results

__all__ = ["bucket_results", "require_load_tests"]


def bucket_results(root: Path, environment: EnvironmentSpec) -> "Results":
    """Returns the results kept beside the records of an environment on a cluster.

    Raises:
        ShipwayError: when the cluster, which says where they are, does not answer.
    """
    from shipway.delivery.cluster.reach import cluster_reach
    from shipway.loadtest.results import FOLDER, ObjectResults
    from shipway.objects.storage import ObjectStorage

    way = cluster_reach(root, environment)
    return ObjectResults(ObjectStorage(f"{way.settings.records}/{FOLDER}", endpoint_url=way.endpoint_url))


def require_load_tests(
    root: Path,
    environment: EnvironmentSpec,
    kept: LocalLayout,
    service: tuple[Path, ModelSpec],
    digest: str,
    now: datetime,
    *,
    offline: bool = False,
) -> tuple[LoadTestResult, ...]:
    """Returns the load tests that `digest` has passed, when they are all that model.yaml demands for a release.

    Looked at are the files of the environment that keeps the bundle, what its record in git says, and only where those
    do not do, the bucket of the environment.

    Args:
        root: of the project.
        environment: where it is to be released.
        kept: the environment that keeps the bundle.
        service: the model's folder and its model.yaml.
        digest: the version.
        now: with a time zone.
        offline: ask no bucket.

    Raises:
        SpecError: when a result cannot be read.
        Refused: naming every test that is missing, and the command that makes up for it.
    """
    folder, spec = service
    if not spec.loadtest.profiles(environment.tier):
        return ()
    from shipway.loadtest.results import FolderResults

    found = FolderResults(kept.loadtests).of(spec.name)
    if record_path(folder, digest).exists():
        found += load_record(folder, digest).load_tests

    def lacking() -> list[str]:
        rate = spec.loadtest.rate(spec.resources.requests_per_second)
        name = kept.environment
        return missing_load_tests(spec.loadtest, environment.tier, spec.name, digest, rate, found, now, name)

    missing = lacking()
    if missing and environment.target is not Target.LOCAL and not offline:
        try:
            found += bucket_results(root, environment).of(spec.name)
            missing = lacking()
        except (OSError, ShipwayError) as error:
            missing.append(f"the bucket of {environment.name} could not be asked: {error}")
    if missing:
        raise Refused(f"{short_digest(digest)} may not go to {environment.name} yet: {'; '.join(missing)}")
    return passed_load_tests(digest, found)
