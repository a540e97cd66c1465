"""Access: which kubeconfig leads to the cluster, and what kubectl reads there before anything is changed."""

import json
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
from pulumi_kubernetes import Provider

from components.kubernetes.gpu_types import GpuTable
from components.kubernetes.names import ClusterNames
from components.target import Unasked
from shipway.contract.environment import EnvironmentSpec, GpuPoolSpec, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.kubeconfig import cluster_of, find_kubeconfig
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import Slot
from shipway.contract.route import ROUTE_STATE_ANNOTATION, parse_state, served

__all__ = [
    "ask",
    "cluster_of",
    "cluster_provider",
    "find_kubeconfig",
    "read_served_routes",
    "refuse_unfit_cluster",
]

_READ_SECONDS = 15
# What kubectl says of a kind that is yet to come, such as a route before there is a gateway.
_NO_SUCH_KIND = "the server doesn't have a resource type"
# What it says when nobody believes who one is, or a program that should tell fails.
_NO_CREDENTIAL = ("Unauthorized", "You must be logged in", "getting credentials", "the server has asked for the client")


def cluster_provider(name: str, root: Path, environment: EnvironmentSpec, parent: pulumi.Resource | None) -> Provider:
    """Returns the provider of every resource in the cluster.

    Raises:
        SpecError: when there is no such kubeconfig or context.
    """
    cluster = cluster_of(root, environment)
    return Provider(
        name,
        # Always said: unsaid, it would be whatever KUBECONFIG holds, which may be a list that the provider cannot read.
        kubeconfig=str(find_kubeconfig(root, environment)),
        context=cluster.context,
        # Another path, token or user is the same cluster; without this it would be replaced, and all in it.
        cluster_identifier=cluster.cluster_identifier,
        # A changed ConfigMap would otherwise be deleted and made anew under the pods that read it.
        enable_config_map_mutable=True,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def read_served_routes(root: Path, environment: EnvironmentSpec) -> Mapping[str, tuple[Slot, str]]:
    """Returns model -> the slot that takes traffic now and its digest, from the routes that delivery writes.

    A cluster without routes serves nothing.

    Raises:
        Unasked: when the cluster cannot be asked, or answers with something else.
    """
    models = ClusterNames(environment.name).models
    try:
        answer = _read(root, environment, "httproutes", "--namespace", models, "--output", "json")
    except _NoSuchKind:
        return {}
    try:
        items: list[Any] = json.loads(answer)["items"]
        states = {
            str(item["metadata"]["name"]): parse_state(state, f"HTTPRoute {item['metadata']['name']}")
            for item in items
            if (state := item["metadata"].get("annotations", {}).get(ROUTE_STATE_ANNOTATION))
        }
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise _unasked(root, environment, f"a cluster whose routes kubectl can read ({error!r})") from None
    return served(states)


def refuse_unfit_cluster(root: Path, environment: EnvironmentSpec, table: GpuTable) -> None:
    """Refuses a cluster that lacks what its environment says is there already.

    Raises:
        SpecError: naming the key and what is missing.
        Unasked: when the cluster cannot be asked.
    """
    cluster, path = cluster_of(root, environment), environment_path(root, environment.name)
    known = _names(root, environment, "customresourcedefinitions")
    for key, kinds in _kinds_of(cluster).items():
        if missing := [kind for kind in kinds if kind not in known]:
            raise SpecError(path, key, "installed", f"a cluster that knows {', '.join(missing)}")
    if (gateway := cluster.gateway.installed) is not None:
        classes = _names(root, environment, "gatewayclasses")
        if gateway.class_name not in classes:
            there = ", ".join(sorted(classes)) or "it has none"
            raise SpecError(
                path, "kubernetes.gateway.installed.class_name", gateway.class_name, f"one of its classes: {there}"
            )
    # The labels come from the operator: where the platform brings it there are none before the first deployment.
    if cluster.gpu_operator_installed:
        for number, pool in enumerate(environment.gpu_pools):
            _refuse_unfit_nodes(root, environment, f"gpu_pools.{number}", pool, table)


def _refuse_unfit_nodes(root: Path, environment: EnvironmentSpec, key: str, pool: GpuPoolSpec, table: GpuTable) -> None:
    path, row = environment_path(root, environment.name), table.rows[pool.gpu_type]
    selector = ",".join(f"{label}={value}" for label, value in table.labels(pool.gpu_type).items())
    listed: list[Any] = json.loads(_read(root, environment, "nodes", "--selector", selector, "--output", "json"))[
        "items"
    ]
    if len(listed) < pool.min_nodes:
        raise SpecError(
            path, f"{key}.min_nodes", pool.min_nodes, f"as many nodes labelled {selector}, there are {len(listed)}"
        )
    for node in listed:
        taints = {str(taint["key"]) for taint in node["spec"].get("taints", ())}
        if row.taint_key not in taints:
            expected = f"nodes tainted {row.taint_key}=present:NoSchedule, {node['metadata']['name']} is not"
            raise SpecError(path, f"{key}.gpu_type", pool.gpu_type, expected)


def _kinds_of(cluster: KubernetesSpec) -> dict[str, tuple[str, ...]]:
    """Returns key of the environment -> the definitions that must be there, for all that is said to be installed."""
    found: dict[str, tuple[str, ...]] = {}
    if cluster.gateway.installed is not None:
        names = ("gatewayclasses", "gateways", "httproutes")
        found["kubernetes.gateway.installed"] = tuple(f"{name}.gateway.networking.k8s.io" for name in names)
    if cluster.monitoring.installed is not None:
        names = ("prometheusrules", "servicemonitors")
        found["kubernetes.monitoring.installed"] = tuple(f"{name}.monitoring.coreos.com" for name in names)
    brought = any(one.installed is None for one in (cluster.mlflow_postgres, cluster.feast_postgres))
    if cluster.postgres_operator_namespace is not None and brought:
        found["kubernetes.postgres_operator_namespace"] = ("clusters.postgresql.cnpg.io",)
    if cluster.keda_installed:
        found["kubernetes.keda_installed"] = ("scaledobjects.keda.sh",)
    if cluster.admission is not None and cluster.admission.installed:
        found["kubernetes.admission.installed"] = ("clusterimagepolicies.policy.sigstore.dev",)
    return found


class _NoSuchKind(Exception):
    """The cluster does not know what was asked for."""


def _names(root: Path, environment: EnvironmentSpec, kind: str) -> frozenset[str]:
    answer = _read(root, environment, kind, "--output", "name")
    return frozenset(line.partition("/")[2] for line in answer.splitlines())


def _read(root: Path, environment: EnvironmentSpec, *what: str) -> str:
    """Returns what `kubectl get` answered.

    Raises:
        Unasked: when it got no answer.
        _NoSuchKind: when the cluster does not know the kind.
    """
    cluster = cluster_of(root, environment)
    command = (
        *("kubectl", "get", *what, f"--request-timeout={_READ_SECONDS}s"),
        *("--kubeconfig", str(find_kubeconfig(root, environment))),
        *(("--context", cluster.context) if cluster.context else ()),
    )
    try:
        done = ask(command)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unasked(root, environment, f"a cluster that kubectl can ask ({error})") from None
    if done.returncode:
        if _NO_SUCH_KIND in done.stderr:
            raise _NoSuchKind
        said = " ".join(done.stderr.split())[-200:]
        raise _unasked(root, environment, f"{_remedy(done.stderr)} ({said})")
    return done.stdout


def _remedy(said: str) -> str:
    if any(sign in said for sign in _NO_CREDENTIAL):
        return "a credential that the cluster takes, so log in to it anew"
    if "Forbidden" in said or "forbidden" in said:
        return "a credential that may read what is there"
    return "a cluster that answers"


def _unasked(root: Path, environment: EnvironmentSpec, expected: str) -> Unasked:
    cluster, path = cluster_of(root, environment), environment_path(root, environment.name)
    return Unasked(path, "kubernetes.context", cluster.context or cluster.kubeconfig, expected)


@cache
def ask(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Returns what kubectl answered; a program asks once, for each model's inputs hold the same answer.

    Raises:
        OSError: when there is no kubectl.
        subprocess.TimeoutExpired: when it does not come back.
    """
    return subprocess.run(command, capture_output=True, text=True, timeout=2 * _READ_SECONDS, check=False)
