"""Which services a change touches: what a pipeline has to look at again."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

__all__ = ["SHARED", "changed_services"]

# What every service stands on, relative to the project's root: a folder or a file.
SHARED = ("shipway", "pyproject.toml", "requirements.lock")


def changed_services(paths: Iterable[str], packages: Sequence[str]) -> list[str]:
    """Returns which of `packages` have to be checked again, sorted.

    A release changes no code: files below `releases/` touch no service. A change of what all stand on touches all.

    Args:
        paths: files that changed, relative to the project's root, with forward slashes.
        packages: the services that there are, by folder.

    >>> changed_services(["services/churn/train.py", "docs/ci.md"], ["churn", "digits"])
    ['churn']
    >>> changed_services(["services/churn/releases/prod.yaml"], ["churn", "digits"])
    []
    >>> changed_services(["requirements.lock"], ["churn", "digits"])
    ['churn', 'digits']
    """
    touched: set[str] = set()
    for path in paths:
        parts = PurePosixPath(path).parts
        if parts[0] in SHARED:
            return sorted(packages)
        if parts[0] == "services" and len(parts) > 2 and parts[2] != "releases":
            touched.add(parts[1])
    return sorted(touched & set(packages))
