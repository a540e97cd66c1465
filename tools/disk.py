"""Room on the disk, looked at before anything is written."""

import shutil
from pathlib import Path

from tools.errors import DiskError

__all__ = ["require_room"]

MIB = 1024 * 1024


def require_room(folder: Path, needed_mib: int, purpose: str) -> None:
    """Does nothing where `needed_mib` MiB are free on the disk that holds, or will hold, `folder`.

    Raises:
        DiskError: naming what it is for, how much is needed and how much is free.
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free_mib = shutil.disk_usage(there).free // MIB
    if free_mib < needed_mib:
        raise DiskError(there, purpose, needed_mib, free_mib)
