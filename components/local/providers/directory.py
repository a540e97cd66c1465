"""Directory: a folder whose content others write."""

import shutil
from pathlib import Path

import pulumi

from components.local.providers.base import IN_PLACE, LocalProvider, LocalResource, Props

__all__ = ["Directory"]


class DirectoryProvider(LocalProvider):
    """CRUD of one folder."""

    identity = ("path",)

    def key(self, props: Props) -> str:
        return str(props["path"])

    def put(self, props: Props, before: Props) -> Props:
        Path(props["path"]).mkdir(parents=True, exist_ok=True)
        return {}

    def look(self, props: Props) -> str:
        return IN_PLACE if Path(props["path"]).is_dir() else "removed"

    def drop(self, props: Props) -> None:
        if not props["outlives_stack"]:
            shutil.rmtree(props["path"], ignore_errors=True)


class Directory(LocalResource, module="shipway", name="Directory"):
    """A folder that is there; with `outlives_stack` it and its content stay when the stack goes."""

    def __init__(self, name: str, path: Path, opts: pulumi.ResourceOptions, *, outlives_stack: bool) -> None:
        super().__init__(DirectoryProvider(), name, {"path": str(path), "outlives_stack": outlives_stack}, (), opts)
