"""Records of released bundles: whole, under the bundle's own name, the same in every environment."""

from pathlib import Path

import pytest

from shipway.contract.errors import SpecError
from shipway.contract.record import BundleRecord, load_record, record_path, save_record

DIGEST = "sha256:" + "a" * 64
RECORD = BundleRecord(
    digest=DIGEST,
    files=("model/model.skops", "schema.json"),
    data_version="2026-11-01",
    metrics={"auc": 0.71},
    owner="pricing",
    submitted_by="anna",
    approved_by="ben",
)


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    """What is saved is what is loaded, from the file that people find by the version they see."""
    save_record(tmp_path, RECORD)
    assert record_path(tmp_path, DIGEST) == tmp_path / "releases" / "bundles" / "aaaaaaaaaaaa.yaml"
    assert load_record(tmp_path, DIGEST) == RECORD


def test_a_bundle_without_a_record_is_refused_with_what_writes_one(tmp_path: Path) -> None:
    """Nothing is taken for known of a bundle nobody described."""
    with pytest.raises(SpecError, match=r"aaaaaaaaaaaa.yaml: .*the bundle's record; `shipway release` writes it"):
        load_record(tmp_path, DIGEST)


def test_a_record_copied_from_another_bundle_is_refused(tmp_path: Path) -> None:
    """Both digests are named."""
    save_record(tmp_path, RECORD)
    other = DIGEST[:-1] + "b"
    with pytest.raises(SpecError, match=f"digest: got '{DIGEST}', expected the bundle .* called after, {other}"):
        load_record(tmp_path, other)


@pytest.mark.parametrize("field", ["files", "metrics"])
def test_a_record_says_something(tmp_path: Path, field: str) -> None:
    """An empty list of files or metrics is no description."""
    save_record(tmp_path, RECORD.model_copy(update={field: type(getattr(RECORD, field))()}))
    with pytest.raises(SpecError, match=f"{field}: .*at least 1 item"):
        load_record(tmp_path, DIGEST)
