"""Who owns which model, for the repository that holds them all: `python -m shipway.scaffold.codeowners` writes it.

Each service says it in a CODEOWNERS of its own, which is right as it stands where the service is a repository. Code
hosts read only the one at the root, so that one gets a part made of all of them; what is written around it stays.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from shipway.contract.documents import write_atomic
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.layout import find_root, services

__all__ = ["check_codeowners", "main", "with_models", "write_codeowners"]

_FIRST = "# Models: made of services/*/CODEOWNERS by `python -m shipway.scaffold.codeowners`, up to the line `# End`."
_LAST = "# End"


def with_models(text: str, owners: Mapping[str, str]) -> str:
    """Returns the root's CODEOWNERS with the part of the models made anew.

    The later line wins in such a file, so a new part comes last.

    Args:
        text: what is there.
        owners: folder of a service, such as `services/churn` -> its own CODEOWNERS, whose paths are below that folder.

    Raises:
        SpecError: when the part of the models has no end.
    """
    before, found, rest = text.partition(_FIRST + "\n")
    _, end, after = rest.partition(_LAST + "\n")
    if found and not end:
        raise SpecError("CODEOWNERS", "", _FIRST, f"a line `{_LAST}` after it")
    lines = [line for folder in sorted(owners) for line in _below(folder, owners[folder])]
    if not found and before:
        before = before.rstrip("\n") + "\n\n"
    return before + "\n".join([_FIRST, *lines, _LAST]) + "\n" + after


def write_codeowners(root: Path) -> Path:
    """Returns the root's CODEOWNERS, written; a service without one of its own has no line.

    Raises:
        SpecError: see `with_models`; also for a file that is no text.
    """
    path = root / "CODEOWNERS"
    before, after = _before_and_after(root, path)
    if after != before:
        write_atomic(path, after)
    return path


def check_codeowners(root: Path) -> None:
    """Raises SpecError where `write_codeowners` would, so that nothing is made that would then have no owner."""
    _before_and_after(root, root / "CODEOWNERS")


def _before_and_after(root: Path, path: Path) -> tuple[str, str]:
    own = {folder: folder / "CODEOWNERS" for folder in services(root)}
    owners = {folder.relative_to(root).as_posix(): _read(file) for folder, file in own.items() if file.is_file()}
    before = _read(path) if path.exists() else ""
    return before, with_models(before, owners)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(path, "", error.object[error.start : error.end], "text in UTF-8") from None


def _below(folder: str, text: str) -> list[str]:
    found: list[str] = []
    for line in text.splitlines():
        pattern, *owners = line.partition("#")[0].split() or [""]
        if not pattern:
            continue
        # A pattern with a slash before its end hangs on the folder, one without lies anywhere below it, as in git.
        if pattern == "*":
            place = "/"
        elif "/" in pattern.rstrip("/"):
            place = "/" + pattern.lstrip("/")
        else:
            place = f"/**/{pattern}"
        # A path without an owner is one too: whoever owns what is around it does not own it.
        found.append(" ".join([f"/{folder}{place}", *owners]))
    return found


def main() -> int:
    """Writes CODEOWNERS of the project it runs in; returns 0, or 2 when a service's own cannot be read."""
    try:
        print(write_codeowners(find_root(Path.cwd())))
    except ShipwayError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
