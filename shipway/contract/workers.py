"""The platform's workers: processes that do the same thing again and again, one row each, the same on every target."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from shipway.contract.documents import Spec
from shipway.contract.metrics import DRIFT_JOB, LABELS_JOB, PARITY_JOB, RETRAINING_JOB
from shipway.contract.model import ModelSpec

__all__ = [
    "DESCRIBED",
    "LARGEST_BESIDE_BYTES",
    "WORKERS",
    "DescribedModel",
    "Worker",
    "described_bundle",
    "described_file",
]

# On a cluster, what is put beside a model's logs for those who judge them.
DESCRIBED = "described.json"


def described_bundle(version: str, name: str) -> str:
    """Returns where a file of the bundle of `version` (short digest) lies beside the logs of its model."""
    return f"bundles/{version}/{name}"


# A larger bundle is not put beside the logs: each of its slots would send it, and once a day again.
LARGEST_BESIDE_BYTES = 64 * 2**20


def described_file(version: str, path: str) -> str:
    """Returns where a file that the manifest of `version` covers lies beside the logs, where the whole bundle does."""
    return described_bundle(version, f"files/{path}")


@dataclass(frozen=True)
class Worker:
    """One worker: `python -m shipway.<package> serve`, with metrics on a port of its own.

    Args:
        job: its name: of the process, of the scrape job and of its heartbeat.
        package: below `shipway`, where its `serve` is.
        port_offset: of its metrics, from the base of a local stack's ports.
        cpu_millicores, memory_mib, scratch_mib: what it is given on a cluster; the last for files that live as long as
            its pod.
        does: what it does, in one sentence.
    """

    job: str
    package: str
    port_offset: int
    cpu_millicores: int
    memory_mib: int
    scratch_mib: int
    does: str


class DescribedModel(Spec):
    """The content of `described.json`: what the logs beside it are judged by.

    Args:
        spec: the model's model.yaml.
        evaluations: version (short digest) -> metric -> what it was when the version was evaluated.
    """

    spec: ModelSpec
    evaluations: dict[str, dict[str, float]] = Field(default_factory=dict)


_ROWS = (
    Worker(LABELS_JOB, "labels", 6, 250, 512, 256, "joins late labels to predictions and counts them"),
    Worker(
        DRIFT_JOB,
        "drift",
        7,
        250,
        768,
        2048,
        "counts what is asked, answered and true, and judges it against training",
    ),
    Worker(
        PARITY_JOB,
        "parity",
        8,
        500,
        1024,
        2048,
        "compares a sample of served features with the offline join",
    ),
    Worker(
        RETRAINING_JOB,
        "retraining",
        9,
        250,
        512,
        256,
        "starts trainings by schedule and on verdicts, one at a time; on a cluster it shows what their jobs remember",
    ),
)

WORKERS: Mapping[str, Worker] = {one.job: one for one in _ROWS}
