"""What runs is exactly what was trained, judged, tested and approved.

ML025, ML026 and ML044 expect `bundles` among a ModelService's inputs: for each filled slot what git keeps of it,
{digest, files, data_version, metrics, owner, approved_by, load_tests}, where `files` are the paths inside the bundle.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time
from fnmatch import fnmatchcase
from typing import Any, cast

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from policies.kubernetes import KSERVE_CONTAINERS, namespace, pods
from policies.resource import Resource, at, rows, texts
from policies.rule import CLUSTER_TIERS, KUBERNETES, MODEL_SERVICE, Context, Severity, rule
from policies.unknown import Undecidable
from shipway.contract.evidence import Judgement
from shipway.contract.load_evidence import missing_load_tests
from shipway.contract.loadtest import LoadTestResult, LoadTestSpec, Measured, Profile
from shipway.contract.metrics import Slot
from shipway.contract.release import DIGEST_PATTERN, short_digest

__all__ = ["digest_pinned", "formats_allowed", "load_tested", "registered"]

_DIGEST = "sha256:" + "0" * 64
_IMAGE = re.compile(r"([^@\s]+)@sha256:[0-9a-f]{64}")
# Loading one of these can run any code; `.bin` is what torch.save writes.
_PICKLES = re.compile(r"\.(bin|ckpt|cloudpickle|dill|joblib|npy|pickle|pkl|pt|pth)$", re.IGNORECASE)
_FORMATS = frozenset({"huggingface", "lightgbm", "onnx", "openvino", "safetensors", "skops", "tensorrt", "xgboost"})
_MOMENT = cast(TypeAdapter[datetime], TypeAdapter[Any](AwareDatetime))  # pyright: ignore[reportArgumentType]
_RECORD = {
    "digest": _DIGEST,
    "files": ["files/model.skops", "files/schema.json"],
    "data_version": "2026-11-01",
    "metrics": {"auc": 0.71},
    "owner": "pricing",
    "approved_by": "anna@example.com",
}
_RELEASE = {"blue": _DIGEST, "green": ""}
_LOAD_TEST = LoadTestResult(
    model="pricing",
    digest=_DIGEST,
    profile=Profile.LOAD,
    environment="local",
    measured=Measured.SLOT,
    started_at=datetime.fromisoformat("2026-11-01T09:00:00Z"),
    duration_seconds=65,
    arrivals_per_second=20,
    whole=True,
    requests=1200,
    failures=0,
    latency=None,
    objective_latency_seconds=0.3,
    objective_quantile=0.95,
    objective_error_ratio=0.01,
    seed=1,
    stages=(),
    judgement=Judgement.PASS,
    sentence="meets its objective",
).model_dump(mode="json")
_TESTED = {
    "model": {"name": "pricing", "resources": {}, "loadtest": {"required": {"nonprod": ["smoke"], "prod": ["load"]}}},
    "release": {**_RELEASE, "load_tested": {_DIGEST: "2026-11-02T09:00:00Z"}},
    "bundles": {"blue": {**_RECORD, "load_tests": [_LOAD_TEST]}},
}


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
            if release[slot] and not re.fullmatch(DIGEST_PATTERN, release[slot]):
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
    if ":serving.kserve.io/" in resource.type:
        yield from _of_predictor(at(resource.props, "spec", "predictor"))
    if context.settings.is_system(namespace(resource)):
        return
    for pod in pods(resource):
        for container in pod.containers:
            words = [*texts(container.get("command")), *texts(container.get("args"))]
            words += [str(one.get("value")) for one in rows(container.get("env")) if one.get("value")]
            for word in words:
                if _PICKLES.search(word):
                    yield f"container {container.get('name')!r} loads {word!r}, which is a pickle"


def _of_predictor(predictor: Any) -> Iterator[str]:
    for key in KSERVE_CONTAINERS:
        model = at(predictor, key)
        if model is None:
            continue
        # Before `model` a predictor named the format by its key: `sklearn` loads a joblib.
        where, name = ("modelFormat.name is ", at(model, "modelFormat", "name")) if key == "model" else ("", key)
        if name not in _FORMATS:
            yield f"spec.predictor.{key}: {where}{name!r}, expected one of {', '.join(sorted(_FORMATS))}"
        if _PICKLES.search(str(at(model, "storageUri"))):
            yield f"spec.predictor.{key}.storageUri is {at(model, 'storageUri')!r}, which is a pickle"


@rule(
    "ML026",
    "registered and approved",
    severity=Severity.HIGH,
    tiers=CLUSTER_TIERS,
    fix="Register the version with `shipway train`; another person than who releases it types `shipway agree`.",
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


@rule(
    "ML044",
    "load tested when released",
    severity=Severity.HIGH,
    tiers=CLUSTER_TIERS,
    fix="Release the digest with `shipway release` or `shipway carry`: they ask for what `loadtest.required` in "
    "model.yaml demands, and write down what they saw.",
    passing=_TESTED,
    failing={**_TESTED, "release": _RELEASE},
)
def load_tested(resource: Resource, context: Context) -> Iterator[str]:
    """Every filled slot's bundle had passed the load tests that its tier demands when it was released here, at the
    rate that is demanded and not long before: a digest that was written in by hand has not."""
    model, release = resource.props["model"], resource.props["release"]
    spec = LoadTestSpec.model_validate(_plain(model["loadtest"]), strict=False)
    if not spec.profiles(context.tier):
        return
    rate = spec.rate(model["resources"].get("requests_per_second"))
    for slot, record in _records(resource):
        digest = release[slot]
        try:
            seen_at = _MOMENT.validate_python((release.get("load_tested") or {})[digest])
            results = [LoadTestResult.model_validate(_plain(one), strict=False) for one in record.get("load_tests", ())]
        except KeyError:
            yield f"slot {slot} holds {short_digest(digest)}, whose load tests nobody saw when it was released here"
            continue
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            at_fault = ".".join(map(str, first["loc"])) or "release.load_tested"
            yield f"slot {slot}: what is written of its load tests cannot be read: {at_fault}: {first['msg']}"
            continue
        # What was tested again later is evidence as well, and was not old when it was released.
        known = [
            one.model_copy(update={"started_at": seen_at}) if seen_at < one.started_at <= _end_of(context) else one
            for one in results
        ]
        for missing in missing_load_tests(spec, context.tier, model["name"], digest, rate, known, seen_at):
            yield f"slot {slot}: {missing}"


def _end_of(context: Context) -> datetime:
    return datetime.combine(context.today, time.max, UTC)


def _plain(value: Any) -> Any:
    """Returns what a view of a resource's inputs holds; raises Undecidable where that is not known yet."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in cast(Mapping[str, Any], value).items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in cast(Sequence[Any], value)]
    return value
