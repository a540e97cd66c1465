"""A place where a stack is previewed without a cloud: a project, a backend and an account that are thrown away.

The providers' programs in it are stand-ins (tests/standins), found by their path, for tools know no tests.
"""

import hashlib
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

from shipway.contract.cluster import kubernetes_spec
from shipway.contract.errors import ShipwayError
from shipway.contract.stack import StackSpec
from tools import environment
from tools.engine import Stack

__all__ = ["Offline", "prepare"]

_STANDINS = {"pulumi-resource-aws": "aws_provider", "pulumi-resource-kubernetes": "offline_kubernetes"}
# Whoever previews offline means to reach nothing: no variable may lead to an account or a cluster.
_LEADING_ELSEWHERE = ("AWS_", "KUBE", "PULUMI_")
_KEPT = ("PULUMI_SKIP_UPDATE_CHECK", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "PULUMI_ERROR_OUTPUT_STRING")


@dataclass(frozen=True)
class Offline:
    """One such place.

    Args:
        folder: where all of it lies.
        root: the repository that the preview is made from.
        variables: of every program that runs in it.
    """

    folder: Path
    root: Path
    variables: Mapping[str, str]

    def stack(self, name: str, source: Path, *, rehearsed: bool = False) -> Stack:
        """Returns the stack `name` of a checkout; all checkouts share one state and one world.

        Args:
            name: the stack.
            source: the checkout.
            rehearsed: whether its cluster is the stand-in's own, which may be asked and on which nothing serves.
        """
        asked = {"SHIPWAY_STANDIN_CLUSTER": "rehearsed"} if rehearsed else {}
        project = _project(self.folder / "projects" / hashlib.sha256(str(source).encode()).hexdigest()[:12], source)
        # The source's own components where it holds some, else this checkout's.
        path = os.pathsep.join([str(source), str(self.root)])
        return Stack(project, name, {**self.variables, **asked, "PYTHONPATH": path})


def prepare(root: Path, name: str, stacks: Sequence[StackSpec]) -> Offline:
    """Makes the place for a preview of environment `name` anew.

    Args:
        root: the repository.
        name: what is previewed; it names the folder.
        stacks: every stack that is.

    Raises:
        ShipwayError: in a checkout without the stand-ins.
    """
    standins = root / "tests" / "standins"
    if not standins.is_dir():
        raise ShipwayError(f"{standins} is not there, and without stand-ins nothing can be previewed offline: LIVE=1")
    folder = root / ".shipway" / "preview" / name
    shutil.rmtree(folder, ignore_errors=True)
    # It holds what a stack would keep, secrets too: they are for its owner's eyes.
    folder.mkdir(parents=True, mode=0o700)
    (folder / "state").mkdir()
    _place_programs(folder / "programs", root)
    _write_kubeconfig(folder / "kubeconfig", stacks)
    variables = {
        name: value
        for name, value in environment.load(root).items()
        if name in _KEPT or not name.startswith(_LEADING_ELSEWHERE)
    }
    definitions = root / ".shipway" / "bin" / "cluster"
    return Offline(
        folder,
        root,
        variables
        | {
            "PATH": os.pathsep.join([str(folder / "programs"), variables["PATH"]]),
            "KUBECONFIG": str(folder / "kubeconfig"),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_HOME": str(folder / "home"),
            # Nobody's secret is in it, and it is gone with the next preview.
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "SHIPWAY_STANDIN_WORLD": str(folder / "world.json"),
            **({"SHIPWAY_STANDIN_CRDS": str(definitions.resolve().parent / "crds")} if definitions.exists() else {}),
        },
    )


def _project(folder: Path, source: Path) -> Path:
    """Returns a project whose program is the one in `source` and whose stack files are copies.

    The engine writes into a stack's file when it makes the stack, and into nothing that is committed here.
    """
    if folder.exists():
        return folder
    (folder / "stacks").mkdir(parents=True)
    (folder / "program").symlink_to(source / "stacks", target_is_directory=True)
    document = cast(dict[str, object], yaml.safe_load((source / "Pulumi.yaml").read_text(encoding="utf-8")))
    document |= {"main": "program/", "stackConfigDir": "stacks/"}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    for path in (source / "stacks").glob("Pulumi.*.yaml"):
        shutil.copyfile(path, folder / "stacks" / path.name)
    return folder


def _place_programs(folder: Path, root: Path) -> None:
    folder.mkdir()
    python = shlex.quote(str(root / ".shipway" / "venv" / "bin" / "python"))
    for name, module in _STANDINS.items():
        # The engine starts it in a folder of its own choice.
        command = f"PYTHONPATH={shlex.quote(str(root))} exec {python} -m tests.standins.{module}"
        (folder / name).write_text(f'#!/bin/sh\n{command} "$@"\n', encoding="utf-8")
        (folder / name).chmod(0o755)
    (folder / "kubectl").symlink_to(root / "tests" / "standins" / "kubectl.sh")


def _write_kubeconfig(path: Path, stacks: Sequence[StackSpec]) -> None:
    """Writes a kubeconfig with every context that the stacks name and a server that nobody is."""
    clusters = [kubernetes_spec(stack.environment) for stack in stacks]
    names = sorted({one.context for one in clusters if one and one.context}) or ["offline"]
    document: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "nobody", "user": dict[str, str]()}],
        "contexts": [{"name": name, "context": {"cluster": "nowhere", "user": "nobody"}} for name in names],
        "current-context": names[0],
    }
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
