"""Where images are kept."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.resource import Resource, at, rows
from policies.rule import Context, Scope, Severity, rule

__all__ = ["images_immutable"]

_REPOSITORY = "aws:ecr/repository:Repository"
_LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
# Where signatures and provenance lie, under the digest of their image: signing with another key moves these tags alone.
_SIGNATURES = "sha256-*"


def _repository(mutability: str) -> tuple[Resource, ...]:
    props = {
        "name": "models",
        "imageTagMutability": mutability,
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfigurations": [{"encryptionType": "KMS"}],
    }
    return (
        Resource(_REPOSITORY, "example", props),
        Resource(_LIFECYCLE, "lifecycle", {"repository": "models", "policy": '{"rules": []}'}),
    )


@rule(
    "ML023",
    "images immutable and scanned",
    severity=Severity.HIGH,
    types=(_REPOSITORY,),
    scope=Scope.STACK,
    fix="Set imageTagMutability IMMUTABLE, or IMMUTABLE_WITH_EXCLUSION with the one filter sha256-* for signatures, "
    "scanOnPush, KMS encryption, and add a LifecyclePolicy.",
    passing=_repository("IMMUTABLE"),
    failing=_repository("MUTABLE"),
)
def images_immutable(resource: Resource, context: Context) -> Iterator[str]:
    """Every image repository keeps what was pushed, scans and encrypts it, and drops what is old."""
    props = resource.props
    yield from _movable(props)
    scan = at(props, "imageScanningConfiguration", "scanOnPush")
    if scan is not True:
        yield f"imageScanningConfiguration.scanOnPush is {scan!r}, expected True"
    kinds = [one.get("encryptionType") for one in rows(props.get("encryptionConfigurations"))]
    if not kinds or any(kind not in ("KMS", "KMS_DSSE") for kind in kinds):
        yield f"encryptionConfigurations are of type {kinds}, expected KMS"
    if not context.stack.related(resource, _LIFECYCLE, "repository", "name", "id"):
        yield "no LifecyclePolicy names the repository, expected one"


def _movable(props: Mapping[str, Any]) -> Iterator[str]:
    mutability = props.get("imageTagMutability")
    if mutability == "IMMUTABLE_WITH_EXCLUSION":
        filters = [one.get("filter") for one in rows(props.get("imageTagMutabilityExclusionFilters"))]
        if filters != [_SIGNATURES]:
            yield f"imageTagMutabilityExclusionFilters are {filters}, expected {_SIGNATURES!r} alone"
    elif mutability != "IMMUTABLE":
        yield f"imageTagMutability is {mutability!r}, expected 'IMMUTABLE'"
