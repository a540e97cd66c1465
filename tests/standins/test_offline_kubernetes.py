"""The stand-in for a cluster that is not there: what it refuses, and how a provider is replaced."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.standins.conftest import Engine
from tests.standins.offline_kubernetes import OfflineKubernetes
from tests.standins.offline_provider import Refused
from tests.standins.world import World
from tools.foreseen import Change

ROUTE = "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"
DEPLOYMENT, SERVICE = "kubernetes:apps/v1:Deployment", "kubernetes:core/v1:Service"
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "spec": {
        "group": "gateway.networking.k8s.io",
        "names": {"kind": "HTTPRoute"},
        "versions": [
            {
                "name": "v1",
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "hostnames": {
                                        "type": "array",
                                        "items": {"type": "string", "pattern": r"^[a-z.]+$"},
                                    },
                                    "port": {"x-kubernetes-int-or-string": True},
                                    "mode": {"type": "string", "enum": ["Exact", "Prefix"]},
                                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture
def cluster(tmp_path: Path) -> OfflineKubernetes:
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "routes.yaml").write_text(yaml.safe_dump(DEFINITION))
    return OfflineKubernetes(World(tmp_path / "world.json"), tmp_path / "crds")


def problems(cluster: OfflineKubernetes, kind: str, inputs: dict[str, Any]) -> list[tuple[str, str]]:
    return list(cluster.check(kind, "named", json.loads(json.dumps(inputs)), {}, b"seed").problems)


def route(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "route"},
        "spec": spec,
    }


def deployment(labels: dict[str, str]) -> dict[str, Any]:
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    spec = {"selector": {"matchLabels": {"app": "a"}}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"hostnames": ["a.example"], "port": "http", "mode": "Exact", "labels": {"a": "b"}, "free": {"x": [1]}}, None),
        ({"hostname": []}, ("spec.hostname", "unknown field")),
        ({"hostnames": "a.example"}, ("spec.hostnames", "must be of type array, not str")),
        ({"hostnames": ["A"]}, ("spec.hostnames[0]", "'A' should match '^[a-z.]+$'")),
        ({"port": []}, ("spec.port", "must be a whole number or a string, not list")),
        ({"mode": "Suffix"}, ("spec.mode", "unsupported value 'Suffix': supported are 'Exact', 'Prefix'")),
        ({"labels": {"a": 1}}, ("spec.labels.a", "must be of type string, not int")),
    ],
)
def test_a_custom_resource_is_checked_against_its_definition(
    cluster: OfflineKubernetes, spec: dict[str, Any], problem: tuple[str, str] | None
) -> None:
    """Unknown fields, types, patterns and enumerations are what an API server would refuse strictly."""
    assert problems(cluster, ROUTE, route(**spec)) == ([problem] if problem else [])


def test_a_custom_resource_without_a_definition_has_its_own_head_checked(cluster: OfflineKubernetes) -> None:
    """Its version, kind and metadata are known from its type; what is in its spec is not, and is let be."""
    unknown = {"apiVersion": "keda.sh/v2", "kind": "ScaledObject", "metadata": {"label": {}}, "spec": {"x": 1}}
    assert problems(cluster, "kubernetes:keda.sh/v1:ScaledObject", unknown) == [
        ("apiVersion", "is 'keda.sh/v2', expected 'keda.sh/v1'"),
        ("metadata.label", "is no property of it (did you mean 'labels'?)"),
    ]


@pytest.mark.parametrize(
    ("kind", "inputs", "where"),
    [
        (DEPLOYMENT, deployment({"app": "a"}), None),
        (DEPLOYMENT, deployment({"app": "b"}), "spec.template.metadata.labels"),
        (SERVICE, {"metadata": {"name": "a.b"}}, "metadata.name"),
        ("kubernetes:core/v1:Secret", {"metadata": {"name": "a.b"}}, None),
        ("kubernetes:core/v1:Secret", {"metadata": {"name": "A"}}, "metadata.name"),
        ("kubernetes:rbac.authorization.k8s.io/v1:Role", {"metadata": {"name": "system:A"}}, None),
        (SERVICE, {"metadata": {"name": "a", "labels": {"owner": "a@b"}}}, "metadata.labels.owner"),
    ],
)
def test_names_labels_and_selectors_are_what_a_server_takes(
    cluster: OfflineKubernetes, kind: str, inputs: dict[str, Any], where: str | None
) -> None:
    """What every API server refuses is refused here."""
    assert [path for path, _ in problems(cluster, kind, inputs)] == ([where] if where else [])


def test_an_object_needs_its_namespace(cluster: OfflineKubernetes) -> None:
    """An object that does not wait for its namespace is refused, as it would be the first time only."""
    inputs = {"metadata": {"name": "a", "namespace": "models"}}
    with pytest.raises(Refused, match='namespaces "models" not found'):
        cluster.made(SERVICE, inputs, "0" * 64)
    balanced = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"type": "LoadBalancer"}}
    identity, properties = cluster.made(SERVICE, balanced, "0" * 64)
    assert identity == "default/a"
    assert properties["status"]["loadBalancer"]["ingress"][0]["hostname"]


@pytest.mark.parametrize(
    ("olds", "news", "replaced"),
    [
        ({"kubeconfig": "a", "clusterIdentifier": "x"}, {"kubeconfig": "b", "clusterIdentifier": "x"}, []),
        (
            {"kubeconfig": "a", "clusterIdentifier": "x"},
            {"kubeconfig": "a", "clusterIdentifier": "y"},
            ["clusterIdentifier"],
        ),
        ({"kubeconfig": "a"}, {"kubeconfig": "b"}, ["kubeconfig"]),
        ({"kubeconfig": "a"}, {"kubeconfig": "a", "enableConfigMapMutable": "true"}, []),
    ],
)
def test_another_cluster_replaces_the_provider(
    cluster: OfflineKubernetes, olds: dict[str, str], news: dict[str, str], replaced: list[str]
) -> None:
    """The identifier stands for the cluster; without one, whatever leads there does."""
    assert cluster.replaced_by(olds, news) == replaced


def test_a_kubeconfig_that_leads_nowhere_is_refused(cluster: OfflineKubernetes, tmp_path: Path) -> None:
    """A file that is not there and a context that it does not have are errors of the provider."""
    path = tmp_path / "kubeconfig"
    ((_, said),) = cluster.check_provider({"kubeconfig": str(path)})
    assert said == f"configured Kubernetes cluster is unreachable: there is no kubeconfig at {path}"
    path.write_text(yaml.safe_dump({"clusters": [{"name": "a"}], "contexts": [{"name": "a"}]}))
    ((_, said),) = cluster.check_provider({"kubeconfig": str(path), "context": "b"})
    assert said == "configured Kubernetes cluster is unreachable: context 'b' does not exist"
    assert list(cluster.check_provider({"kubeconfig": str(path), "context": "a"})) == []


PROGRAM = textwrap.dedent(
    """
    import json
    import pulumi
    import pulumi_aws as aws
    import pulumi_kubernetes as k8s

    there = pulumi.ResourceOptions(provider=aws.Provider("there", region="eu-west-1"))
    cluster = aws.eks.Cluster(
        "eks",
        role_arn="arn:aws:iam::123456789012:role/eks",
        vpc_config={"subnet_ids": ["subnet-1", "subnet-2"]},
        opts=there,
    )
    kubeconfig = pulumi.Output.json_dumps(
        {
            "clusters": [{"name": "eks", "cluster": {"server": cluster.endpoint}}],
            "contexts": [{"name": "eks", "context": {"cluster": "eks"}}],
            "current-context": "eks",
        }
    )
    opts = pulumi.ResourceOptions(provider=k8s.Provider("on", kubeconfig=kubeconfig, cluster_identifier="eks"))
    space = k8s.core.v1.Namespace("models", metadata={"name": "models"}, opts=opts)
    k8s.core.v1.Service(
        "entry",
        metadata={"name": "entry", "namespace": space.metadata.name},
        spec={"type": "LoadBalancer", "ports": [{"port": 443, "protocol": PROTOCOL}]},
        opts=opts,
    )
    """
)


@pytest.mark.standins
@pytest.mark.timeout(120)
def test_a_provider_of_a_cluster_to_come_judges_nothing_before_it_is_there(engine: Engine) -> None:
    """With an unknown kubeconfig the engine asks nothing of it at preview, as of the real one; `up` does."""
    engine.program(PROGRAM.replace("PROTOCOL", "6"))
    steps = engine.foresee("preview").steps
    assert {step.change for step in steps} == {Change.CREATE}
    assert "spec.ports[0].protocol" in engine.foresee("up", code=1).errors[0]
