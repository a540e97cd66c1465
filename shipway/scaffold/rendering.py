"""Renders the service template into a project: the same template that plain cookiecutter takes."""

import json
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from shipway.contract.errors import ShipwayError, SpecError
from shipway.scaffold.naming import check_new_name

__all__ = ["Question", "questions", "render", "template_folder"]

Question = tuple[str, str, str]


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


def questions(template: Path) -> list[Question]:
    """Returns what the template asks: key, text and default (a default may refer to earlier answers)."""
    context: dict[str, Any] = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    texts: dict[str, str] = context.get("__prompts__", {})
    return [(key, texts.get(key, key), str(default)) for key, default in context.items() if not key.startswith("_")]


def render(root: Path, answers: Mapping[str, str]) -> Path:
    """Returns the folder of a new service in the project at `root`, rendered whole or not at all.

    Args:
        root: the project.
        answers: question -> answer; what is left out takes the template's default.

    Raises:
        SpecError: for a name that is malformed, reserved or taken, and for an answer that is no line of text.
        ShipwayError: when the template cannot be rendered.
    """
    template = template_folder(root)
    known = [key for key, _, _ in questions(template)]
    services = root / "services"
    for key, answer in answers.items():
        if key not in known:
            raise SpecError("shipway new", key, answer, f"one of {', '.join(known)}")
        if not answer.strip() or not answer.isprintable():
            raise SpecError("shipway new", key, answer, "one line of text")
    if problem := check_new_name(answers.get("name", "my-model"), services):
        raise SpecError("shipway new", "name", answers.get("name", "my-model"), problem)
    from cookiecutter.exceptions import CookiecutterException  # pyright: ignore[reportMissingTypeStubs]
    from cookiecutter.main import cookiecutter  # pyright: ignore[reportMissingTypeStubs]

    services.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shipway-new-") as scratch, _temporary_files_in(scratch):
        # By default cookiecutter keeps every answer ever given, and its own settings, in the person's home folder.
        settings = Path(scratch) / "settings.yaml"
        settings.write_text(json.dumps({"replay_dir": scratch, "cookiecutters_dir": scratch}), encoding="utf-8")
        try:
            made = cookiecutter(
                str(template),
                no_input=True,
                extra_context=dict(answers),
                output_dir=str(services),
                config_file=str(settings),
            )
        except CookiecutterException as error:
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
