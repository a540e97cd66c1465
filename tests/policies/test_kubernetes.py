"""Where pods are found: in whatever object carries them, once, and nowhere else."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from policies.judge import Outcome, all_rules, judge
from policies.kubernetes import pods
from policies.resource import Resource
from policies.unknown import Undecidable, guarded
from shipway.contract.environment import Tier

TODAY = date(2026, 11, 27)
CONTAINER = {
    "name": "main",
    "image": "evil.io/trainer:latest",
    "securityContext": {"privileged": True},
    "env": [{"name": "DB_PASSWORD", "value": "hunter2"}],
}
SPEC = {"hostNetwork": True, "containers": [CONTAINER]}
TEMPLATE = {"metadata": {"labels": {"shipway/model": "pricing"}}, "spec": SPEC}
SHORTHAND = {key: value for key, value in CONTAINER.items() if key != "name"}
BESIDE = {"name": "beside", "image": "registry.k8s.io/beside@sha256:" + "a" * 64}

# Type -> everything but its metadata.
CARRIERS: Mapping[str, Any] = {
    "core/v1:Pod": {"spec": SPEC},
    "core/v1:PodTemplate": {"template": TEMPLATE},
    "apps/v1:Deployment": {"spec": {"template": TEMPLATE}},
    # The API server drops what it does not know, and makes the pods all the same.
    "apps/v1:StatefulSet": {"spec": {"containers": [], "template": TEMPLATE}},
    "apps/v1:DeploymentList": {"items": [{"metadata": {}, "spec": {"template": TEMPLATE}}]},
    "batch/v1:CronJob": {"spec": {"jobTemplate": {"spec": {"template": TEMPLATE}}}},
    "keda.sh/v1alpha1:ScaledJob": {"spec": {"jobTargetRef": {"template": TEMPLATE}}},
    "ray.io/v1:RayCluster": {"spec": {"headGroupSpec": {"template": TEMPLATE}, "workerGroupSpecs": []}},
    "ray.io/v1:RayJob": {"spec": {"rayClusterSpec": {"workerGroupSpecs": [{"replicas": 2, "template": TEMPLATE}]}}},
    "kubeflow.org/v1:PyTorchJob": {"spec": {"pytorchReplicaSpecs": {"Worker": {"template": TEMPLATE}}}},
    "jobset.x-k8s.io/v1alpha2:JobSet": {
        "spec": {"replicatedJobs": [{"name": "a", "template": {"spec": {"template": TEMPLATE}}}]}
    },
    "serving.kserve.io/v1alpha1:ServingRuntime": {"spec": SPEC},
    "serving.kserve.io/v1beta1:InferenceService": {"spec": {"predictor": {"hostNetwork": True, "model": SHORTHAND}}},
    "serving.kserve.io/v1beta1:InferenceServicePatch": {"spec": {"transformer": SPEC}},
    "serving.kserve.io/v1alpha1:LLMInferenceService": {"spec": {"prefill": {"template": SPEC}}},
}


def _object(kind: str, props: Mapping[str, Any]) -> Resource:
    metadata = {"name": "x", "namespace": "models", "labels": {"shipway/model": "pricing"}}
    return Resource(f"kubernetes:{kind}", "x", guarded({"metadata": metadata, **props}))


@pytest.mark.parametrize("kind", CARRIERS)
def test_a_pod_is_judged_whatever_carries_it(kind: str) -> None:
    """Its privileges, its image and its secrets are found, each once."""
    resource = _object(kind, CARRIERS[kind])
    rules = [rule for rule in all_rules() if rule.id in ("ML001", "ML006", "ML010")]
    found = [one.message for one in judge([resource], Tier.PROD, (), TODAY, rules=rules)]
    for part in ("hostNetwork is true", "privileged is true", "has no sha256 digest", "env DB_PASSWORD holds a secret"):
        assert sum(part in message for message in found) == 1, part


@pytest.mark.parametrize("kind", CARRIERS)
def test_a_pod_has_its_labels_wherever_they_stand(kind: str) -> None:
    """In its template, or on the object where there is none."""
    (pod,) = [one for one in pods(_object(kind, CARRIERS[kind])) if one.containers]
    assert pod.labels == {"shipway/model": "pricing"}


@pytest.mark.parametrize(
    ("kind", "props"),
    [
        (
            "apiextensions.k8s.io/v1:CustomResourceDefinition",
            {
                "spec": {
                    "versions": [{"schema": {"properties": {"containers": {"type": "array"}, "required": ["spec"]}}}]
                }
            },
        ),
        ("networking.k8s.io/v1:NetworkPolicy", {"spec": {"podSelector": {}, "ingress": [{"from": []}]}}),
        (
            "autoscaling/v2:HorizontalPodAutoscaler",
            {"spec": {"metrics": [{"containerResource": {"container": "main"}}]}},
        ),
        ("gateway.envoyproxy.io/v1alpha1:EnvoyProxy", {"spec": {"provider": {"envoyDeployment": {"pod": {}}}}}),
        ("karpenter.sh/v1:NodePool", {"spec": {"template": {"metadata": {}, "spec": {"requirements": []}}}}),
        ("example.com/v1:Filter", {"spec": {"containers": ["main", "beside"]}}),
        ("core/v1:ConfigMap", {"data": {"pod.yaml": "spec: {containers: [{name: a}]}"}}),
    ],
)
def test_what_only_looks_like_a_pod_is_none(kind: str, props: Mapping[str, Any]) -> None:
    """A schema, a selector, a template of something else, a list of names, a text."""
    assert list(pods(_object(kind, props))) == []


def test_a_runtime_says_the_rest_of_what_a_framework_names() -> None:
    """Only what an InferenceService says itself is judged; a container beside the model's is judged whole."""
    predictor = {"containers": [BESIDE], "model": {"modelFormat": {"name": "onnx"}}}
    resource = _object("serving.kserve.io/v1beta1:InferenceService", {"spec": {"predictor": predictor}})
    found = [(pod.partial, [one.get("name") for one in pod.containers]) for pod in pods(resource)]
    assert found == [(True, ["model"]), (False, ["beside"])]
    alone = {"spec": {"predictor": {"model": {"modelFormat": {"name": "onnx"}}}}}
    rules = [rule for rule in all_rules() if rule.id in ("ML001", "ML003", "ML006", "ML010", "ML025")]
    kind = "serving.kserve.io/v1beta1:InferenceService"
    assert judge([_object(kind, alone)], Tier.PROD, (), TODAY, rules=rules) == []


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("ray.io/v1:RayCluster", {"headGroupSpec": UNKNOWN_STRING_VALUE}),
        ("ray.io/v1:RayCluster", {"workerGroupSpecs": [UNKNOWN_STRING_VALUE]}),
        ("kubeflow.org/v1:PyTorchJob", {"pytorchReplicaSpecs": {"Worker": UNKNOWN_STRING_VALUE}}),
        ("jobset.x-k8s.io/v1alpha2:JobSet", {"replicatedJobs": [{"template": {"spec": UNKNOWN_STRING_VALUE}}]}),
        ("apps/v1:Deployment", {"template": {"spec": {"containers": UNKNOWN_STRING_VALUE}}}),
        ("apps/v1:Deployment", {"template": {"spec": {"containers": [UNKNOWN_STRING_VALUE]}}}),
        ("serving.kserve.io/v1beta1:InferenceService", {"predictor": UNKNOWN_STRING_VALUE}),
    ],
)
def test_an_unknown_value_that_may_be_a_pod_is_undecided(kind: str, spec: Mapping[str, Any]) -> None:
    """And what is found beside it counts."""
    rule = next(rule for rule in all_rules() if rule.id == "ML006")
    (found,) = judge([_object(kind, {"spec": spec})], Tier.PROD, (), TODAY, rules=[rule])
    assert found.outcome is Outcome.UNDECIDED
    both = {"aTemplate": UNKNOWN_STRING_VALUE, "template": TEMPLATE}
    found = judge([_object("example.com/v1:Two", {"spec": both})], Tier.PROD, (), TODAY, rules=[rule])
    assert [one.outcome for one in found] == [Outcome.VIOLATION, Outcome.UNDECIDED]


