"""Where each service stands: its template, its contract, and how far it was edited since it was rendered."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.contract.compatibility import FIRST_VERSION, Standing, compatibility, template_standing
from shipway.contract.documents import read_yaml
from shipway.contract.errors import ShipwayError, SpecError
from shipway.scaffold.fleet.pristine import template_version
from shipway.scaffold.origin import RECORD, Origin, fingerprints, read_origin
from shipway.scaffold.rendering import Kind

__all__ = ["Edits", "ServiceStatus", "fleet_folders", "service_status"]

# What only the service writes: it says nothing about how far it is from its template.
_OWN = ("releases/",)


@dataclass(frozen=True)
class Edits:
    """How many files differ from what was rendered.

    Args:
        rendered: files that the template rendered.
        changed, deleted: of these.
        added: files beside them, without releases.
    """

    rendered: int
    changed: int
    deleted: int
    added: int


@dataclass(frozen=True)
class ServiceStatus:
    """Where one service stands.

    Args:
        model: its name.
        kind: of model, empty when not known.
        template_version, contract_version: empty when not known.
        template, contract: how they stand to the project's; None when not known.
        deploys: whether this platform deploys it, as far as the contract goes.
        edits: None when what was rendered is not known.
        problems: what is wrong with its record or its model.yaml, and what to do next.
    """

    model: str
    kind: str
    template_version: str
    contract_version: str
    template: Standing | None
    contract: Standing | None
    deploys: bool
    edits: Edits | None
    problems: tuple[str, ...]


def fleet_folders(root: Path) -> list[Path]:
    """Returns the folder of every service of the project at `root`: whatever has a model.yaml or a record."""
    marks = ("model.yaml", RECORD)
    return sorted({path.parent for mark in marks for path in (root / "services").glob(f"*/{mark}")})


def service_status(folder: Path, known: Iterable[Kind]) -> ServiceStatus:
    """Returns where the service in `folder` stands, whatever state its files are in.

    Args:
        folder: the service's.
        known: the kinds of the project's template.
    """
    model = folder.name.replace("_", "-")
    problems: list[str] = []
    origin, template = _template(folder, known, problems)
    version, contract, deploys = _contract(folder, model, problems)
    return ServiceStatus(
        model=model,
        kind=origin.kind if origin else "",
        template_version=origin.template_version if origin else "",
        contract_version=version,
        template=template,
        contract=contract,
        deploys=deploys,
        edits=_edits(folder, origin.rendered) if origin and origin.rendered else None,
        problems=tuple(problems),
    )


def _template(folder: Path, known: Iterable[Kind], problems: list[str]) -> tuple[Origin | None, Standing | None]:
    try:
        origin = read_origin(folder)
    except (SpecError, OSError) as error:
        problems.append(str(error))
        return None, None
    kind = next((kind for kind in known if kind.name == origin.kind), None)
    if kind is None:
        names = ", ".join(kind.name for kind in known)
        problems.append(str(SpecError(folder / RECORD, "directory", origin.source.directory, f"one of {names}")))
        return origin, None
    try:
        standing = template_standing(origin.template_version, template_version(kind))
    except (ValueError, ShipwayError) as error:
        key = "context.cookiecutter._template_version"
        problems.append(str(SpecError(folder / RECORD, key, origin.template_version or "nothing", str(error))))
        return origin, None
    return origin, standing


def _contract(folder: Path, model: str, problems: list[str]) -> tuple[str, Standing | None, bool]:
    path, version = folder / "model.yaml", ""
    try:
        document: dict[str, Any] = read_yaml(path)
        written: object = document.get("contract_version", FIRST_VERSION)
        if not isinstance(written, str):
            raise SpecError(path, "contract_version", written, "a version in quotes")
        version = written
        found = compatibility(model, version)
    except (SpecError, OSError) as error:
        problems.append(str(error))
        return "", None, False
    except ValueError as error:
        problems.append(str(SpecError(path, "contract_version", version, str(error))))
        return version, None, False
    if found.sentence:
        problems.append(f"{model}: {found.sentence}")
    return version, found.standing, found.deploys


def _edits(folder: Path, rendered: dict[str, str] | Any) -> Edits:
    now = fingerprints(folder)
    return Edits(
        rendered=len(rendered),
        changed=sum(name in now and now[name] != what for name, what in rendered.items()),
        deleted=sum(name not in now for name in rendered),
        added=sum(name not in rendered and not name.startswith(_OWN) for name in now),
    )
