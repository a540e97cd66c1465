"""Recording a sample, in the process that knows the version's offline store."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

from pathlib import Path

import pyarrow.parquet as pq

from shipway.parity.recorded import sample_table, write_sample
from shipway.parity.running import Question
from shipway.parity.versions import environment_of, load_version

__all__ = ["record"]


def record(question: Question, path: Path) -> str:
    """Writes the question's predictions with the offline rows they need into `path`; returns one sentence about it.

    Raises:
        ShipwayError: when the version or its offline store cannot be read, or the sample is too large.
    """
    version, records = load_version(question), pq.read_table(question.records)
    repository = version.offline(Path(question.cache), environment_of(question)) if version.reads else None
    sample = sample_table(records, repository, [read.name for read in version.reads])
    size = write_sample(path, sample)
    rows = sum(map(len, sample.column("offline").to_pylist()))
    return f"{path}: {records.num_rows} predictions and {rows} offline rows, {size} bytes"
