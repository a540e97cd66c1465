"""The platform's workers: processes that do the same thing again and again, one row each, the same on every target."""

from collections.abc import Mapping
from dataclasses import dataclass

from shipway.contract.metrics import LABELS_JOB, PARITY_JOB, RETRAINING_JOB

__all__ = ["WORKERS", "Worker"]


@dataclass(frozen=True)
class Worker:
    """One worker: `python -m shipway.<package> serve`, with metrics on a port of its own.

    Args:
        job: its name: of the process, of the scrape job and of its heartbeat.
        package: below `shipway`, where its `serve` is.
        port_offset: of its metrics, from the base of a local stack's ports.
        cpu_millicores, memory_mib: what it is given on a cluster.
        does: what it does, in one sentence.
    """

    job: str
    package: str
    port_offset: int
    cpu_millicores: int
    memory_mib: int
    does: str


_ROWS = (
    Worker(LABELS_JOB, "labels", 6, 250, 512, "joins late labels to predictions and counts them"),
    Worker(PARITY_JOB, "parity", 8, 500, 1024, "compares a sample of served features with the offline join"),
    Worker(RETRAINING_JOB, "retraining", 9, 250, 512, "starts trainings by schedule and on verdicts, one at a time"),
)

WORKERS: Mapping[str, Worker] = {one.job: one for one in _ROWS}
