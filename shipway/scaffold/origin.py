"""Where a service came from: the template, its version and the answers, in `.cruft.json` beside the service.

The file is cruft's own (https://cruft.github.io/cruft/), so cruft reads it. The key `shipway` is added: the git object
of every file as it was rendered, by which a hand edit shows, and by which git finds the rendered file again.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from shipway.contract.documents import parse_json, write_atomic
from shipway.contract.errors import SpecError
from shipway.contract.layout import find_root
from shipway.scaffold.answers import check_answers
from shipway.scaffold.git import Git

__all__ = [
    "RECORD",
    "WHEEL",
    "Origin",
    "Source",
    "find_source",
    "fingerprints",
    "last_commit",
    "make_origin",
    "parse_origin",
    "read_origin",
    "write_origin",
]

RECORD = ".cruft.json"
# In place of a repository: the template that came with the installed package.
WHEEL = "shipway"

# Where the installed package keeps its template, on whatever path it is installed.
_PACKAGED = ("shipway", "scaffold", "templates")

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z")
_FINGERPRINT = re.compile(r"100(644|755) [0-9a-f]{40}\Z")
_NOT_RENDERED = frozenset({RECORD, "__pycache__"})


@dataclass(frozen=True)
class Source:
    """A template at one moment.

    Args:
        template: the repository that holds it: an address, a path, `.` for the project's own, `shipway` for the
            installed package.
        commit: that describes it, empty where none does: not in git, or changed since.
        directory: of the kind, within the repository.
    """

    template: str
    commit: str
    directory: str


@dataclass(frozen=True)
class Origin:
    """What `.cruft.json` says.

    Args:
        source: the template.
        answers: question -> answer.
        template_version: of the template, empty where the record does not say.
        contract_version: that the template was written for, empty where the record does not say.
        skip: paths in the service that are the service's own, which no update touches.
        rendered: path -> mode and git object of each file as it was rendered; empty when that is not known.
        document: the whole record.
    """

    source: Source
    answers: Mapping[str, str]
    template_version: str = ""
    contract_version: str = ""
    skip: tuple[str, ...] = ()
    rendered: Mapping[str, str] = field(default_factory=dict[str, str])
    document: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def kind(self) -> str:
        """The kind of model: the last part of the template's folder."""
        return self.source.directory.rpartition("/")[2]

    def text(self) -> str:
        """Returns the file, written as cruft writes it."""
        return json.dumps(self.document, ensure_ascii=False, indent=2, separators=(",", ": ")) + "\n"


def make_origin(
    source: Source, context: Mapping[str, Any], rendered: Mapping[str, str], before: Origin | None = None
) -> Origin:
    """Returns the origin of a service rendered from `source`.

    Args:
        source: the template.
        context: cookiecutter's answers, defaults filled in; of its private ones only the versions are kept.
        rendered: what `fingerprints` says of the rendered folder.
        before: an earlier origin, of which keys of other programs and skipped paths are kept.
    """
    kept = ("_template_version", "_contract_version")
    answers = {key: value for key, value in sorted(context.items()) if not key.startswith("_") or key in kept}
    former = dict(before.document) if before else {}
    skip = list(dict.fromkeys([RECORD, *(before.skip if before else ())]))
    document = former | {
        "template": source.template,
        "commit": source.commit or None,
        "checkout": None,
        "context": {"cookiecutter": answers},
        "directory": source.directory,
        "skip": skip,
        "shipway": {"commit": source.commit or None, "files": dict(sorted(rendered.items()))},
    }
    return _origin(document, Path(RECORD))


def write_origin(folder: Path, context: Mapping[str, Any]) -> None:
    """Writes the record of a service that was just rendered into `folder`, by whichever program rendered it.

    Args:
        folder: the service, with nothing in it but what the template rendered.
        context: cookiecutter's context, with the private keys that say where the template is.
    """
    source = find_source(folder, context)
    write_atomic(folder / RECORD, make_origin(source, context, fingerprints(folder)).text())


def read_origin(folder: Path) -> Origin:
    """Returns the origin of the service in `folder`.

    Raises:
        SpecError: when there is no record, or it is not one that Shipway or cruft wrote.
    """
    path = folder / RECORD
    try:
        return parse_origin(path.read_bytes(), path)
    except FileNotFoundError:
        raise SpecError(path, "", "no such file", "the record of the template that the service came from") from None


def parse_origin(content: bytes, path: Path) -> Origin:
    """Returns the origin that `content` describes.

    Raises:
        SpecError: naming the key of the record at `path` that is wrong.
    """
    return _origin(parse_json(content, path), path)


