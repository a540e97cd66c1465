"""Room on the disk, looked at before anything is written."""

import shutil
from pathlib import Path

from tools.errors import DiskError

__all__ = ["free_mib", "require_room"]

MIB = 1024 * 1024


def free_mib(folder: Path) -> int:
    """Returns how much is free on the disk that holds `folder`."""
    return shutil.disk_usage(folder).free // MIB


def require_room(folder: Path, needed_mib: int, purpose: str) -> None:
    """Does nothing where `needed_mib` MiB are free on the disk that holds, or will hold, `folder`.

    Raises:
        DiskError: naming what it is for, how much is needed and how much is free.
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = free_mib(there)
    if free < needed_mib:
        raise DiskError(there, purpose, needed_mib, free)
