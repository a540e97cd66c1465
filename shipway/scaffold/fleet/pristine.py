"""What a template renders for a service, untouched by hand: the new template's side of a merge, and its base.

The base is what the old template rendered. It is looked for where it cannot be wrong, in this order: as the git objects
that the record names, which are in the history of whoever committed the service as it was rendered; rendered anew from
the recorded commit; rendered from a folder that a person names. What is rendered anew must be what the record names.
"""

import json
import posixpath
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.contract.errors import ShipwayError, SpecError
from shipway.scaffold.fleet.repository import Files, Repository
from shipway.scaffold.origin import RECORD, WHEEL, Origin, Source, last_commit, make_origin
from shipway.scaffold.rendering import Kind, kinds, render_kind, template_folder

__all__ = ["Rendered", "Template", "base_of", "current_template", "render_now", "template_version"]

_HOME = "templates/model-service"


@dataclass(frozen=True)
class Template:
    """The template that services are brought up to.

    Args:
        folder: where it lies.
        home: its path within its repository.
        repository: as a record names it.
        commit: that describes it, empty for the installed package's.
    """

    folder: Path
    home: str
    repository: str
    commit: str

    def kind(self, origin: Origin, path: Path) -> Kind:
        """Returns the kind of model that a service is of.

        Raises:
            SpecError: when the record at `path` names a kind that this template has not.
        """
        known = kinds(self.folder)
        for kind in known:
            if kind.name == origin.kind:
                return kind
        names = ", ".join(kind.name for kind in known)
        raise SpecError(path, "directory", origin.source.directory, f"a template of one of the kinds {names}")


@dataclass(frozen=True)
class Rendered:
    """A service as a template renders it.

    Args:
        files: all of them, in the repository.
        origin: its record.
    """

    files: Files
    origin: Origin


@contextmanager
def current_template(repository: Repository) -> Generator[Template]:
    """Yields the template of the commit that services are updated from, else the installed package's.

    Raises:
        ShipwayError: when the project has a template of its own that is not committed.
    """
    home = repository.prefix + _HOME
    if repository.files(f"{repository.commit}:{home}"):
        with repository.exported(repository.commit, home) as folder:
            yield Template(folder / home, home, ".", last_commit(repository.git, home, repository.commit))
        return
    own = repository.root / _HOME
    if own.exists():
        raise ShipwayError(
            f"{own} is not in {repository.base}: commit it first, an update names the commit it came from"
        )
    yield Template(template_folder(repository.root), _HOME, WHEEL, "")


def template_version(kind: Kind) -> str:
    """Returns the version of a kind's template.

    Raises:
        SpecError: when it has none.
    """
    path = kind.folder / "cookiecutter.json"
    version = json.loads(path.read_text(encoding="utf-8")).get("_template_version")
    if not isinstance(version, str):
        raise SpecError(path, "_template_version", version, "the template's version, such as 1.1.0")
    return version


def render_now(repository: Repository, template: Template, origin: Origin, path: Path) -> Rendered:
    """Returns the service of `origin` as `template` renders it from the recorded answers; new questions take defaults.

    Args:
        repository: that takes the files.
        template: the new one.
        origin: of the service.
        path: of its record, for errors.

    Raises:
        ShipwayError: when it cannot be rendered.
    """
    kind = template.kind(origin, path)
    files, context = _render(repository, kind, origin)
    source = Source(template.repository, template.commit, f"{template.home}/{kind.name}")
    return Rendered(files, make_origin(source, context, files, origin))


def base_of(repository: Repository, origin: Origin, path: Path, *, old: Path | None, without: bool) -> Files:
    """Returns what the old template rendered, whose every object the repository holds.

    Args:
        repository: the project's.
        origin: the service's, with the commit and the rendered files.
        path: of its record, for errors.
        old: a folder with the old template, in place of the recorded commit.
        without: whether files whose old rendering is nowhere may be left out: each of them that differs is a conflict.

    Raises:
        ShipwayError: when the old rendering is nowhere, or what was found renders something else; with the next step.
    """
    if origin.rendered and old is None and repository.holds(origin.rendered):
        return origin.rendered
    files: Files = {}
    commit, directory = origin.source.commit, origin.source.directory
    if old is not None:
        files = _render(repository, _old_kind(old, origin), origin)[0]
    elif commit and directory and not repository.git.ask("cat-file", "-e", f"{commit}^{{commit}}")[0]:
        # The base that kinds share lies beside them.
        home = posixpath.dirname(directory) or directory
        if not repository.files(f"{commit}:{directory}"):
            raise SpecError(path, "directory", directory, f"the folder of a template in commit {commit[:12]}")
        with repository.exported(commit, home) as folder:
            files = _render(repository, Kind(origin.kind, "", "", folder / directory), origin)[0]
    elif not without:
        raise SpecError(path, "commit", commit[:12] or "nothing", _NEXT.format(top=repository.git.folder))
    if origin.rendered:
        wrong = [name for name, what in origin.rendered.items() if files.get(name) != what]
        if wrong and files and not without:
            where = old or f"{directory} of {commit[:12]}"
            raise ShipwayError(
                f"{where} does not render what {path} records, the first difference is in {wrong[0]}; expected the "
                f"template of version {origin.template_version or 'that was used'} (--old-template FOLDER)"
            )
        known = {name: what for name, what in origin.rendered.items() if repository.holds({name: what})}
        return known if wrong else files
    return files


_NEXT = (
    "a commit that {top} holds, or the rendered files in its history: get the history (`git fetch --unshallow`), name "
    "a folder with the old template (--old-template FOLDER), or merge without a base (--without-base), where each file "
    "that differs is a conflict"
)


def _old_kind(old: Path, origin: Origin) -> Kind:
    for folder in (old / origin.kind, old):
        if (folder / "cookiecutter.json").is_file() and list(folder.glob("*{{*}}*")):
            return Kind(origin.kind, "", "", folder)
    raise SpecError("the command line", "--old-template", str(old), f"a folder with the template of {origin.kind}")


def _render(repository: Repository, kind: Kind, origin: Origin) -> tuple[Files, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="shipway-render-") as scratch:
        made, context = render_kind(kind, origin.answers, Path(scratch))
        (made / RECORD).unlink(missing_ok=True)
        return repository.store(made), context
