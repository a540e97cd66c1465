"""Which namespaces and images a policy of the cluster is really about."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest

from policies.judge import Outcome, judge
from policies.resource import Resource
from policies.rule import PLATFORM
from policies.rules.admission import signatures_verified
from shipway.contract.environment import Tier

DIGEST = "@sha256:" + "a" * 64
IMAGE = f"registry.example.com/models/pricing{DIGEST}"
ATTESTED: Mapping[str, Any] = {"key": {}, "attestations": [{"predicateType": "https://slsa.dev/provenance/v1"}]}
STATIC: Mapping[str, Any] = {"static": {"action": "pass"}}
PLATFORM_STACK = Resource(PLATFORM, "platform", {})
INCLUDED = {"policy.sigstore.dev/include": "true"}


def _space(name: str = "models", labels: Mapping[str, str] | None = None) -> Resource:
    return Resource("kubernetes:core/v1:Namespace", name, {"metadata": {"name": name, "labels": labels or {}}})


def _model(image: str = IMAGE, space: str = "models") -> Resource:
    template = {"metadata": {"labels": {"shipway/model": "pricing"}}, "spec": {"containers": [{"image": image}]}}
    props = {"metadata": {"name": "pricing", "namespace": space}, "spec": {"template": template}}
    return Resource("kubernetes:apps/v1:Deployment", "pricing", props)


def _sigstore(*globs: str, authorities: Sequence[Any] = (ATTESTED,), **more: Any) -> Resource:
    spec = {"mode": "enforce", "images": [{"glob": one} for one in globs], "authorities": list(authorities), **more}
    return Resource("kubernetes:policy.sigstore.dev/v1beta1:ClusterImagePolicy", "policy", {"spec": spec})


def _kyverno(**changes: Any) -> Resource:
    verify = {
        "imageReferences": ["*"],
        "failureAction": "Enforce",
        "attestors": [{"entries": []}],
        "attestations": [{"type": "https://slsa.dev/provenance/v1"}],
    }
    rule = {"match": {"any": [{"resources": {"kinds": ["Pod"]}}]}, "verifyImages": [verify], **changes}
    return Resource("kubernetes:kyverno.io/v1:ClusterPolicy", "policy", {"spec": {"rules": [rule]}})


def _found(*stack: Resource) -> list[str]:
    found = judge([PLATFORM_STACK, *stack], Tier.PROD, (), date(2026, 11, 27), rules=[signatures_verified])
    assert all(one.outcome is Outcome.VIOLATION for one in found)
    return [one.message.partition(". Add a Kyverno")[0] for one in found]


@pytest.mark.parametrize(
    ("glob", "image", "matches"),
    [
        (f"registry.example.com/models/pricing{DIGEST}", IMAGE, True),
        ("registry.example.com/models/*", IMAGE, True),
        ("registry.example.com/models/*@**", IMAGE, True),
        ("registry.example.com/**", IMAGE, True),
        ("**", IMAGE, True),
        ("registry.example.com/*", IMAGE, False),
        ("*", IMAGE, False),
        ("*/*", f"registry.example.com/pricing{DIGEST}", False),
        ("registry.example.com/models/pricing", IMAGE, False),
        ("registryxexample.com/**", IMAGE, False),
        ("registry.example.com/**", f"registryxexample.com/pricing{DIGEST}", False),
        ("registry.example.com/models/**", f"evil.io/registry.example.com/models/pricing{DIGEST}", False),
        ("one.example.com/only/this", IMAGE, False),
    ],
)
def test_a_glob_of_sigstore_must_match_each_image(glob: str, image: str, matches: bool) -> None:
    """One star stays within a segment of the path, two do not; the whole reference has to match."""
    said = [] if matches else [f"image {image!r} is matched by no policy that enforces signature and provenance"]
    assert _found(_space(labels=INCLUDED), _model(image), _sigstore(glob)) == said


def test_a_namespace_without_the_label_is_not_looked_at() -> None:
    """Sigstore's controller passes it by, whatever the policies say; `false` is no label either."""
    for value in (None, "false"):
        space = _space(labels={"policy.sigstore.dev/include": value} if value else None)
        expected = f"label policy.sigstore.dev/include of the namespace is {value!r}, expected 'true'"
        for stack in ([_model()], []):
            assert _found(space, *stack, _sigstore("**")) == [f"no policy admits only what is signed: {expected}"]


def test_where_the_models_are_another_stacks_one_namespace_is_enough() -> None:
    """The platform's stack of an environment on AWS: the gateway's namespace runs nothing of a model."""
    spaces = [_space("gateway"), _space(labels=INCLUDED)]
    assert _found(*spaces, _sigstore("one.example.com/models/**")) == []
    said = _found(*spaces, _model(space="gateway"), _sigstore("**"))
    assert said == [
        "no policy admits only what is signed: label policy.sigstore.dev/include of the namespace is None, "
        "expected 'true'"
    ]


