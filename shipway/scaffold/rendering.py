"""Renders the service template into a project: the same template that plain cookiecutter takes."""

import json
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from shipway.contract.errors import ShipwayError, SpecError
from shipway.scaffold.answers import check_answers
from shipway.scaffold.naming import check_new_name
from shipway.scaffold.origin import RECORD, write_origin

__all__ = [
    "Kind",
    "Question",
    "find_kind",
    "kinds",
    "questions",
    "render",
    "render_kind",
    "run_cookiecutter",
    "template_folder",
]

Question = tuple[str, str, str]


@dataclass(frozen=True)
class Kind:
    """One kind of model.

    Args:
        name: as `--kind` takes it.
        title: for a person who chooses.
        description: what goes in and what comes out, in one line.
        folder: its own template.
    """

    name: str
    title: str
    description: str
    folder: Path


def template_folder(root: Path) -> Path:
    """Returns the template: the project's own, so that a team can change it, else the one that came with the wheel.

    Raises:
        ShipwayError: when there is neither.
    """
    own = root / "templates" / "model-service"
    shipped = Path(str(files("shipway.scaffold"))) / "templates" / "model-service"
    for folder in (own, shipped):
        if (folder / "cookiecutter.json").is_file():
            return folder
    raise ShipwayError(f"no template: expected cookiecutter.json in {own} or {shipped}")


def kinds(template: Path) -> Sequence[Kind]:
    """Returns the kinds of models that `template` knows; the first one is the default.

    Raises:
        SpecError: when the template says otherwise than cookiecutter's nested templates do, or leads out of itself.
    """
    path = template / "cookiecutter.json"
    try:
        found = [
            Kind(name, each["title"], each["description"], template / each["path"])
            for name, each in json.loads(path.read_text(encoding="utf-8"))["templates"].items()
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        wanted = "kind -> path, title and description of each template"
        raise SpecError(path, "templates", str(error), wanted) from error
    for kind in found:
        inside = kind.folder.resolve().is_relative_to(template.resolve())
        if not inside or not (kind.folder / "cookiecutter.json").is_file():
            raise SpecError(path, f"templates.{kind.name}.path", str(kind.folder), f"a template within {template}")
    return found


def find_kind(template: Path, name: str = "") -> Kind:
    """Returns the kind called `name`, the first one where no name is given.

    Raises:
        SpecError: when there is no such kind.
    """
    known = kinds(template)
    if not name:
        return known[0]
    for kind in known:
        if kind.name == name:
            return kind
    raise SpecError("shipway new", "kind", name, f"one of {', '.join(kind.name for kind in known)}")


def questions(kind: Kind) -> list[Question]:
    """Returns what the template of a kind asks: key, text and default (a default may refer to earlier answers)."""
    context: dict[str, Any] = json.loads((kind.folder / "cookiecutter.json").read_text(encoding="utf-8"))
    texts: dict[str, str] = context.get("__prompts__", {})
    return [(key, texts.get(key, key), str(default)) for key, default in context.items() if not key.startswith("_")]


def render(
    root: Path,
    answers: Mapping[str, str],
    *,
    kind: str = "",
    fill: Callable[[Path], None] | None = None,
    template: Path | None = None,
) -> Path:
    """Returns the folder of a new service in the project at `root`, rendered whole or not at all.

    Args:
        root: the project.
        answers: question -> answer; what is left out takes the template's default.
        kind: of model, as the template names it; its first one where none is named.
        template: whose kinds are meant; without one, see `template_folder`.
        fill: writes into the rendered folder before it takes its place among the services; when it raises, none does.

    Raises:
        SpecError: for an unknown kind, a name that is malformed, reserved or taken, and an answer that cannot be taken.
        ShipwayError: when the template cannot be rendered, or `services` leads out of the project.
    """
    chosen = find_kind(template or template_folder(root), kind)
    known = [key for key, _, _ in questions(chosen)]
    services = root / "services"
    if not services.resolve().is_relative_to(root.resolve()):
        raise ShipwayError(f"{services} leads out of the project, to {services.resolve()}; expected a folder in {root}")
    for key, answer in answers.items():
        if key not in known:
            raise SpecError("shipway new", key, answer, f"one of {', '.join(known)}")
    name = answers.get("name", "my-model")
    if problem := check_new_name(name, services):
        raise SpecError("shipway new", "name", name, problem)
    if problem := check_answers(answers):
        raise problem
    services.mkdir(exist_ok=True)
    # Beside its place, so that it takes it in one rename.
    with tempfile.TemporaryDirectory(prefix=".new-", dir=services) as scratch:
        made, context = render_kind(chosen, answers, Path(scratch))
        if not (made / RECORD).exists():
            # A template without the hook that does it for plain cookiecutter.
            write_origin(made, context)
        if fill:
            fill(made)
        return made.rename(services / made.name)


def render_kind(
    kind: Kind, answers: Mapping[str, str], scratch: Path, *, hooks: bool = True
) -> tuple[Path, dict[str, Any]]:
    """Returns the folder of a service rendered below `scratch`, and cookiecutter's context: every answer, defaults too.

    Args:
        kind: what to render.
        answers: question -> answer, checked before.
        scratch: an empty folder.
        hooks: whether the template's own run, a process each; they render nothing.

    Raises:
        ShipwayError: when the template cannot be rendered.
    """
    made = run_cookiecutter(kind.folder, answers, scratch, hooks=hooks)
    # Cookiecutter keeps the last answers for `--replay`, here in the scratch folder.
    (replay,) = scratch.glob("*.json")
    return made, json.loads(replay.read_text(encoding="utf-8"))["cookiecutter"]


def run_cookiecutter(template: Path, answers: Mapping[str, str], scratch: Path, *, hooks: bool = True) -> Path:
    """Returns the folder that `template` renders to in the empty folder `scratch`, by default with its hooks.

    Raises:
        ShipwayError: when it cannot be rendered.
    """
    from cookiecutter.exceptions import CookiecutterException  # pyright: ignore[reportMissingTypeStubs]
    from cookiecutter.main import cookiecutter  # pyright: ignore[reportMissingTypeStubs]
    from jinja2 import TemplateError

    # By default cookiecutter keeps every answer ever given, and its own settings, in the person's home folder.
    settings = scratch / "settings.yaml"
    settings.write_text(json.dumps({"replay_dir": str(scratch), "cookiecutters_dir": str(scratch)}), encoding="utf-8")
    with _temporary_files_in(str(scratch)):
        try:
            made = cookiecutter(
                str(template),
                no_input=True,
                extra_context=dict(answers),
                output_dir=str(scratch),
                config_file=str(settings),
                accept_hooks=hooks,
            )
        except (CookiecutterException, TemplateError) as error:
            raise ShipwayError(f"{template}: cannot be rendered: {error}") from error
    return Path(made)


@contextmanager
def _temporary_files_in(folder: str) -> Generator[None]:
    """Has this process put its temporary files into `folder`: cookiecutter leaves the hooks it rendered among them."""
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before
