"""Access: which kubeconfig leads to the cluster, and what kubectl reads there before anything is changed."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pulumi
from pulumi_kubernetes import Provider

from components.kubernetes.names import ClusterNames
from shipway.contract.documents import read_yaml
from shipway.contract.environment import EnvironmentSpec, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import Slot
from shipway.contract.route import ROUTE_STATE_ANNOTATION, parse_state, served

__all__ = ["cluster_provider", "read_served_routes", "refuse_missing_access"]

_READ_SECONDS = 15
# What kubectl says of a cluster whose gateway is yet to come.
_NO_ROUTES_YET = 'the server doesn\'t have a resource type "httproutes"'


def cluster_provider(name: str, root: Path, cluster: KubernetesSpec, parent: pulumi.Resource) -> Provider:
    """Returns the provider of every resource in the cluster."""
    return Provider(
        name,
        kubeconfig=str(_kubeconfig(root, cluster.kubeconfig)) if cluster.kubeconfig else None,
        context=cluster.context,
        # Another token, path or user in the kubeconfig is the same cluster; without this everything would be replaced.
        cluster_identifier=cluster.cluster_identifier,
        # A changed ConfigMap would otherwise be deleted and made anew under the pods that read it.
        enable_config_map_mutable=True,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def refuse_missing_access(root: Path, environment: EnvironmentSpec, cluster: KubernetesSpec) -> None:
    """Refuses a kubeconfig that is not there, and a context that none of its files has.

    Raises:
        SpecError: naming the key, its value and what there is.
    """
    path = environment_path(root, environment.name)
    if cluster.kubeconfig:
        files = [_kubeconfig(root, cluster.kubeconfig)]
    else:
        listed = os.environ.get("KUBECONFIG", "").split(os.pathsep)
        files = [Path(one) for one in listed if one] or [Path.home() / ".kube" / "config"]
    found = [file for file in files if file.is_file()]
    if not found:
        looked = ", ".join(str(file) for file in files)
        raise SpecError(path, "kubernetes.kubeconfig", cluster.kubeconfig, f"a kubeconfig: there is none at {looked}")
    if cluster.context:
        contexts = sorted(name for file in found for name in _contexts(file))
        if cluster.context not in contexts:
            known = f"one of the kubeconfig's contexts: {', '.join(contexts) or 'it has none'}"
            raise SpecError(path, "kubernetes.context", cluster.context, known)


def read_served_routes(
    root: Path, environment: EnvironmentSpec, cluster: KubernetesSpec
) -> Mapping[str, tuple[Slot, str]]:
    """Returns model -> the slot that takes traffic now and its digest, from the routes that delivery writes.

    A cluster without routes serves nothing.

    Raises:
        SpecError: when the cluster cannot be asked, or answers with something else.
    """
    path, names = environment_path(root, environment.name), ClusterNames(environment.name)
    command = ["kubectl", "get", "httproutes", "--namespace", names.models, "--output", "json"]
    command += [f"--request-timeout={_READ_SECONDS}s"]
    if cluster.kubeconfig:
        command += ["--kubeconfig", str(_kubeconfig(root, cluster.kubeconfig))]
    if cluster.context:
        command += ["--context", cluster.context]
    asked = cluster.context or cluster.kubeconfig
    expected = "a cluster whose routes kubectl can read"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * _READ_SECONDS, check=False)
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


def _kubeconfig(root: Path, written: str) -> Path:
    return root / Path(written).expanduser()


def _contexts(file: Path) -> list[str]:
    listed = read_yaml(file).get("contexts")
    if not isinstance(listed, list):
        return []
    entries = cast(list[object], listed)
    return [str(cast(dict[str, object], entry).get("name")) for entry in entries if isinstance(entry, dict)]
