"""What the cluster itself refuses to run."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from policies.kubernetes import MODEL_LABEL, Pod, labels, namespace, object_name, pods, selects
from policies.resource import Resource, Stack, at, rows, texts
from policies.rule import AUTHORITY_TYPES, PROD_ONLY, Context, Scope, Severity, rule
from policies.unknown import Undecidable

__all__ = ["signatures_verified"]

_NAMESPACES = "kubernetes:core:Namespace"
_KYVERNO = ("kubernetes:kyverno.io/v1:ClusterPolicy", "kubernetes:kyverno.io/v2beta1:ClusterPolicy")
_SIGSTORE = ("kubernetes:policy.sigstore.dev/v1beta1:ClusterImagePolicy",)
_PROVENANCE = "https://slsa.dev/provenance/"
# Sigstore's policy-controller looks at nothing in a namespace without it.
_INCLUDE = "policy.sigstore.dev/include"

_NAMESPACE = Resource("kubernetes:core/v1:Namespace", "models", {"metadata": {"name": "models"}})
_PLATFORM = Resource(AUTHORITY_TYPES[0], "platform", {})
_VERIFY: Mapping[str, Any] = {
    "imageReferences": ["*"],
    "required": True,
    "attestors": [{"entries": [{"keyless": {"issuer": "https://token.example.com", "subject": "release"}}]}],
    "attestations": [{"type": f"{_PROVENANCE}v1", "attestors": [{"entries": []}]}],
}


def _policy(action: str) -> Resource:
    match = {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["models"]}}]}
    rules = [{"name": "signed", "match": match, "verifyImages": [{**_VERIFY, "failureAction": action}]}]
    return Resource(_KYVERNO[0], "signed", {"spec": {"failurePolicy": "Fail", "rules": rules}})


@dataclass(frozen=True)
class _Demand:
    """What one policy demands of images.

    Args:
        problem: why it admits what is not signed; empty when it does not.
        elsewhere: why it is about other pods than those of a namespace, None when it is about them.
        covers: whether it is about an image.
    """

    problem: str
    elsewhere: Callable[[Resource, Sequence[Pod]], str | None]
    covers: Callable[[str], bool]


@rule(
    "ML024",
    "signed and attested at admission",
    severity=Severity.CRITICAL,
    tiers=PROD_ONLY,
    types=("kubernetes:core/v1:Namespace",),
    scope=Scope.STACK,
    fix="Add a Kyverno ClusterPolicy with verifyImages, or a sigstore ClusterImagePolicy, that enforces signature and "
    f"SLSA provenance; label the namespace {_INCLUDE}: true for the latter.",
    passing=(_PLATFORM, _NAMESPACE, _policy("Enforce")),
    failing=(_PLATFORM, _NAMESPACE, _policy("Audit")),
)
def signatures_verified(resource: Resource, context: Context) -> Iterator[str]:
    """Every image of a model namespace is admitted only with a verified signature and provenance."""
    if context.settings.is_system(object_name(resource)):
        return
    stack = context.stack
    demands = [one for policy in stack.of(*_KYVERNO) for one in _kyverno(policy.props.get("spec"))]
    demands += [_sigstore(policy.props.get("spec")) for policy in stack.of(*_SIGSTORE)]
    models = [*_model_pods(object_name(resource), context)] if demands else []
    # Where the models are another stack's, any namespace here may be theirs: then one that is looked at is enough.
    others = [] if models else stack.of(_NAMESPACES)
    problems, enforced = list[str](), list[_Demand]()
    for one in demands:
        found = [one.elsewhere(space, models) for space in (resource, *others)]
        if one.problem or None not in found:
            problems.append(one.problem or str(found[0]))
        else:
            enforced.append(one)
    if enforced:
        for image in sorted({image for pod in models for image in _images(pod)}):
            if not any(one.covers(image) for one in enforced) and not _reviewed(image, stack):
                yield f"image {image!r} is matched by no policy that enforces signature and provenance"
    elif problems:
        yield f"no policy admits only what is signed: {'; '.join(dict.fromkeys(problems))}"
    elif stack.of(*AUTHORITY_TYPES):
        yield "no policy verifies images, expected one that enforces signature and provenance"
    else:
        raise Undecidable("the stack of the platform, expected to hold the policy that verifies images")


def _model_pods(space: str | None, context: Context) -> Iterator[Pod]:
    for one in context.stack.resources:
        if one.type.startswith("kubernetes:") and namespace(one) == space:
            yield from (pod for pod in pods(one) if MODEL_LABEL in pod.labels)


def _images(pod: Pod) -> Iterator[str]:
    return (str(one["image"]) for one in pod.containers if one.get("image"))


def _kyverno(spec: Any) -> Iterator[_Demand]:
    """Returns what a policy of Kyverno demands; one that verifies nothing demands nothing, and says so."""
    found = False
    for one in rows(at(spec, "rules")):
        for verify in rows(at(one, "verifyImages")):
            found = True
            yield _Demand(_kyverno_problem(spec, verify), _matched(spec, one), _referenced(verify))
    if not found:
        yield _Demand("a policy has no verifyImages", lambda _space, _pods: None, lambda _image: False)


def _kyverno_problem(spec: Any, verify: Mapping[str, Any]) -> str:
    """Returns why a rule of Kyverno does not enforce it, empty when it does."""
    if at(spec, "failurePolicy") not in (None, "Fail"):
        return f"failurePolicy is {at(spec, 'failurePolicy')!r}, expected Fail"
    if verify.get("failureAction", at(spec, "validationFailureAction")) not in ("Enforce", "enforce"):
        return "verifyImages does not enforce"
    if verify.get("required") is False:
        return "verifyImages.required is False"
    if not [*rows(verify.get("attestors"))]:
        return "verifyImages names no attestors"
    kinds = [str(each.get("type") or each.get("predicateType")) for each in rows(verify.get("attestations"))]
    if not any(kind.startswith(_PROVENANCE) for kind in kinds):
        return "verifyImages asks for no SLSA provenance"
    return ""


def _referenced(verify: Mapping[str, Any]) -> Callable[[str], bool]:
    def covers(image: str) -> bool:
        named, skipped = texts(verify.get("imageReferences")), texts(verify.get("skipImageReferences"))
        matches = any(fnmatchcase(image, each) for each in named)
        return not any(fnmatchcase(image, each) for each in skipped) and matches

    return covers


def _matched(spec: Any, one: Mapping[str, Any]) -> Callable[[Resource, Sequence[Pod]], str | None]:
    def elsewhere(space: Resource, models: Sequence[Pod]) -> str | None:
        name = str(object_name(space))
        for audited in rows(at(spec, "validationFailureActionOverrides")):
            spaces = [*texts(audited.get("namespaces"))] or ["*"]
            if str(audited.get("action")).lower() == "audit" and any(fnmatchcase(name, each) for each in spaces):
                return f"validationFailureActionOverrides only audit namespace {name!r}"
        if not _holds(one.get("match"), lambda each: _left_out(each, space, models) is None):
            return f"match leaves pods of namespace {name!r} out"
        if _holds(one.get("exclude"), lambda each: _left_out(each, space, models) != "all"):
            return f"exclude leaves pods of namespace {name!r} out"
        return None

    return elsewhere


def _holds(block: Any, test: Callable[[Any], bool]) -> bool:
    """Returns whether a `match` or `exclude` holds: filters combined by `any` or `all`, or a filter itself."""
    every, some = rows(at(block, "all")), rows(at(block, "any"))
    if every or some:
        return all(map(test, every)) if every else any(map(test, some))
    return bool(block) and not {"all", "any"} & set(block) and test(block)


def _left_out(one: Any, space: Resource, models: Sequence[Pod]) -> str | None:
    """Returns how many pods of a namespace a filter of Kyverno is not about: None, `some` or `all`."""
    wanted: Mapping[str, Any] = at(one, "resources") or {}
    kinds, spaces = [*texts(wanted.get("kinds"))], [*texts(wanted.get("namespaces"))]
    if kinds and not any(kind.rpartition("/")[2] in ("*", "Pod") for kind in kinds):
        return "all"
    if spaces and not any(fnmatchcase(str(object_name(space)), each) for each in spaces):
        return "all"
    # A selector is judged by the pods that are here: which others there are is another stack's.
    chosen = [selects(wanted.get("selector"), pod.labels) for pod in models]
    # Kubernetes gives every namespace its name as a label.
    named = {**labels(space), "kubernetes.io/metadata.name": object_name(space)}
    if not selects(wanted.get("namespaceSelector"), named) or (chosen and not any(chosen)):
        return "all"
    by_who = any(at(one, key) for key in ("clusterRoles", "roles", "subjects"))
    by_name = any(wanted.get(key) for key in ("annotations", "name", "names"))
    return "some" if by_who or by_name or not all(chosen) else None


def _sigstore(spec: Any) -> _Demand:
    """Returns what a policy of sigstore demands."""

    def covers(image: str) -> bool:
        return any(_glob(str(one.get("glob"))).fullmatch(image) for one in rows(at(spec, "images")))

    return _Demand(_sigstore_problem(spec), _included, covers)


def _included(space: Resource, _models: Sequence[Pod]) -> str | None:
    value = labels(space).get(_INCLUDE)
    return None if value == "true" else f"label {_INCLUDE} of the namespace is {value!r}, expected 'true'"


def _sigstore_problem(spec: Any) -> str:
    """Returns why a policy of sigstore does not enforce it, empty when it does."""
    if at(spec, "mode") == "warn":
        return "mode is warn, expected enforce"
    if rows(at(spec, "match")) and not any(_any_pod(one) for one in rows(at(spec, "match"))):
        return "match leaves pods out"
    attested = [
        any(
            str(each.get("predicateType")).startswith(("slsaprovenance", _PROVENANCE))
            for each in rows(authority.get("attestations"))
        )
        for authority in rows(at(spec, "authorities"))
    ]
    if not any(attested):
        return "no authority attests SLSA provenance"
    return "" if all(attested) else "an authority attests no SLSA provenance, and one that is met is enough"


def _any_pod(one: Mapping[str, Any]) -> bool:
    selector: Mapping[str, Any] = one.get("selector") or {}
    return one.get("resource") == "pods" and not any(selector.values())


def _glob(text: str) -> re.Pattern[str]:
    """Returns a glob of policy-controller as a pattern: `*` stays within a segment of the path, `**` does not.

    Source: sigstore/policy-controller, pkg/apis/glob/glob.go. That it reads an image without a registry as Docker
    Hub's is left out: every image names its registry (ML006).
    """
    text = "index.docker.io/*/*" if text == "*/*" else text
    parts = ("[^/]*".join(map(re.escape, each.split("*"))) for each in text.split("**"))
    return re.compile(".*".join(parts))


def _reviewed(image: str, stack: Stack) -> bool:
    """Returns whether a policy of sigstore admits this one image as it is, by its digest, as a person has decided."""
    specs = [policy.props.get("spec") for policy in stack.of(*_SIGSTORE)]
    static = [
        spec for spec in specs if "pass" in [at(one, "static", "action") for one in rows(at(spec, "authorities"))]
    ]
    return "@sha256:" in image and any(image == one.get("glob") for spec in static for one in rows(at(spec, "images")))
