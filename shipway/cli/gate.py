"""What a release asks for before anything is written: the load tests that model.yaml demands of the environment."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.contract.environment import EnvironmentSpec, Target
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.contract.loadtest import missing_load_tests
from shipway.contract.model import ModelSpec

if TYPE_CHECKING:
    from shipway.loadtest.results import Results

__all__ = ["bucket_results", "lacking_load_tests"]


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


def lacking_load_tests(
    root: Path, environment: EnvironmentSpec, kept: LocalLayout, spec: ModelSpec, digest: str, now: datetime
) -> list[str]:
    """Returns one sentence for each load test that `digest` lacks to be released; empty when it may go.

    The files of the environment that keeps the bundle are looked at first, and the bucket only where they do not do.

    Args:
        root: of the project.
        environment: where it is to be released.
        kept: the environment that keeps the bundle.
        spec, digest: the version.
        now: with a time zone.

    Raises:
        SpecError: when a result cannot be read.
    """
    if not spec.loadtest.profiles(environment.tier):
        return []
    from shipway.loadtest.results import FolderResults

    found = FolderResults(kept.loadtests).of(spec.name)

    def lacking() -> list[str]:
        rate = spec.loadtest.rate(spec.resources.requests_per_second)
        name = kept.environment
        return missing_load_tests(spec.loadtest, environment.tier, spec.name, digest, rate, found, now, name)

    missing = lacking()
    if not missing or environment.target is Target.LOCAL:
        return missing
    try:
        found += bucket_results(root, environment).of(spec.name)
    except (OSError, ShipwayError) as error:
        return [*missing, f"the bucket of {environment.name} could not be asked: {error}"]
    return lacking()
