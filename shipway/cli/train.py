"""`shipway train`: from data to a registered bundle."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shipway.cli.context import emit, own_code, progress, project, service
from shipway.contract.environment import load_environment
from shipway.contract.layout import LocalLayout
from shipway.contract.model import ModelSpec

if TYPE_CHECKING:
    from shipway.training.registry import RegisteredVersion

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the group's verbs to `app`."""
    app.command(epilog="Example: shipway train flight-delay --set iterations=200 --json")(train)


def train(
    model: Annotated[str, typer.Argument(help="the model's name, such as flight-delay")],
    env: Annotated[str, typer.Option(help="the environment that keeps the bundle")] = "local",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="another training setting, or a fault (fault.error_ratio=0.2)"),
    ] = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="return the newest registered bundle instead, where there is one")
    ] = False,
    without_champion: Annotated[
        bool, typer.Option("--without-champion", help="do not compare with the live version")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")] = False,
) -> None:
    """Check the data, train, evaluate against the gates, build the bundle and register it."""
    root = project()
    folder, spec = service(root, model)
    load_environment(root, env)
    layout = LocalLayout(root, env)
    found = _newest(layout, spec) if if_missing else None
    version = found or _train(layout, folder, spec, settings or [], with_champion=not without_champion)
    result = {
        "model": version.model,
        "version": version.version,
        "digest": version.digest,
        "metrics": dict(version.metrics),
        "trained": found is None,
    }
    emit(result, f"{version.model} version {version.version}\n{version.digest}", as_json=as_json)


def _newest(layout: LocalLayout, spec: ModelSpec) -> "RegisteredVersion | None":
    if not layout.registry.exists():
        return None
    from shipway.bundle.store import ArtifactStore
    from shipway.training.registry import Registry

    return Registry(layout.registry).newest_usable(spec.name, ArtifactStore(layout.artifacts))


def _train(
    layout: LocalLayout, folder: Path, spec: ModelSpec, assignments: list[str], *, with_champion: bool
) -> "RegisteredVersion":
    from shipway.training.pipeline import Training
    from shipway.training.pipeline import train as run
    from shipway.training.settings import parse_overrides

    overrides = parse_overrides(assignments)
    with own_code():
        return run(Training(layout, folder, spec, overrides, with_champion, progress))
