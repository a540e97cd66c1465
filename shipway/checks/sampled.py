"""Parity check: the recorded sample of the service against its own features, by this checkout's code."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

from collections.abc import Iterator
from pathlib import Path

from shipway.checks.finding import Finding, Status
from shipway.contract.check import CheckName
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.contract.model import ModelSpec
from shipway.parity.recorded import read_sample
from shipway.parity.report import Report
from shipway.parity.running import compared, question_of
from shipway.parity.sampling import by_version

__all__ = ["check_parity", "read_parity"]


def check_parity(layout: LocalLayout, service: Path, spec: ModelSpec) -> Iterator[Finding]:
    """Yields whether each feature of what was served and recorded is what the offline join says.

    Args:
        layout: the environment.
        service: the service's folder, which keeps samples in `tests/parity/*.parquet`.
        spec: the model.
    """
    folder = service / "tests" / "parity"
    samples = sorted(folder.glob("*.parquet"))
    if not samples:
        if not spec.features.reads:
            said = "the model reads no features, and the other checks ask its predictions"
            yield _finding("sample", Status.SKIPPED, said)
            return
        where = f"services/{service.name}/tests/parity/sample.parquet"
        said = f"no recorded sample; `shipway parity {spec.name} --sample 70 --record {where}` keeps one"
        yield _finding("sample", Status.MISSING, said)
        return
    for path in samples:
        try:
            for version, records in by_version(read_sample(path)).items():
                question = question_of(layout, spec, version, None)
                asked = question.model_copy(update={"service": str(service), "recorded": True})
                yield from read_parity(path.name, compared(asked, records), question.max_skewed_ratio)
        except ShipwayError as error:
            yield _finding(path.name, Status.FAILED, str(error))


def read_parity(name: str, report: Report, most_ratio: float) -> Iterator[Finding]:
    """Yields one finding for each feature of a comparison.

    Args:
        name: the sample's.
        report: the comparison.
        most_ratio: the share of the compared values that may differ.
    """
    for one in (*report.features, *report.predictions):
        if one.skewed_ratio is None:
            yield _finding(one.name, Status.UNDECIDED, f"no row of {name} could be compared")
            continue
        cause = f"; likely {one.causes[0].name}: {one.causes[0].sentence}" if one.causes else ""
        differs = f"{one.skewed_ratio:.1%} of {report.rows} served values differ{cause}"
        yield Finding(
            check=CheckName.PARITY,
            subject=one.name,
            status=Status.FAILED if one.skewed else Status.PASSED,
            sentence=differs if one.skewed_ratio else f"{report.rows} rows of {name} agree",
            value=one.skewed_ratio,
            bound=most_ratio,
            unit="ratio",
        )
    if not report.compared:
        yield _finding(name, Status.UNDECIDED, "nothing of it could be compared")


def _finding(subject: str, status: Status, said: str) -> Finding:
    return Finding(check=CheckName.PARITY, subject=subject, status=status, sentence=said)
