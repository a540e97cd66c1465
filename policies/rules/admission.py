"""What the cluster itself refuses to run."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.kubernetes import object_name
from policies.resource import Resource, at, rows
from policies.rule import AUTHORITY_TYPES, PROD_ONLY, Context, Scope, Severity, rule
from policies.unknown import Undecidable

__all__ = ["signatures_verified"]

_KYVERNO = ("kubernetes:kyverno.io/v1:ClusterPolicy", "kubernetes:kyverno.io/v2beta1:ClusterPolicy")
_SIGSTORE = ("kubernetes:policy.sigstore.dev/v1beta1:ClusterImagePolicy",)
_PROVENANCE = "https://slsa.dev/provenance/"

_NAMESPACE = Resource("kubernetes:core/v1:Namespace", "models", {"metadata": {"name": "models"}})
_PLATFORM = Resource(AUTHORITY_TYPES[0], "platform", {})
_VERIFY: Mapping[str, Any] = {
    "imageReferences": ["*"],
    "required": True,
    "attestors": [{"entries": [{"keyless": {"issuer": "https://token.example.com", "subject": "release"}}]}],
    "attestations": [{"type": f"{_PROVENANCE}v1", "attestors": [{"entries": []}]}],
}


def _policy(action: str) -> Resource:
    rules = [{"name": "signed", "verifyImages": [{**_VERIFY, "failureAction": action}]}]
    return Resource(_KYVERNO[0], "signed", {"spec": {"failurePolicy": "Fail", "rules": rules}})


@rule(
    "ML024",
    "signed and attested at admission",
    severity=Severity.CRITICAL,
    tiers=PROD_ONLY,
    types=("kubernetes:core/v1:Namespace",),
    scope=Scope.STACK,
    fix="Add a Kyverno ClusterPolicy with verifyImages, or a sigstore ClusterImagePolicy, that enforces signature and "
    "SLSA provenance.",
    passing=(_PLATFORM, _NAMESPACE, _policy("Enforce")),
    failing=(_PLATFORM, _NAMESPACE, _policy("Audit")),
)
def signatures_verified(resource: Resource, context: Context) -> Iterator[str]:
    """Every image of a model namespace is admitted only with a verified signature and provenance."""
    if context.settings.is_system(object_name(resource)):
        return
    kyverno, sigstore = context.stack.of(*_KYVERNO), context.stack.of(*_SIGSTORE)
    problems = [problem for policy in kyverno if (problem := _kyverno(policy.props))]
    problems += [problem for policy in sigstore if (problem := _sigstore(policy.props))]
    if len(problems) < len(kyverno) + len(sigstore):
        return
    if problems:
        yield f"no policy admits only what is signed: {'; '.join(problems)}"
    elif context.stack.of(*AUTHORITY_TYPES):
        yield "no policy verifies images, expected one that enforces signature and provenance"
    else:
        raise Undecidable("the stack of the platform, expected to hold the policy that verifies images")


def _kyverno(props: Mapping[str, Any]) -> str:
    """Returns why a policy of Kyverno does not enforce it, empty when it does."""
    spec = props.get("spec")
    if at(spec, "failurePolicy") not in (None, "Fail"):
        return f"failurePolicy is {at(spec, 'failurePolicy')!r}, expected Fail"
    for one in rows(at(spec, "rules")):
        for verify in rows(at(one, "verifyImages")):
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
    return "a policy has no verifyImages"


def _sigstore(props: Mapping[str, Any]) -> str:
    """Returns why a policy of sigstore does not enforce it, empty when it does."""
    spec = props.get("spec")
    if at(spec, "mode") == "warn":
        return "mode is warn, expected enforce"
    attested = [
        each.get("predicateType")
        for authority in rows(at(spec, "authorities"))
        for each in rows(authority.get("attestations"))
    ]
    if not any(str(kind).startswith(("slsaprovenance", _PROVENANCE)) for kind in attested):
        return "no authority attests SLSA provenance"
    return ""
