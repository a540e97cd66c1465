"""A stand-in for Pulumi's Kubernetes provider where there is no API server either: it checks, remembers and forgets.

Every object is checked against the types that the provider's own Python SDK declares, custom resources against their
definitions where those are on this machine. What only a server knows (admission, defaults, controllers) it does not
prove; tests/standins/kubernetes_provider.py goes to a real one. The engine starts it by its name,
`pulumi-resource-kubernetes`; SHIPWAY_STANDIN_WORLD names its file and SHIPWAY_STANDIN_CRDS the folder of definitions.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import pulumi_kubernetes
import yaml
from pulumi.runtime.rpc import UNKNOWN
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from tests.standins import checking, crds
from tests.standins.offline_provider import Checked, OfflineProvider, Problems, Refused
from tests.standins.sdk import ResourceType, fields, resource_type
from tests.standins.shape import REPLACING, shown
from tests.standins.wire import has_unknown, serve
from tests.standins.world import Objects, World

__all__ = ["OfflineKubernetes", "main"]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
# The parts of a name that RBAC's objects may hold besides.
_ANY_NAME = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})
_RELEASE = "kubernetes:helm.sh/v3:Release"
_NAMESPACE = "kubernetes:core/v1:Namespace"
# There in every cluster.
_NAMESPACES = frozenset({"default", "kube-node-lease", "kube-public", "kube-system"})
# What a provider is told of the cluster it works in; another one is another cluster.
_LEADS_TO_CLUSTER = ("kubeconfig", "context", "cluster")


class OfflineKubernetes(OfflineProvider):
    """One provider process: a cluster that is not there, and what the engine asks of it.

    Args:
        world: what has been made.
        definitions: the folder of custom resource definitions, None where there is none.
    """

    def __init__(self, world: World, definitions: Path | None) -> None:
        super().__init__("kubernetes", version("pulumi-kubernetes"), world)
        self._definitions = definitions

    def check_provider(self, given: Mapping[str, Any]) -> Problems:
        found = checking.settings(given, fields(pulumi_kubernetes.ProviderArgs))
        return found or list(_unreachable(given))

    def replaced_by(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Sequence[str]:
        identifiers = olds.get("clusterIdentifier"), news.get("clusterIdentifier")
        if any(identifiers):
            return ["clusterIdentifier"] if identifiers[0] != identifiers[1] else []
        return [key for key in _LEADS_TO_CLUSTER if olds.get(key) != news.get(key)]

    def configure(self, given: Mapping[str, Any]) -> None:
        """There is nothing to reach."""

    def check(self, kind: str, name: str, inputs: dict[str, Any], olds: Mapping[str, Any], seed: bytes) -> Checked:
        suffix = hashlib.sha256(seed).hexdigest()[:8]
        if kind == _RELEASE:
            inputs.setdefault("name", olds.get("name") or f"{name}-{suffix}")
        elif inputs.get("metadata") != UNKNOWN:
            metadata = cast(dict[str, Any], inputs.setdefault("metadata", {}))
            if not metadata.get("name"):
                metadata["name"] = shown(olds, "metadata.name") or f"{name}-{suffix}"
        known = resource_type(kind)
        found = list(checking.problems(known, inputs) if known else self._custom(kind, inputs))
        return Checked(inputs, found or list(_refused(kind, inputs)))

    def replacing(self, kind: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> tuple[list[str], bool]:
        if kind == _RELEASE:
            return [key for key in ("name", "namespace") if olds.get(key) != news.get(key)], True
        paths = ("metadata.name", "metadata.namespace", *REPLACING.get(kind.rpartition(":")[2], ()))
        return sorted({path.split(".")[0] for path in paths if shown(olds, path) != shown(news, path)}), True

    def made(self, kind: str, inputs: Mapping[str, Any], fresh: str) -> tuple[str, dict[str, Any]]:
        objects = self._world.read()
        if kind == _RELEASE:
            place = str(inputs.get("namespace") or "default")
            if not inputs.get("createNamespace"):
                _refuse_missing_namespace(place, objects)
            status = {key: inputs.get(key) for key in ("name", "namespace", "chart", "version")}
            return f"{place}/{inputs['name']}", {**inputs, "status": {**status, "status": "deployed", "revision": 1}}
        metadata = cast(Mapping[str, Any], inputs["metadata"])
        place = metadata.get("namespace")
        if place:
            _refuse_missing_namespace(str(place), objects)
        properties = {**inputs, "metadata": {**metadata, "uid": fresh[:32], "generation": 1}}
        if shown(inputs, "spec.type") == "LoadBalancer":
            properties["status"] = {"loadBalancer": {"ingress": [{"hostname": f"{fresh[:16]}.elb.example.com"}]}}
        return f"{place}/{metadata['name']}" if place else str(metadata["name"]), properties

    def foreseen(self, kind: str, inputs: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        known = resource_type(kind)
        if before:
            kept = {key: before[key] for key in ("status",) if key in before}
            return {**kept, **inputs}
        return {**inputs, **({"status": UNKNOWN} if known and "status" in known.outputs else {})}

    def invoked(self, token: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        return None

    def _custom(self, kind: str, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Checks an object that the SDK has no type for."""
        _, group, name = kind.split(":")
        expected = {"apiVersion": group, "kind": name}
        for key, value in expected.items():
            if inputs.get(key) != value:
                yield key, f"is {inputs.get(key)!r}, expected {value!r}"
        metadata = fields(ObjectMetaArgs)
        only = ResourceType(kind, {"metadata": ObjectMetaArgs}, frozenset({"metadata"}), {}, frozenset())
        assert metadata
        yield from checking.problems(only, {"metadata": inputs.get("metadata")})
        schema = crds.schema_of(self._definitions, group, name) if self._definitions else None
        if schema is not None:
            rest = {key: value for key, value in inputs.items() if key not in (*expected, "metadata")}
            for where, what in crds.problems(rest, schema, ""):
                yield where.removeprefix("."), what