def fingerprints(folder: Path) -> dict[str, str]:
    """Returns path -> mode and git object (as `git ls-tree` shows them) of every rendered file in `folder`."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not _NOT_RENDERED & set(relative.parts):
            content = path.read_bytes()
            digest = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
            mode = "100755" if path.stat().st_mode & 0o100 else "100644"
            found[relative.as_posix()] = f"{mode} {digest}"
    return found


def find_source(folder: Path, context: Mapping[str, Any]) -> Source:
    """Returns where the template lies that was just rendered into `folder`, and the commit that describes it."""
    given = context.get("_repo_dir")
    if not given:
        # Cruft renders from a clone of its own, and says which.
        return Source(str(context.get("_template") or ""), str(context.get("_commit") or ""), "")
    kind = _found(Path(str(given)), folder)
    template = kind.parent if (kind.parent / "cookiecutter.json").is_file() else kind
    top = Path(Git(template).maybe("rev-parse", "--show-toplevel") or "/")
    commit = last_commit(Git(template), ".") if top != Path("/") else ""
    if commit:
        dirty = Git(template).maybe("status", "--porcelain", "--", ".")
        own = Path(Git(folder).maybe("rev-parse", "--show-toplevel") or "/") == top
        where = "." if own else _address(Git(template).maybe("remote", "get-url", "origin")) or str(top)
        return Source(where, "" if dirty else commit, kind.relative_to(top).as_posix())
    if template.parent.parts[-3:] == _PACKAGED:
        return Source(WHEEL, "", f"templates/{template.name}/{kind.name}")
    try:
        root = find_root(folder)
    except SpecError:
        root = Path("/")
    if root != Path("/") and kind.is_relative_to(root):
        return Source(".", "", kind.relative_to(root).as_posix())
    return Source(str(kind), "", "")


def _found(kind: Path, folder: Path) -> Path:
    """Returns the folder of a kind's template; cookiecutter names it as it was typed, which may be from any folder."""
    typed_in = (*folder.resolve().parents, Path(os.environ.get("PWD", "/")))
    return next((one / kind for one in typed_in if (one / kind / "cookiecutter.json").is_file()), kind).resolve()


def last_commit(git: Git, path: str, revision: str = "HEAD") -> str:
    """Returns the last commit up to `revision` that changed `path`, empty when git holds nothing there."""
    return git.maybe("log", "-1", "--format=%H", revision, "--", path)


def _address(url: str) -> str:
    """Returns a remote's address without a name or a password in it: it goes into a file that is committed."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _origin(document: Mapping[str, Any], path: Path) -> Origin:
    template = _text(document, "template", path)
    commit = _text(document, "commit", path, optional=True)
    if commit and not _COMMIT.match(commit):
        raise SpecError(path, "commit", commit, "the 40 hexadecimal digits of a commit, or null")
    directory = _text(document, "directory", path, optional=True)
    if ".." in Path(directory).parts or directory.startswith("/"):
        raise SpecError(path, "directory", directory, "a folder within the template's repository")
    context = _mapping(_mapping(document.get("context"), "context", path).get("cookiecutter"), _ANSWERS, path)
    answers = {key: value for key, value in context.items() if not key.startswith("_")}
    if (problem := check_answers(answers)) is not None:
        raise SpecError(path, f"{_ANSWERS}.{problem.key}", problem.got, problem.expected)
    if "name" not in answers:
        raise SpecError(path, f"{_ANSWERS}.name", "nothing", "the model's name")
    listed = cast(object, document.get("skip") or [])
    skip = [one for one in cast(list[object], listed) if isinstance(one, str)] if isinstance(listed, list) else None
    if skip is None or len(skip) != len(cast(list[object], listed)):
        raise SpecError(path, "skip", repr(listed), "a list of paths")
    own = _mapping(document.get("shipway") or {}, "shipway", path)
    rendered = _mapping(own.get("files") or {}, "shipway.files", path)
    for name, found in rendered.items():
        if (
            not isinstance(found, str)
            or not _FINGERPRINT.match(found)
            or ".." in Path(name).parts
            or name[:1] in ("", "/")
        ):
            raise SpecError(
                path, f"shipway.files.{name}", found, "a mode and a git object, as `git ls-tree` shows them"
            )
    return Origin(
        source=Source(template, commit, directory.rstrip("/")),
        answers=answers,
        template_version=_text(context, "_template_version", path, optional=True),
        contract_version=_text(context, "_contract_version", path, optional=True),
        skip=tuple(skip),
        # Cruft's own update changes the commit and leaves what it does not know: then these are of an older rendering.
        rendered=rendered if (own.get("commit") or "") == commit else {},
        document=document,
    )


_ANSWERS = "context.cookiecutter"


def _text(document: Mapping[str, Any], key: str, path: Path, *, optional: bool = False) -> str:
    value = document.get(key)
    if value is None and optional:
        return ""
    if not isinstance(value, str) or not (value or optional):
        raise SpecError(path, key, "nothing" if value is None else value, "a text")
    return value


def _mapping(value: object, key: str, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SpecError(path, key, "nothing" if value is None else value, "a mapping")
    return cast(dict[str, Any], value)
