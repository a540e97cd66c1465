"""What a worker on a cluster is told, as Pulumi writes it into its ConfigMap."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shipway.contract.documents import Spec, parse, read_json
from shipway.contract.environment import EnvironmentSpec, Tier
from shipway.contract.kubernetes import ObjectStorageSpec

__all__ = ["LEDGER", "WorkerSettings", "read_worker_settings", "worker_settings"]

# Where the ledger lies below the folder of delivery's records.
LEDGER = "ledger"

S3Folder = Annotated[str, Field(pattern=r"^s3://")]


class WorkerSettings(Spec):
    """The file that tells a worker on a cluster what it needs.

    Args:
        environment: its name.
        tier: decides what time it is for what is judged.
        predictions: the folder of the object store with a folder of logs for each model, such as s3://bucket/logs.
        records: the folder that holds ledger/, which says what is live.
        features: the folder with the offline values of features, which the job puts online.
        state: the folder in which every worker keeps, below its own name, what has to outlive its pod.
    """

    environment: str
    tier: Tier
    predictions: S3Folder
    records: S3Folder
    features: S3Folder
    state: S3Folder


def read_worker_settings(path: Path) -> WorkerSettings:
    """Returns the settings in a file; raises SpecError naming the key that is wrong."""
    return parse(WorkerSettings, read_json(path), path)


def worker_settings(environment: EnvironmentSpec, storage: ObjectStorageSpec) -> WorkerSettings:
    """Returns what the workers of an environment are told."""
    return WorkerSettings(
        environment=environment.name,
        tier=environment.tier,
        predictions=storage.predictions,
        records=storage.records,
        features=storage.features,
        state=storage.state,
    )
