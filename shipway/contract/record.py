"""BundleRecord: what is known of a released bundle, kept in git beside the releases, so that a preview can judge it."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field

from shipway.contract.documents import Spec, parse, read_yaml, write_atomic
from shipway.contract.errors import SpecError
from shipway.contract.loadtest import LoadTestResult
from shipway.contract.release import Digest, short_digest

__all__ = ["MANIFEST_FILE", "REFERENCE_FILE", "BundleRecord", "load_record", "record_path", "save_record"]

Text = Annotated[str, Field(min_length=1)]

# Inside every bundle: how the validation set was distributed, which drift is measured against.
REFERENCE_FILE = "reference.json"
# Of a bundle, the file that its digest is the sha256 of.
MANIFEST_FILE = "manifest.json"


class BundleRecord(Spec):
    """The content of services/<model>/releases/bundles/<version>.yaml, written when the bundle is released.

    Args:
        digest: the bundle.
        files: the paths inside it.
        data_version: what it was trained on.
        metrics: its evaluation, by name.
        owner: the team that answers for it.
        submitted_by: who made it.
        approved_by: who agreed to its release, another person; empty while nobody has.
        load_tests: those that it had passed when it was last released or carried, without their stages.
    """

    digest: Digest
    files: Annotated[tuple[Text, ...], Field(min_length=1)]
    data_version: Text
    metrics: Annotated[dict[str, float], Field(min_length=1)]
    owner: Text
    submitted_by: Text
    approved_by: str = ""
    load_tests: tuple[LoadTestResult, ...] = ()


def record_path(service: Path, digest: str) -> Path:
    """Returns the file of the bundle `digest` below the folder of its service, the same for every environment."""
    return service / "releases" / "bundles" / f"{short_digest(digest)}.yaml"


def load_record(service: Path, digest: str) -> BundleRecord:
    """Returns what is known of the bundle `digest`.

    Raises:
        SpecError: when there is no such file, it is wrong, or it is another bundle's.
    """
    path = record_path(service, digest)
    if not path.exists():
        raise SpecError(path, "", "no such file", "the bundle's record; `shipway release` writes it")
    record = parse(BundleRecord, read_yaml(path), path)
    if record.digest != digest:
        raise SpecError(path, "digest", record.digest, f"the bundle that the file is called after, {digest}")
    return record


def save_record(service: Path, record: BundleRecord) -> None:
    """Writes `record` to its file, whole or not at all."""
    write_atomic(record_path(service, record.digest), yaml.safe_dump(record.model_dump(mode="json"), sort_keys=False))