def _unreachable(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Says why a kubeconfig leads nowhere, which the real provider finds at the first object."""
    text = given.get("kubeconfig")
    if not isinstance(text, str) or has_unknown(dict(given)):
        return
    if "\n" not in text and not text.lstrip().startswith("{"):
        path = Path(text).expanduser()
        if not path.is_file():
            yield "kubeconfig", f"configured Kubernetes cluster is unreachable: there is no kubeconfig at {path}"
            return
        text = path.read_text(encoding="utf-8")
    document: Any = yaml.safe_load(text)
    if not isinstance(document, dict) or not document.get("clusters"):
        yield "kubeconfig", "configured Kubernetes cluster is unreachable: the kubeconfig names no cluster"
        return
    contexts = [one["name"] for one in cast(dict[str, Any], document).get("contexts") or []]
    context = given.get("context") or document.get("current-context")
    if context not in contexts:
        yield "context", f"configured Kubernetes cluster is unreachable: context {context!r} does not exist"


def _refused(kind: str, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Says what every API server refuses of an object's names, labels and selectors."""
    if kind == _RELEASE or inputs.get("metadata") == UNKNOWN:
        return
    name = kind.rpartition(":")[2]
    metadata = cast(Mapping[str, Any], inputs["metadata"])
    form = _LABEL if name in ("Namespace", "Service") else _SUBDOMAIN
    own = metadata.get("name")
    if isinstance(own, str) and not has_unknown(own) and name not in _ANY_NAME and not form.fullmatch(own):
        what = "RFC 1123 label" if form is _LABEL else "RFC 1123 subdomain"
        yield "metadata.name", f"Invalid value: {own!r}: a lowercase {what} is expected"
    labels = metadata.get("labels")
    for key, value in (cast(Mapping[str, Any], labels) if isinstance(labels, Mapping) else {}).items():
        if isinstance(value, str) and not has_unknown(value) and not _LABEL_VALUE.fullmatch(value):
            yield f"metadata.labels.{key}", f"Invalid value: {value!r}: at most 63 letters, digits, '-', '_' and '.'"
    wanted, given = shown(inputs, "spec.selector.matchLabels"), shown(inputs, "spec.template.metadata.labels")
    if name in ("Deployment", "StatefulSet", "DaemonSet") and not has_unknown([wanted, given]):
        if not (wanted or {}).items() <= (given or {}).items():
            yield "spec.template.metadata.labels", f"Invalid value: {given}: `selector` does not match template `labels`"


def _refuse_missing_namespace(name: str, objects: Objects) -> None:
    created = {str(one.get("namespace")) for key, one in objects.items() if key.startswith(_RELEASE) and one.get("createNamespace")}
    if name not in _NAMESPACES | created and f"{_NAMESPACE}/{name}" not in objects:
        raise Refused(f'namespaces "{name}" not found')


def main() -> None:
    """Serves until the engine lets go."""
    definitions = os.environ.get("SHIPWAY_STANDIN_CRDS")
    world = World(Path(os.environ["SHIPWAY_STANDIN_WORLD"]))
    serve(OfflineKubernetes(world, Path(definitions) if definitions else None), __doc__)


if __name__ == "__main__":
    main()
