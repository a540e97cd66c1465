"""What runs is exactly what was trained, judged and approved.

ML025 and ML026 expect `bundles` among a ModelService's inputs: for each filled slot what the registry says of it,
{digest, files, data_version, metrics, owner, approved_by}, where `files` are the paths inside the bundle.
"""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from policies.kubernetes import model_pods, pods
from policies.resource import Resource, at, rows, texts
from policies.rule import CLUSTER_TIERS, KUBERNETES, MODEL_SERVICE, Context, Severity, rule
from policies.unknown import Undecidable
from shipway.contract.metrics import Slot
from shipway.contract.release import DIGEST_PATTERN

__all__ = ["digest_pinned", "formats_allowed", "registered"]

_DIGEST = "sha256:" + "0" * 64
_IMAGE = re.compile(r"([^@\s]+)@sha256:[0-9a-f]{64}")
# Loading one of these can run any code; `.bin` is what torch.save writes.
_PICKLES = re.compile(r"\.(bin|ckpt|cloudpickle|dill|joblib|npy|pickle|pkl|pt|pth)$", re.IGNORECASE)
_FORMATS = frozenset({"huggingface", "lightgbm", "onnx", "openvino", "safetensors", "skops", "tensorrt", "xgboost"})
_RECORD = {
    "digest": _DIGEST,
    "files": ["files/model.skops", "files/schema.json"],
    "data_version": "2026-11-01",
    "metrics": {"auc": 0.71},
    "owner": "pricing",
    "approved_by": "anna@example.com",
}
_RELEASE = {"blue": _DIGEST, "green": ""}


@rule(
    "ML006",
    "digest pinned",
    severity=Severity.CRITICAL,
    types=(MODEL_SERVICE, KUBERNETES),
    fix="Release the digest that `shipway train` printed; name an image by digest, from a registry that "
    "policies/settings.yaml allows.",
    passing={"release": {"blue": _DIGEST, "green": ""}},
    failing={"release": {"blue": "flight-delay:latest", "green": ""}},
)
def digest_pinned(resource: Resource, context: Context) -> Iterator[str]:
    """Every filled slot names its bundle, and every pod its images, by a full sha256 digest: a tag can be moved to
    other bytes. Images come from an allowed registry."""
    if resource.type == MODEL_SERVICE:
        release = resource.props["release"]
        for slot in Slot:
            if release[slot] and not re.match(DIGEST_PATTERN, release[slot]):
                yield f"slot {slot} holds {release[slot]!r}, which is no sha256 digest"
    for pod in pods(resource):
        images = [(f"container {one.get('name')!r}", one.get("image")) for one in pod.containers]
        for volume in rows(pod.spec.get("volumes")):
            if "image" in volume:
                images.append((f"volume {volume.get('name')!r}", at(volume, "image", "reference")))
        for where, image in images:
            if image is None and pod.partial:
                continue
            found = _IMAGE.fullmatch(str(image))
            if not found:
                yield f"{where}: image {image!r} has no sha256 digest"
            elif not _allowed(found[1], context.settings.allowed_registries):
                yield f"{where}: image {image!r} is from none of {', '.join(context.settings.allowed_registries)}"


def _allowed(image: str, registries: tuple[str, ...]) -> bool:
    # `*` of a host must not reach into the path: evil.io/x.dkr.ecr.y.amazonaws.com/z is evil.io's.
    host, _, path = image.partition("/")
    for registry in registries:
        wanted_host, _, wanted_path = registry.partition("/")
        if path and fnmatchcase(host, wanted_host) and (not wanted_path or f"{path}/".startswith(f"{wanted_path}/")):
            return True
    return False


def _records(resource: Resource) -> Iterator[tuple[Slot, Mapping[str, Any]]]:
    """Returns what the registry says of each filled slot's bundle.

    Raises:
        Undecidable: when it is not among the inputs.
    """
    for slot in Slot:
        if resource.props["release"][slot]:
            record = at(resource.props, "bundles", slot)
            if record is None:
                raise Undecidable(f"bundles.{slot} is not among the inputs, expected the registry's record")
            yield slot, record


@rule(
    "ML025",
    "no pickle",
    severity=Severity.CRITICAL,
    types=(MODEL_SERVICE, KUBERNETES),
    fix="Save the model as skops, ONNX or safetensors.",
    passing={"release": _RELEASE, "bundles": {"blue": _RECORD}},
    failing={"release": _RELEASE, "bundles": {"blue": {**_RECORD, "files": ["files/model.pkl"]}}},
)
def formats_allowed(resource: Resource, context: Context) -> Iterator[str]:
    """No bundle and no pod holds or loads an artifact whose format runs code when it is loaded."""
    if resource.type == MODEL_SERVICE:
        for slot, record in _records(resource):
            files = list(texts(record.get("files")))
            if not files:
                yield f"bundles.{slot}.files is {record.get('files')!r}, expected the paths in the bundle"
            for path in files:
                if _PICKLES.search(path):
                    yield f"bundles.{slot}.files holds {path!r}, which is a pickle"
        return
    model = at(resource.props, "spec", "predictor", "model")
    if ":serving.kserve.io/" in resource.type and model is not None:
        name = at(model, "modelFormat", "name")
        if name not in _FORMATS:
            yield f"spec.predictor.model.modelFormat.name is {name!r}, expected one of {', '.join(sorted(_FORMATS))}"
        if _PICKLES.search(str(at(model, "storageUri"))):
            yield f"spec.predictor.model.storageUri is {at(model, 'storageUri')!r}, which is a pickle"
    for pod in model_pods(resource, context):
        for container in pod.containers:
            words = [*texts(container.get("command")), *texts(container.get("args"))]
            words += [str(one.get("value")) for one in rows(container.get("env")) if one.get("value")]
            for word in words:
                if _PICKLES.search(word):
                    yield f"container {container.get('name')!r} loads {word!r}, which is a pickle"


@rule(
    "ML026",
    "registered and approved",
    severity=Severity.HIGH,
    tiers=CLUSTER_TIERS,
    fix="Register the version with `shipway train` and have it approved.",
    passing={"release": _RELEASE, "bundles": {"blue": _RECORD}},
    failing={"release": _RELEASE, "bundles": {"blue": {**_RECORD, "approved_by": ""}}},
)
def registered(resource: Resource, _context: Context) -> Iterator[str]:
    """Every filled slot's bundle is registered with its digest, data version, metrics, owner and approval."""
    for slot, record in _records(resource):
        digest = resource.props["release"][slot]
        if record.get("digest") != digest:
            yield f"bundles.{slot}.digest is {record.get('digest')!r}, expected the released {digest!r}"
        for field in ("data_version", "metrics", "owner", "approved_by"):
            if not str(record.get(field) or "").strip() or record.get(field) == {}:
                yield f"bundles.{slot}.{field} is {record.get(field)!r}, expected it in the registry"
        if record.get("approved_by") and record["approved_by"] == record.get("submitted_by"):
            yield f"bundles.{slot}.approved_by is {record['approved_by']!r}, who submitted it, expected another person"
