"""What git keeps of a released bundle, put together from the bundle itself and from the registry."""

from pathlib import Path

from shipway.bundle.manifest import Manifest
from shipway.contract.errors import ArtifactError, SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.model import ModelSpec
from shipway.contract.record import BundleRecord, load_record, record_path
from shipway.training.registry import RegisteredVersion, Registry

__all__ = ["record_of"]


def record_of(
    kept: LocalLayout, service: Path, spec: ModelSpec, bundle: Manifest, *, submitted_by: str, approved_by: str
) -> BundleRecord:
    """Returns the record of a bundle that is about to be released; who submitted it first stays who did.

    Args:
        kept: where the bundle and the registry are.
        service: the model's folder.
        spec: the model.
        bundle: the bundle's manifest.
        submitted_by: who releases it.
        approved_by: who agreed, empty for nobody yet.

    Raises:
        ArtifactError: when the bundle is in no registry.
        SpecError: when somebody approves what they submitted.
    """
    if record_path(service, bundle.digest).exists():
        record = load_record(service, bundle.digest)
    else:
        found = [one for one in _versions(kept, spec.name) if one.digest == bundle.digest]
        if not found:
            raise ArtifactError(f"{kept.registry}: found no version of {bundle.digest}; `shipway train` registers it")
        record = BundleRecord(
            digest=bundle.digest,
            files=tuple(file.path for file in bundle.files),
            data_version=found[0].data_version,
            metrics=dict(found[0].metrics),
            owner=spec.owner.team,
            submitted_by=submitted_by,
        )
    if approved_by and approved_by == record.submitted_by:
        expected = f"another person than {record.submitted_by}, who submitted it"
        raise SpecError("the command line", "--approved-by", approved_by, expected)
    return record.model_copy(update={"approved_by": approved_by or record.approved_by})


def _versions(kept: LocalLayout, model: str) -> list[RegisteredVersion]:
    return Registry(kept.registry).versions(model) if kept.registry.exists() else []
