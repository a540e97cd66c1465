"""Directory: a folder whose content belongs to others and outlives the stack."""

from pathlib import Path

import pulumi

from components.local.providers.base import IN_PLACE, LocalProvider, LocalResource, Props

__all__ = ["Directory"]


class DirectoryProvider(LocalProvider):
    """CRUD of one folder; its content is never touched."""

    identity = ("path",)

    def key(self, props: Props) -> str:
        return str(props["path"])

    def put(self, props: Props, before: Props) -> Props:
        Path(props["path"]).mkdir(parents=True, exist_ok=True)
        return {}

    def look(self, props: Props) -> str:
        return IN_PLACE if Path(props["path"]).is_dir() else "removed"

    def drop(self, props: Props) -> None:
        """Keeps the folder: bundles are the way back to any version."""


class Directory(LocalResource, module="shipway", name="Directory"):
    """A folder that is there."""

    def __init__(self, name: str, path: Path, opts: pulumi.ResourceOptions) -> None:
        super().__init__(DirectoryProvider(), name, {"path": str(path)}, (), opts)