def test_an_image_named_by_its_digest_was_looked_at() -> None:
    """Beside the policies over what is signed, one may let a single image pass; a pattern may not."""
    space, other = _space(labels=INCLUDED), f"registry.example.com/shipway/feast{DIGEST}"
    signed = _sigstore("registry.example.com/models/**")
    assert _found(space, _model(), _model(other), signed, _sigstore(other, authorities=[STATIC])) == []
    for glob in ("registry.example.com/shipway/feast@**", f"registry.example.com/shipway/*{DIGEST}", "**"):
        said = _found(space, _model(), _model(other), signed, _sigstore(glob, authorities=[STATIC]))
        assert said == [f"image {other!r} is matched by no policy that enforces signature and provenance"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"authorities": [ATTESTED, STATIC]}, "an authority attests no SLSA provenance, and one that is met is enough"),
        ({"authorities": [STATIC]}, "no authority attests SLSA provenance"),
        ({"authorities": []}, "no authority attests SLSA provenance"),
        ({"mode": "warn"}, "mode is warn, expected enforce"),
        ({"match": [{"resource": "cronjobs"}]}, "match leaves pods out"),
        ({"match": [{"resource": "pods", "selector": {"matchLabels": {"signed": "yes"}}}]}, "match leaves pods out"),
    ],
)
def test_a_policy_of_sigstore_that_lets_pods_by_is_none(changes: Any, said: str) -> None:
    """Of several authorities one is enough, so that the weakest counts; `match` takes pods out."""
    stack = [_space(labels=INCLUDED), _model(), _sigstore("**", **changes)]
    assert _found(*stack) == [f"no policy admits only what is signed: {said}"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"match": {"any": [{"resources": {"namespaces": ["other"]}}]}}, "match leaves pods of namespace 'models' out"),
        ({"match": {"resources": {"kinds": ["Service"]}}}, "match leaves pods of namespace 'models' out"),
        ({"match": {"all": [{"resources": {}}, {"subjects": [{}]}]}}, "match leaves pods of namespace 'models' out"),
        ({"match": {"resources": {"selector": {"matchLabels": {"a": "b"}}}}}, "match leaves pods of namespace"),
        ({"exclude": {"any": [{"resources": {"namespaces": ["mod*"]}}]}}, "exclude leaves pods of namespace"),
        ({"exclude": {"resources": {"selector": {"matchLabels": {"shipway/model": "pricing"}}}}}, "exclude leaves"),
        ({"match": {"any": [{"resources": {"namespaces": ["mod*"]}}, {"resources": {"namespaces": ["x"]}}]}}, None),
        (
            {"match": {"resources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "models"}}}}},
            None,
        ),
        ({"match": {"resources": {"selector": {"matchLabels": {"shipway/model": "pricing"}}}}}, None),
        ({"exclude": {"any": [{"resources": {"namespaces": ["kube-system"]}}]}}, None),
        ({"exclude": {}}, None),
        ({"exclude": {"all": []}}, None),
    ],
)
def test_a_rule_of_kyverno_must_be_about_the_namespace(changes: Any, said: str | None) -> None:
    """By its name, its labels or its pods', and not excluded again."""
    found = _found(_space(), _model(), _kyverno(**changes))
    assert len(found) == (said is not None)
    assert all(str(said) in one for one in found)


def test_a_rule_of_kyverno_must_be_about_the_images() -> None:
    """Its references match across segments; one that skips them is about none."""
    verify = _kyverno().props["spec"]["rules"][0]["verifyImages"][0]
    for changed, covered in (
        ({"imageReferences": ["registry.example.com/*"]}, True),
        ({"imageReferences": ["other.io/*"]}, False),
        ({"imageReferences": []}, False),
        ({"skipImageReferences": ["*/pricing@*"]}, False),
    ):
        found = _found(_space(), _model(), _kyverno(verifyImages=[{**verify, **changed}]))
        assert found == (
            [] if covered else [f"image {IMAGE!r} is matched by no policy that enforces signature and provenance"]
        )


def test_a_policy_for_another_namespace_is_none_without_models_too() -> None:
    """In a stack that holds neither the models nor the namespace that the policy is about."""
    verify = _kyverno().props["spec"]["rules"][0]["verifyImages"][0]
    match = {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["other"]}}]}
    policy = _kyverno(match=match, verifyImages=[{**verify, "imageReferences": ["other.io/*"]}])
    assert _found(_space(), policy) == [
        "no policy admits only what is signed: match leaves pods of namespace 'models' out"
    ]
