"""Containers of custom resources that know no pod's spec: steps of workflows, and what is shaped like one."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from policies.judge import Outcome, all_rules, judge
from policies.kubernetes import pods
from policies.resource import Resource
from policies.unknown import guarded
from shipway.contract.environment import Tier

TODAY = date(2026, 11, 27)
STEP = {
    "image": "evil.io/trainer:latest",
    "securityContext": {"privileged": True},
    "env": [{"name": "DB_PASSWORD", "value": "hunter2"}],
}
NAMED = {"name": "train", **STEP}
PINNED = "registry.k8s.io/train@sha256:" + "a" * 64
RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}

# Type -> its spec, in which one container is as STEP.
CARRIERS: Mapping[str, Any] = {
    "argoproj.io/v1alpha1:Workflow": {"templates": [{"name": "a", "container": STEP}]},
    "argoproj.io/v1alpha1:WorkflowTemplate": {"templates": [{"name": "a", "script": {**STEP, "source": "print()"}}]},
    "argoproj.io/v1alpha1:ClusterWorkflowTemplate": {"templates": [{"containerSet": {"containers": [NAMED]}}]},
    "argoproj.io/v1alpha1:CronWorkflow": {
        "workflowSpec": {"templates": [{"container": {"image": PINNED}, "initContainers": [NAMED]}]}
    },
    "argoproj.io/v1alpha1:Sensor": {
        "triggers": [
            {"template": {"k8s": {"source": {"resource": {"spec": {"templates": [{"container": STEP}]}}}}}},
        ]
    },
    "tekton.dev/v1:Task": {"steps": [NAMED]},
    "tekton.dev/v1:TaskRun": {"taskSpec": {"steps": [{"name": "a", "image": PINNED}], "sidecars": [NAMED]}},
    "tekton.dev/v1:Pipeline": {"tasks": [{"name": "a", "taskSpec": {"steps": [NAMED]}}]},
    "tekton.dev/v1:PipelineRun": {"pipelineSpec": {"finally": [{"taskSpec": {"stepTemplate": STEP, "steps": []}}]}},
    "tekton.dev/v1beta1:StepAction": {**STEP, "script": "train"},
    "example.com/v1:Model": {"runner": STEP},
    "example.com/v1:Models": {"runners": [{"deep": {"sidecar": STEP}}]},
    "monitoring.coreos.com/v1:Prometheus": {"thanos": STEP},
}


def _object(kind: str, spec: Any) -> Resource:
    metadata = {"name": "x", "namespace": "models"}
    return Resource(f"kubernetes:{kind}", "x", guarded({"metadata": metadata, "spec": spec}))


def _messages(resource: Resource, *ids: str) -> list[str]:
    rules = [rule for rule in all_rules() if rule.id in ids]
    return [one.message for one in judge([resource], Tier.PROD, (), TODAY, rules=rules)]


@pytest.mark.parametrize("kind", CARRIERS)
def test_a_step_is_judged_whatever_carries_it(kind: str) -> None:
    """Its privileges, its image and its secrets are found, each once."""
    found = _messages(_object(kind, CARRIERS[kind]), "ML001", "ML006", "ML010")
    for part in ("privileged is true", "has no sha256 digest", "env DB_PASSWORD holds a secret"):
        assert sum(part in message for message in found) == 1, part


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("argoproj.io/v1alpha1:Workflow", {"hostNetwork": True, "templates": [{"container": {"image": PINNED}}]}),
        (
            "argoproj.io/v1alpha1:Workflow",
            {"templateDefaults": {"hostNetwork": True}, "templates": [{"container": {"image": PINNED}}]},
        ),
        ("argoproj.io/v1alpha1:Workflow", {"templates": [{"podSpecPatch": '{"hostNetwork": true}', "container": {}}]}),
        ("tekton.dev/v1:TaskRun", {"podTemplate": {"hostNetwork": True}}),
        ("tekton.dev/v1:PipelineRun", {"taskRunTemplate": {"podTemplate": {"hostNetwork": True}}}),
    ],
)
def test_what_steps_share_is_judged(kind: str, spec: Mapping[str, Any]) -> None:
    """Said of the whole workflow, of a template by default, as text, or of the runs of a pipeline."""
    assert sum("hostNetwork is true" in one for one in _messages(_object(kind, spec), "ML001")) == 1


_FOLDER: list[Any] = [{"name": "disk", "hostPath": {"path": "/"}}, {"name": "own", "scratch": {}}, "text"]


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("tekton.dev/v1:Task", {"volumes": _FOLDER, "steps": [{"image": PINNED}]}),
        ("tekton.dev/v1:Pipeline", {"tasks": [{"taskSpec": {"volumes": _FOLDER, "steps": [{"image": PINNED}]}}]}),
        ("monitoring.coreos.com/v1:Prometheus", {"image": PINNED, "resources": {}, "volumes": _FOLDER}),
        ("argoproj.io/v1alpha1:Workflow", {"volumes": _FOLDER[:1], "workflowTemplateRef": {"name": "a"}}),
        (
            "argoproj.io/v1alpha1:Workflow",
            {"volumes": _FOLDER[:1], "templates": [{"container": {"image": PINNED}, "volumes": [{"emptyDir": {}}]}]},
        ),
        (
            "argoproj.io/v1alpha1:Workflow",
            {"templates": [{"dag": {"tasks": [{"inline": {"container": {"image": PINNED}, "volumes": _FOLDER[:1]}}]}}]},
        ),
    ],
)
def test_a_folder_of_the_node_is_found_beside_containers(kind: str, spec: Mapping[str, Any]) -> None:
    """Of other volumes an operator may have kinds of its own; what is no volume is passed over."""
    found = [one for one in _messages(_object(kind, spec), "ML001") if one.startswith("volume ")]
    assert [one.partition(",")[0] for one in found] == ["volume 'disk' is a hostPath"]


@pytest.mark.parametrize("within", [{"steps": [[{"inline": None}]]}, {"dag": {"tasks": [{"inline": None}]}}])
def test_a_template_within_a_step_is_one_of_the_workflow(within: Mapping[str, Any]) -> None:
    """What the workflow says holds for it, what nobody says is missing, and each is said once."""
    text = json.dumps(within).replace("null", json.dumps({"container": STEP}))
    spec = {"hostNetwork": True, "templates": [{"name": "a", **json.loads(text)}]}
    found = _messages(_object("argoproj.io/v1alpha1:Workflow", spec), "ML001", "ML006")
    for part in ("hostNetwork is true", "privileged is true", "has no sha256 digest", "runAsNonRoot is None"):
        assert sum(part in message for message in found) == 1, part


@pytest.mark.parametrize("odd", [None, 1, "text", [], [None], ["text"], [["text"]]])
def test_what_no_cluster_would_take_hides_nothing(odd: Any) -> None:
    """In place of a template, a container or defaults; Argo's own documents are not looked at by the API server."""
    spec = {
        "templateDefaults": odd,
        "templates": [
            {"container": STEP, "sidecars": odd, "initContainers": odd},
            {"container": odd, "containerSet": odd},
            {"containerSet": {"containers": odd}, "steps": odd, "dag": odd},
            odd,
        ],
    }
    found = _messages(_object("argoproj.io/v1alpha1:Workflow", spec), "ML001", "ML003", "ML004", "ML006", "ML010")
    for part in ("privileged is true", "has no sha256 digest", "env DB_PASSWORD holds a secret"):
        assert sum(part in message for message in found) == 1, part


