"""`python -m tools.template`: records what this version of the service template renders, beside the version.

Services know by the version alone that they are behind: what renders differently is another version.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.contract.compatibility import parse_version
from shipway.contract.documents import parse_json, write_atomic
from shipway.contract.errors import ShipwayError
from shipway.scaffold.git import Git
from shipway.scaffold.origin import fingerprints
from shipway.scaffold.rendering import kinds, render_kind
from tools import report

__all__ = ["RECORD", "Rendered", "main", "problem", "record", "recorded", "rendered"]

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = Path("templates", "model-service")
QUESTIONS = TEMPLATE / "templates" / "questions.json"
RECORD = TEMPLATE / "rendered.json"

# Before and after the platform's own package in the alphabet, by which imports are sorted.
_NAMES = ("my-model", "your-model")


@dataclass(frozen=True)
class Rendered:
    """What one version of the template renders.

    Args:
        version: the template's.
        kinds: kind -> sha256 over mode, path and content of every file.
    """

    version: str
    kinds: Mapping[str, str]

    def text(self) -> str:
        """Returns the record's file."""
        return json.dumps({"version": self.version, "kinds": dict(sorted(self.kinds.items()))}, indent=2) + "\n"


def rendered(root: Path) -> Rendered:
    """Returns what the template of the project at `root` renders now."""
    version = str(json.loads((root / QUESTIONS).read_text(encoding="utf-8"))["_template_version"])
    found: dict[str, str] = {}
    for kind in kinds(root / TEMPLATE):
        files: list[dict[str, str]] = []
        for name in _NAMES:
            with tempfile.TemporaryDirectory(prefix="shipway-template-") as scratch:
                made, _ = render_kind(kind, {"name": name}, Path(scratch), hooks=False)
                files.append(fingerprints(made))
        found[kind.name] = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    return Rendered(version, found)


def recorded(text: str, path: Path) -> Rendered:
    """Returns what the record `text` says.

    Raises:
        ShipwayError: when it is no record.
    """
    document: Any = parse_json(text, path)
    try:
        found = Rendered(str(document["version"]), {str(kind): str(one) for kind, one in document["kinds"].items()})
        parse_version(found.version)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ShipwayError(
            f"{path}: {error!r}, expected version and kinds as `python -m tools.template` writes"
        ) from None
    return found


def problem(before: Rendered, now: Rendered) -> str:
    """Returns why `now` may not follow on `before`, in one sentence; empty when it may."""
    changed = sorted(
        kind for kind in before.kinds.keys() | now.kinds.keys() if before.kinds.get(kind) != now.kinds.get(kind)
    )
    if changed and parse_version(now.version) <= parse_version(before.version):
        return (
            f"{', '.join(changed)}: rendered differently than by template {before.version}, and the template is "
            f"{now.version}: no service would hear of it. Raise _template_version in {QUESTIONS}, then run "
            "`python -m tools.template`"
        )
    return ""


def record(root: Path) -> Rendered:
    """Returns what the template renders now, written down beside it.

    Raises:
        ShipwayError: when it renders something else under the version that is committed.
    """
    now = rendered(root)
    committed = Git(root).maybe("show", f"HEAD:./{RECORD.as_posix()}")
    if committed and (told := problem(recorded(committed, root / RECORD), now)):
        raise ShipwayError(told)
    write_atomic(root / RECORD, now.text())
    return now


def main() -> int:
    """Records, and says so."""
    now = record(ROOT)
    report.say("template", f"{RECORD} holds what version {now.version} renders, of {len(now.kinds)} kinds")
    return 0


if __name__ == "__main__":
    report.fail_clearly(main)
