"""The labels that every object carries, and what is wrong with a value that cannot be one."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.services import Service
from shipway.contract.alerts import PLATFORM_OWNER
from shipway.contract.environment import EnvironmentSpec, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.metrics import Slot
from shipway.contract.release import short_digest

__all__ = ["COST_CENTER", "labels", "model_labels", "pod_labels", "refuse_unfit_labels", "slot_labels"]

# The tag without which nobody can tell what a model costs.
COST_CENTER = "cost-center"

# What a pod carries even where an environment has a tag of that name: whose it is, who pays, and which pod it is.
_OF_PODS = frozenset({COST_CENTER, "env", "model", "owner", "part", "release", "slot"})

_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_KEY = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_EXPECTED = "at most 63 letters, digits, dots, dashes and underscores: on a cluster it is a label"


def labels(environment: EnvironmentSpec, part: str) -> dict[str, str]:
    """Returns the labels of one of the platform's objects: the environment's tags, whose and a part of what it is."""
    return {
        "app.kubernetes.io/name": part,
        "app.kubernetes.io/part-of": "shipway",
        "app.kubernetes.io/managed-by": "pulumi",
        "shipway/env": environment.name,
        "shipway/owner": PLATFORM_OWNER,
        **{f"shipway/{key}": value for key, value in environment.tags.items()},
    }


def model_labels(environment: EnvironmentSpec, service: Service) -> dict[str, str]:
    """Returns the labels of what both slots of a model share."""
    spec = service.spec
    return {**labels(environment, spec.name), "shipway/model": spec.name, "shipway/owner": spec.owner.team}


def slot_labels(environment: EnvironmentSpec, service: Service, slot: Slot) -> dict[str, str]:
    """Returns the labels of one slot; the release is no part of any selector, for selectors cannot change."""
    version = short_digest(service.release.digest(slot))
    return {
        **model_labels(environment, service),
        "app.kubernetes.io/instance": f"{service.spec.name}-{slot}",
        "app.kubernetes.io/version": version,
        "shipway/slot": str(slot),
        "shipway/release": version,
    }


def pod_labels(environment: EnvironmentSpec, given: Mapping[str, str]) -> dict[str, str]:
    """Returns those of an object's labels that its pods carry: of the environment's tags whose it is and who pays.

    A changed label is another pod template: a later date of expiry would restart everything that serves.
    """
    left_out = {f"shipway/{key}" for key in environment.tags.keys() - _OF_PODS}
    return {key: value for key, value in given.items() if key not in left_out}


def refuse_unfit_labels(root: Path, environment: EnvironmentSpec, services: Sequence[Service]) -> None:
    """Refuses a tag or an owner that Kubernetes would not take as a label, and an environment nobody pays for.

    Raises:
        SpecError: naming the file, the key and the value.
    """
    path = environment_path(root, environment.name)
    for key, value in environment.tags.items():
        if not _KEY.fullmatch(key):
            raise SpecError(path, "tags", key, f"a key of {_EXPECTED}")
        if not _VALUE.fullmatch(value):
            raise SpecError(path, f"tags.{key}", value, _EXPECTED)
    if COST_CENTER not in environment.tags:
        raise SpecError(path, "tags", environment.tags, f"a {COST_CENTER} among them: every object carries it")
    for service in services:
        if not _VALUE.fullmatch(service.spec.owner.team):
            raise SpecError(service.folder / "model.yaml", "owner.team", service.spec.owner.team, _EXPECTED)
