"""Containers where custom resources put them: steps of Argo Workflows and Tekton, and whatever is shaped like one."""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any, cast

import yaml

from policies.resource import at, mappings, rows
from policies.unknown import Undecidable
from shipway.contract.documents import load_yaml

__all__ = ["ARGO_KEYS", "argo_pods", "is_argo_template", "is_container", "of_the_node", "patched_pod"]

# Beside `image`, what says that a mapping is a container and not a picture, or a base that something is built on.
_OF_CONTAINERS = frozenset(
    {
        "args",
        "command",
        "env",
        "envFrom",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "ports",
        "readinessProbe",
        "resources",
        "script",
        "securityContext",
        "source",
        "startupProbe",
        "volumeMounts",
        "workingDir",
    }
)
# Under these names an image alone makes a container; Tekton's steps may leave even that to a template.
_NAMED = frozenset({"container", "initContainers", "script", "sidecar", "sidecars", "stepTemplate", "steps"})
_STEPS = frozenset({"sidecars", "stepTemplate", "steps"})
_OWN_OF_STEPS = frozenset({"env", "envFrom", "script", "securityContext", "volumeMounts"})
# The containers of a template of Argo Workflows, each kind of which may be missing.
ARGO_KEYS = frozenset({"container", "containerSet", "initContainers", "script", "sidecars"})
_ARGO_MAIN = ("container", "script", "containerSet")
_NONE: Mapping[str, Any] = {}
# What gives pods the node's own, beside their containers.
_OF_THE_NODE = ("hostIPC", "hostNetwork", "hostPID")


def is_container(value: Mapping[str, Any], name: str) -> bool:
    """Returns whether a mapping is a container of a pod by its shape.

    Args:
        value: the mapping; only whether it has an image is read of it.
        name: the key under which it lies, or the list that it is in.
    """
    keys = frozenset(value)
    if "image" not in keys:
        return name in _STEPS and bool(keys & _OWN_OF_STEPS)
    try:
        is_text = isinstance(value["image"], str)
    except Undecidable:
        is_text = True
    return is_text and (name in _NAMED or bool(keys & _OF_CONTAINERS))


def is_argo_template(value: Any) -> bool:
    """Returns whether a value in a list of templates makes a pod of Argo Workflows."""
    return isinstance(value, Mapping) and any(key in _ARGO_MAIN for key in cast(Mapping[str, Any], value))


def argo_pods(workflow: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Returns what holds the metadata, and the pod's spec, of every template of a workflow that makes a pod.

    What a template leaves out, the defaults of templates say, and then the workflow. Layered, for a copy would read
    every value, unknown ones too.
    """
    whole: Any = workflow
    defaults: Any = next(iter(mappings(workflow.get("templateDefaults"))), _NONE)
    for template in filter(is_argo_template, _templates(workflow)):
        main = [one for key in _ARGO_MAIN[:2] for one in mappings(template.get(key))]
        containers: list[Any] = [
            *(ChainMap({"name": "main"}, cast(dict[str, Any], one)) for one in main),
            *rows(at(template.get("containerSet"), "containers")),
            *rows(template.get("sidecars")),
        ]
        # A template's volumes come beside the workflow's, where all else that it says comes instead.
        volumes = [one for level in (template, defaults, whole) for one in rows(level.get("volumes"))]
        spec: Any = {
            "containers": containers,
            "initContainers": [*rows(template.get("initContainers"))],
            **({"volumes": volumes} if volumes else {}),
        }
        holder = {"metadata": template.get("metadata") or workflow.get("podMetadata")}
        yield holder, ChainMap(spec, template, defaults, whole)


def _templates(workflow: Mapping[str, Any]) -> Iterator[Any]:
    """Returns a workflow's templates, and those that lie in the steps of another one."""
    for template in rows(workflow.get("templates")):
        yield template
        # Steps are lists, which run one after the other, of what runs at once.
        steps = [one for group in rows(at(template, "steps")) for one in rows(group)]
        yield from (at(one, "inline") for one in [*steps, *rows(at(template, "dag", "tasks"))])


def of_the_node(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns what a mapping that is no pod's spec says of pods that reaches their node.

    An operator puts it into the pod's spec; other volumes than the node's folders may be of kinds of its own.
    """
    found: dict[str, Any] = {key: True for key in _OF_THE_NODE if value.get(key) is True}
    volumes = [one for one in mappings(value.get("volumes")) if "hostPath" in one]
    return {**found, "volumes": volumes} if volumes else found


def patched_pod(text: Any) -> Mapping[str, Any]:
    """Returns what a `podSpecPatch` of Argo Workflows says of a pod.

    Raises:
        Undecidable: when it is no document before the workflow runs, so that it may say anything.
    """
    try:
        found = load_yaml(str(text))
    except yaml.YAMLError:
        found = None
    if not isinstance(found, Mapping):
        raise Undecidable(f"podSpecPatch is {text!r}, expected a document without parameters")
    return cast(Mapping[str, Any], found)
