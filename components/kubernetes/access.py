"""Access: which kubeconfig leads to the cluster, and what kubectl reads there before anything is changed."""

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import pulumi
from pulumi_kubernetes import Provider

from components.kubernetes.names import ClusterNames
from shipway.contract.cluster import kubernetes_spec
from shipway.contract.documents import read_yaml
from shipway.contract.environment import EnvironmentSpec, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import Slot
from shipway.contract.route import ROUTE_STATE_ANNOTATION, parse_state, served

__all__ = ["ask", "cluster_of", "cluster_provider", "find_kubeconfig", "read_served_routes"]

_READ_SECONDS = 15
# What kubectl says of a cluster whose gateway is yet to come.
_NO_ROUTES_YET = 'the server doesn\'t have a resource type "httproutes"'


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


def cluster_of(root: Path, environment: EnvironmentSpec) -> KubernetesSpec:
    """Returns the cluster of an environment.

    Raises:
        SpecError: when it has none.
    """
    if (cluster := kubernetes_spec(environment)) is None:
        path = environment_path(root, environment.name)
        raise SpecError(path, "target", str(environment.target), "a target that runs on a cluster")
    return cluster


def find_kubeconfig(root: Path, environment: EnvironmentSpec) -> Path:
    """Returns the kubeconfig to use: the environment's own, or the first of KUBECONFIG's that has its context.

    Raises:
        SpecError: for a kubeconfig that is not there or a context that none has, naming the key and what there is.
    """
    cluster, path = cluster_of(root, environment), environment_path(root, environment.name)
    if cluster.kubeconfig:
        files = [root / Path(cluster.kubeconfig).expanduser()]
    else:
        listed = os.environ.get("KUBECONFIG", "").split(os.pathsep)
        files = [Path(one) for one in listed if one] or [Path.home() / ".kube" / "config"]
    found = [file for file in files if file.is_file()]
    if not found:
        looked = ", ".join(str(file) for file in files)
        raise SpecError(path, "kubernetes.kubeconfig", cluster.kubeconfig, f"a kubeconfig: there is none at {looked}")
    if cluster.context is None:
        return found[0]
    contexts = {file: _contexts(file) for file in found}
    for file in found:
        if cluster.context in contexts[file]:
            return file
    known = ", ".join(sorted(name for names in contexts.values() for name in names))
    expected = f"one of the kubeconfig's contexts: {known or 'it has none'}"
    raise SpecError(path, "kubernetes.context", cluster.context, expected)


def read_served_routes(root: Path, environment: EnvironmentSpec) -> Mapping[str, tuple[Slot, str]]:
    """Returns model -> the slot that takes traffic now and its digest, from the routes that delivery writes.

    A cluster without routes serves nothing.

    Raises:
        SpecError: when the cluster cannot be asked, or answers with something else.
    """
    cluster, path = cluster_of(root, environment), environment_path(root, environment.name)
    command = (
        *("kubectl", "get", "httproutes", "--namespace", ClusterNames(environment.name).models, "--output", "json"),
        *(f"--request-timeout={_READ_SECONDS}s", "--kubeconfig", str(find_kubeconfig(root, environment))),
        *(("--context", cluster.context) if cluster.context else ()),
    )
    asked = cluster.context or cluster.kubeconfig
    expected = "a cluster whose routes kubectl can read"
    try:
        done = ask(command)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpecError(path, "kubernetes.context", asked, f"{expected} ({error})") from None
    if done.returncode:
        if _NO_ROUTES_YET in done.stderr:
            return {}
        raise SpecError(path, "kubernetes.context", asked, f"{expected} ({done.stderr.strip()[:200]})")
    try:
        items: list[Any] = json.loads(done.stdout)["items"]
        states = {
            str(item["metadata"]["name"]): parse_state(state, f"HTTPRoute {item['metadata']['name']}")
            for item in items
            if (state := item["metadata"].get("annotations", {}).get(ROUTE_STATE_ANNOTATION))
        }
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise SpecError(path, "kubernetes.context", asked, f"{expected} ({error!r})") from None
    return served(states)


@cache
def ask(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Returns what kubectl answered; a program asks once, for each model's inputs hold the same answer.

    Raises:
        OSError: when there is no kubectl.
        subprocess.TimeoutExpired: when it does not come back.
    """
    return subprocess.run(command, capture_output=True, text=True, timeout=2 * _READ_SECONDS, check=False)


def _contexts(file: Path) -> list[str]:
    listed = read_yaml(file).get("contexts")
    if not isinstance(listed, list):
        return []
    entries = cast(list[object], listed)
    return [str(cast(dict[str, object], entry).get("name")) for entry in entries if isinstance(entry, dict)]