def test_an_unknown_value_elsewhere_hides_no_pod() -> None:
    """An address or a number that only `up` knows leaves an object without pods decided."""
    spec = {"egress": [{"to": [{"ipBlock": {"cidr": UNKNOWN_STRING_VALUE}}]}], "replicas": UNKNOWN_STRING_VALUE}
    assert list(pods(_object("networking.k8s.io/v1:NetworkPolicy", {"spec": spec}))) == []
    with pytest.raises(Undecidable, match="spec is not known"):
        list(pods(_object("networking.k8s.io/v1:NetworkPolicy", {"spec": UNKNOWN_STRING_VALUE})))


@pytest.mark.parametrize(
    ("rule", "kind", "props"),
    [
        (
            "ML002",
            "core/v1:NamespacePatch",
            {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}},
        ),
        ("ML009", "rbac.authorization.k8s.io/v1:RolePatch", {"rules": [{"resources": ["*"], "verbs": ["get"]}]}),
        ("ML008", "networking.k8s.io/v1:NetworkPolicyPatch", {"spec": {"ingress": [{"from": []}]}}),
        ("ML011", "core/v1:ServicePatch", {"spec": {"type": "LoadBalancer"}}),
        (
            "ML011",
            "gateway.networking.k8s.io/v1:GatewayPatch",
            {"spec": {"listeners": [{"name": "http", "protocol": "HTTP"}]}},
        ),
        (
            "ML025",
            "serving.kserve.io/v1beta1:InferenceService",
            {"spec": {"predictor": {"sklearn": {"storageUri": "s3://models/pricing"}}}},
        ),
        (
            "ML025",
            "serving.kserve.io/v1beta1:InferenceService",
            {"spec": {"predictor": {"model": {"modelFormat": {"name": "onnx"}, "args": ["--extra", "a.pkl"]}}}},
        ),
        (
            "ML035",
            "apps/v1:DeploymentPatch",
            {"spec": {"template": {"spec": {"containers": [{"env": [{"name": "LOG_PAYLOAD", "value": "1"}]}]}}}},
        ),
    ],
)
def test_another_way_to_say_it_is_found_too(rule: str, kind: str, props: Mapping[str, Any]) -> None:
    """A patch of an object, the older form of one: what it says counts."""
    rules = [one for one in all_rules() if one.id == rule]
    assert [one.outcome for one in judge([_object(kind, props)], Tier.PROD, (), TODAY, rules=rules)] == [
        Outcome.VIOLATION
    ]


def test_a_patch_is_not_blamed_for_what_it_leaves_out() -> None:
    """The labels of a namespace that it does not mention stay as they are."""
    rules = [one for one in all_rules() if one.id == "ML002"]
    assert judge([_object("core/v1:NamespacePatch", {})], Tier.PROD, (), TODAY, rules=rules) == []
