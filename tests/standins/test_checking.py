"""Inputs against what the SDKs declare: each kind of mistake has its sentence, and the unknown is no mistake."""

from collections.abc import Mapping
from typing import Any

import pulumi_aws
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime.rpc import UNKNOWN

from tests.standins.checking import problems, settings
from tests.standins.sdk import ResourceType, fields, resource_type

CLUSTER, DEPLOYMENT = "aws:eks/cluster:Cluster", "kubernetes:apps/v1:Deployment"
GOOD: Mapping[str, Mapping[str, Any]] = {
    CLUSTER: {
        "roleArn": "arn:aws:iam::123456789012:role/eks",
        "vpcConfig": {"subnetIds": ["subnet-1", "subnet-2"], "endpointPrivateAccess": True},
        "enabledClusterLogTypes": ["api"],
        "tags": {"shipway/env": "test"},
    },
    DEPLOYMENT: {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {
            "selector": {"matchLabels": {"app": "a"}},
            "template": {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}]}]}},
        },
    },
}


def kind(token: str) -> ResourceType:
    found = resource_type(token)
    assert found is not None
    return found


def at(document: Any, path: str, value: Any) -> Any:
    """Returns the document with `value` at a dotted path; without the path's end where `value` is None."""
    key, _, rest = path.partition(".")
    if isinstance(document, list):
        found = at(document[int(key)], rest, value) if rest else value
        return [found if number == int(key) else one for number, one in enumerate(document)]
    if rest:
        return {**document, key: at(document.get(key, {}), rest, value)}
    return {name: one for name, one in {**document, key: value}.items() if one is not None}


@pytest.mark.parametrize(
    ("token", "path", "value", "problem"),
    [
        (CLUSTER, "roleArn", None, ("roleArn", "is missing, but it is required")),
        (CLUSTER, "roleArm", "x", ("roleArm", "is no property of it (did you mean 'roleArn'?)")),
        (CLUSTER, "version", 1.34, ("version", "is a number, expected a string")),
        (CLUSTER, "deletionProtection", "true", ("deletionProtection", "is a string, expected a boolean")),
        (CLUSTER, "vpcConfig", [], ("vpcConfig", "is a list, expected an object")),
        (CLUSTER, "vpcConfig.subnetIds", "subnet-1", ("vpcConfig.subnetIds", "is a string, expected a list")),
        (CLUSTER, "vpcConfig.subnetIds", None, ("vpcConfig.subnetIds", "is missing, but it is required")),
        (CLUSTER, "vpcConfig.subnets", [], ("vpcConfig.subnets", "is no property of it (did you mean 'subnetIds'?)")),
        (CLUSTER, "enabledClusterLogTypes.0", 1, ("enabledClusterLogTypes[0]", "is a whole number, expected a string")),
        (CLUSTER, "tags.shipway/env", {"a": "b"}, ("tags.shipway/env", "is an object, expected a string")),
        (DEPLOYMENT, "kind", "Deploymint", ("kind", "is 'Deploymint', expected 'Deployment'")),
        (DEPLOYMENT, "spec.replicas", True, ("spec.replicas", "is a boolean, expected a whole number")),
        (
            DEPLOYMENT,
            "spec.template.spec.containers.0.imag",
            "x",
            ("spec.template.spec.containers[0].imag", "is no property of it (did you mean 'image'?)"),
        ),
    ],
)
def test_each_mistake_is_named_with_its_path(token: str, path: str, value: Any, problem: tuple[str, str]) -> None:
    """One wrong property gives one sentence, and the same inputs without it none."""
    assert list(problems(kind(token), GOOD[token])) == []
    assert list(problems(kind(token), at(GOOD[token], path, value))) == [problem]


PATHS = [
    (token, path)
    for token, paths in {
        CLUSTER: ("roleArn", "vpcConfig", "vpcConfig.subnetIds", "vpcConfig.subnetIds.1", "tags", "tags.shipway/env"),
        DEPLOYMENT: ("spec", "spec.template.spec.containers", "spec.template.spec.containers.0.ports.0.containerPort"),
    }.items()
    for path in paths
]


@given(st.sampled_from(PATHS))
def test_what_is_not_known_yet_fits_everywhere(where: tuple[str, str]) -> None:
    """Any value of a good input may be unknown instead."""
    token, path = where
    assert list(problems(kind(token), at(GOOD[token], path, UNKNOWN))) == []


def test_a_number_or_a_name_may_stand_where_both_may() -> None:
    """A Service's target port is of either type, and of no third."""
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80, "targetPort": "http"}]}}
    token = "kubernetes:core/v1:Service"
    assert list(problems(kind(token), service)) == []
    assert list(problems(kind(token), at(service, "spec.ports.0.targetPort", 8080))) == []
    assert [where for where, _ in problems(kind(token), at(service, "spec.ports.0.targetPort", []))] == [
        "spec.ports[0].targetPort"
    ]


def test_a_message_never_repeats_a_value() -> None:
    """A value of the wrong type may be a secret in the wrong place."""
    found = dict(problems(kind("aws:rds/instance:Instance"), {"instanceClass": "db.t4g.small", "password": ["s3cret"]}))
    assert found == {"password": "is a list, expected a string"}


def test_settings_of_a_provider_are_decoded_before_they_are_checked() -> None:
    """The SDK sends a provider's lists, maps and booleans as JSON."""
    known = fields(pulumi_aws.ProviderArgs)
    good = {"region": "eu-west-1", "skipRegionValidation": "true", "defaultTags": '{"tags":{"a":"b"}}', "version": "7"}
    assert settings(good, known) == []
    assert settings({**good, "regoin": "eu-west-1"}, known) == [
        ("regoin", "is no property of it (did you mean 'region'?)")
    ]
    assert settings({**good, "defaultTags": '{"tag":{}}'}, known) == [
        ("defaultTags.tag", "is no property of it (did you mean 'tags'?)")
    ]
