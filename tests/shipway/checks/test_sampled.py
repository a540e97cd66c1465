"""The recorded sample: skewed features fail with their likely cause, and no sample is no pass."""

from pathlib import Path
from typing import Any

import pytest

from shipway.checks.finding import Status
from shipway.checks.sampled import check_parity, read_parity
from shipway.contract.layout import LocalLayout
from shipway.parity.report import CauseFound, FeatureParity, Report
from tests.shipway.checks.loans import of, spec_of


def report(*features: FeatureParity) -> Report:
    return Report(
        model="loans", version="abc", rows=70, first="", last="", offline="", features=features, predictions=()
    )


def feature(name: str, ratio: float | None, *, skewed: bool = False, causes: Any = ()) -> FeatureParity:
    return FeatureParity(name=name, outcomes={}, skewed_ratio=ratio, skewed=skewed, causes=causes)


def test_what_agrees_passes_and_what_is_skewed_fails() -> None:
    """With the ratio, the allowed one, and the likely cause; what could not be compared is undecided."""
    cause = CauseFound(name="timezone", confidence=0.9, rows=60, sentence="4 hours apart")
    told = list(
        read_parity(
            "sample.parquet",
            report(feature("v:a", 0.0), feature("v:b", 0.5, skewed=True, causes=(cause,)), feature("v:c", None)),
            0.01,
        )
    )
    assert [one.status for one in told] == [Status.PASSED, Status.FAILED, Status.UNDECIDED]
    assert of(told, "v:a").sentence == "70 rows of sample.parquet agree"
    assert of(told, "v:b").sentence == "50.0% of 70 served values differ; likely timezone: 4 hours apart"
    assert (of(told, "v:b").value, of(told, "v:b").bound) == (0.5, 0.01)


def test_a_sample_of_which_nothing_compares_is_undecided() -> None:
    """Not a row compared is not a row that agreed."""
    assert {one.status for one in read_parity("s", report(feature("v:a", None)), 0.0)} == {Status.UNDECIDED}


@pytest.mark.parametrize("reads", [False, True])
def test_no_sample_is_missing_where_features_are_read(tmp_path: Path, reads: bool) -> None:
    """A model without features has nothing of the kind; one with names the command that records a sample."""
    known = {"features": {"reads": [{"name": "v_v1:a", "default": 0.0, "ttl_seconds": 60}]}} if reads else {}
    (finding,) = check_parity(LocalLayout(tmp_path, "local"), tmp_path / "loans", spec_of(**known))
    assert finding.status is (Status.MISSING if reads else Status.SKIPPED)
    assert ("`shipway parity loans" in finding.sentence) is reads


def test_a_file_that_is_no_sample_fails(tmp_path: Path) -> None:
    """It says what would be one."""
    folder = tmp_path / "loans" / "tests" / "parity"
    folder.mkdir(parents=True)
    (folder / "sample.parquet").write_bytes(b"no")
    (finding,) = check_parity(LocalLayout(tmp_path, "local"), tmp_path / "loans", spec_of())
    assert finding.status is Status.FAILED
    assert "expected a sample that `shipway parity MODEL --record FILE` wrote" in finding.sentence
