"""A model as a repository of its own: the same service, around it what deploys it onto the platform's environments."""

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from shipway.contract.documents import read_yaml
from shipway.contract.environment import Target, environment_path
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.stack import ELSEWHERE_KEY, LAYERS_KEY, PLATFORM_KEY, StackSpec, load_stack
from shipway.scaffold.codeowners import write_codeowners
from shipway.scaffold.rendering import render, run_cookiecutter, template_folder

__all__ = ["REPOSITORY_FORM", "attachable", "check_place", "render_standalone"]

REPOSITORY_FORM = r"[A-Za-z0-9][\w.-]*/[\w.-]+"
# What the new repository takes from the platform's as it is: packages, and what was decided about policies.
_TAKEN = {
    Path("requirements.lock"): Path("requirements.lock"),
    Path("policies", "settings.yaml"): Path("policy-pack", "settings.yaml"),
    Path("policies", "waivers.yaml"): Path("policy-pack", "waivers.yaml"),
}
_COPIED = "# A copy of the platform's own file, which is the one that counts; a preview from there compares the two.\n"


def check_place(root: Path, folder: Path) -> None:
    """Raises a SpecError for a place in which no repository can be made.

    Args:
        root: the platform's repository.
        folder: where the new one is to be.
    """
    where = folder.resolve()
    if where.is_relative_to(root.resolve()):
        raise SpecError("shipway new", "--standalone", str(folder), f"a folder outside the platform's, {root}")
    if not where.parent.is_dir():
        raise SpecError(
            "shipway new", "--standalone", str(folder), f"a folder in one that exists, {where.parent} does not"
        )
    if where.exists() and not where.is_dir():
        raise SpecError("shipway new", "--standalone", str(folder), "a folder, and this is a file")
    if where.is_dir() and any(where.iterdir()):
        raise SpecError(
            "shipway new", "--standalone", str(folder), "a new or an empty folder, and this one holds files"
        )


def attachable(root: Path) -> Sequence[StackSpec]:
    """Returns the platforms of the project at `root` on which another repository's models may run, sorted by name."""
    names = sorted(
        path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in (root / "stacks").glob("Pulumi.*")
    )
    stacks = [load_stack(root, name) for name in names]
    return [one for one in stacks if one.holds_platform and not one.holds_models and not one.elsewhere]


def render_standalone(
    root: Path,
    folder: Path,
    answers: Mapping[str, str],
    *,
    repository: str,
    kind: str = "",
    fill: Callable[[Path], None] | None = None,
) -> Path:
    """Returns the service in a new repository at `folder`, rendered whole or not at all.

    Args:
        root: the platform's repository: its environments are the ones that the model can be deployed to.
        folder: the new repository.
        answers: question -> answer, as of `render`.
        repository: the platform's on GitHub, as OWNER/NAME, whose workflows the new one calls.
        kind: of model.
        fill: writes into the rendered service.

    Raises:
        SpecError: for a place that is taken, and for whatever `render` refuses.
        ShipwayError: when the platform's repository lacks what the new one takes from it.
    """
    check_place(root, folder)
    if not re.fullmatch(REPOSITORY_FORM, repository):
        raise SpecError("shipway new", "--platform-repository", repository, "OWNER/NAME, such as example/shipway")
    for taken in _TAKEN:
        if not (root / taken).is_file():
            raise ShipwayError(
                f"{root / taken}: no such file, expected it: the new repository takes it from the platform"
            )
    platforms = attachable(root)
    # Beside its place, so that it takes it in one rename.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.resolve().parent) as scratch:
        made = run_cookiecutter(_template(root), _context(root, answers, repository, platforms), Path(scratch))
        for taken, name in _TAKEN.items():
            shutil.copyfile(root / taken, made / name)
        _write_stacks(root, made, platforms)
        service = render(made, answers, kind=kind, fill=fill, template=template_folder(root))
        write_codeowners(made)
        made.rename(folder)
    return folder / "services" / service.name


def _template(root: Path) -> Path:
    own = root / "templates" / "standalone"
    shipped = Path(str(files("shipway.scaffold"))) / "templates" / "standalone"
    for folder in (own, shipped):
        if (folder / "cookiecutter.json").is_file():
            return folder
    raise ShipwayError(f"no template: expected cookiecutter.json in {own} or {shipped}")


def _context(
    root: Path, answers: Mapping[str, str], repository: str, platforms: Sequence[StackSpec]
) -> Mapping[str, str]:
    given = {key: answers[key] for key in ("name", "description", "team", "contact") if key in answers}
    names = [one.name for one in platforms]
    return given | {
        "shipway_version": version("shipway"),
        "platform_repository": repository,
        "environments": " ".join(names) or "none",
    }


def _write_stacks(root: Path, made: Path, platforms: Sequence[StackSpec]) -> None:
    """Writes the stacks of the new repository: its models on each platform, and one of its own on a laptop."""
    project = str(read_yaml(root / "Pulumi.yaml")["name"])
    for platform in platforms:
        text = environment_path(root, platform.name).read_text(encoding="utf-8")
        marked = text.replace("config:\n", f"config:\n  {ELSEWHERE_KEY}: true\n", 1)
        environment_path(made, platform.name).write_text(_COPIED + marked, encoding="utf-8")
        own = (
            f"# The models of this repository in {platform.name}, on the platform that {project}/{platform.name} is.\n"
            f"config:\n  {LAYERS_KEY}: [models]\n  {PLATFORM_KEY}: {project}/{platform.name}\n"
            '  # Every resource names its provider.\n  pulumi:disable-default-providers: ["*"]\n'
        )
        environment_path(made, f"{platform.name}-models").write_text(own, encoding="utf-8")
    for path in sorted((root / "stacks").glob("Pulumi.*.yaml")):
        stack = load_stack(root, path.name.removeprefix("Pulumi.").removesuffix(".yaml"))
        if stack.environment.target is Target.LOCAL and stack.holds_models:
            shutil.copyfile(path, made / "stacks" / path.name)
