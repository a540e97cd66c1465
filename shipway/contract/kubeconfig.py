"""Which kubeconfig leads to the cluster of an environment, for Pulumi, for kubectl and for the command line alike."""

import os
from pathlib import Path
from typing import cast

from shipway.contract.cluster import cluster_name, kubernetes_spec
from shipway.contract.documents import read_yaml
from shipway.contract.environment import EnvironmentSpec, Target, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.kubernetes import KubernetesSpec

__all__ = ["cluster_of", "find_kubeconfig"]


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
        expected = f"a kubeconfig: there is none at {looked}{_written_by(environment)}"
        key, got = ("name", cluster.context) if environment.target is Target.AWS else ("kubernetes.kubeconfig", None)
        raise SpecError(path, key, cluster.kubeconfig or got, expected)
    if cluster.context is None:
        return found[0]
    contexts = {file: _contexts(file) for file in found}
    for file in found:
        if cluster.context in contexts[file]:
            return file
    known = ", ".join(sorted(name for names in contexts.values() for name in names))
    expected = f"one of the kubeconfig's contexts: {known or 'it has none'}{_written_by(environment)}"
    key = "name" if environment.target is Target.AWS else "kubernetes.context"
    raise SpecError(path, key, cluster.context, expected)


def _written_by(environment: EnvironmentSpec) -> str:
    if environment.target is not Target.AWS:
        return ""
    name = cluster_name(environment)
    return f"; `aws eks update-kubeconfig --region {environment.region} --name {name} --alias {name}` writes it"


def _contexts(file: Path) -> list[str]:
    listed = read_yaml(file).get("contexts")
    if not isinstance(listed, list):
        return []
    entries = cast(list[object], listed)
    return [str(cast(dict[str, object], entry).get("name")) for entry in entries if isinstance(entry, dict)]