def test_a_workflow_of_argo_says_all_of_its_pods() -> None:
    """What it leaves out is missing, as in a Deployment; what is said once for all templates counts for each."""
    bare = {"templates": [{"container": {"image": PINNED}}]}
    found = _messages(_object("argoproj.io/v1alpha1:Workflow", bare), "ML001", "ML003", "ML007")
    for part in ("allowPrivilegeEscalation is None", "runAsNonRoot is None", "readOnlyRoot", "serviceAccountName is"):
        assert any(part in message for message in found), part
    whole = {
        "serviceAccountName": "train",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "podMetadata": {"labels": {"shipway/model": "pricing"}},
        "templates": [{"container": {"image": PINNED, "securityContext": RESTRICTED}}, {"steps": [[{"name": "a"}]]}],
    }
    resource = _object("argoproj.io/v1alpha1:Workflow", whole)
    assert _messages(resource, "ML001", "ML003", "ML006", "ML007") == []
    (pod,) = pods(resource)
    assert (pod.labels, [one.get("name") for one in pod.containers]) == ({"shipway/model": "pricing"}, ["main"])


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("monitoring.coreos.com/v1:Prometheus", {"image": PINNED, "resources": {}, "securityContext": {}}),
        ("tekton.dev/v1:Task", {"steps": [{"name": "a", "image": PINNED}, {"name": "b", "ref": {"name": "c"}}]}),
    ],
)
def test_what_an_operator_fills_in_is_not_blamed(kind: str, spec: Mapping[str, Any]) -> None:
    """Only what is said of such a container can be wrong."""
    assert _messages(_object(kind, spec), "ML001", "ML003", "ML004", "ML006", "ML007", "ML010") == []


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("argoproj.io/v1alpha1:Rollout", {"strategy": {"canary": {"steps": [{"setWeight": 5}, {"pause": {}}]}}}),
        ("policy.sigstore.dev/v1beta1:ClusterImagePolicy", {"images": [{"glob": "registry.example.com/**"}]}),
        ("apps.kruise.io/v1alpha1:ImagePullJob", {"image": "registry.k8s.io/pause"}),
        ("example.com/v1:Template", {"templates": [{"name": "a", "dag": {"tasks": []}}, "text"]}),
        ("apiextensions.k8s.io/v1:CustomResourceDefinition", {"steps": {"image": {"type": "string"}, "args": {}}}),
    ],
)
def test_what_only_looks_like_a_step_is_none(kind: str, spec: Mapping[str, Any]) -> None:
    """A step of a rollout, a pattern, a picture, a template of templates, a schema."""
    assert list(pods(_object(kind, spec))) == []


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("argoproj.io/v1alpha1:Workflow", {"templates": UNKNOWN_STRING_VALUE}),
        ("argoproj.io/v1alpha1:Workflow", {"templates": [{"container": UNKNOWN_STRING_VALUE}]}),
        ("argoproj.io/v1alpha1:Workflow", {"templates": [], "podSpecPatch": UNKNOWN_STRING_VALUE}),
        ("argoproj.io/v1alpha1:Workflow", {"templates": [], "podSpecPatch": "{{workflow.parameters.patch}}"}),
        ("tekton.dev/v1:Task", {"steps": UNKNOWN_STRING_VALUE}),
        ("tekton.dev/v1:Task", {"steps": [{"image": UNKNOWN_STRING_VALUE}]}),
    ],
)
def test_a_step_that_is_not_known_is_undecided(kind: str, spec: Mapping[str, Any]) -> None:
    """Passing it would be a lie; so would passing a patch that is filled in when the workflow runs."""
    rule = next(rule for rule in all_rules() if rule.id == "ML006")
    found = judge([_object(kind, spec)], Tier.PROD, (), TODAY, rules=[rule])
    assert {one.outcome for one in found} == {Outcome.UNDECIDED}
