"""`shipway check`: everything that ships with a model to test it, in one table."""

from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.context import emit, in_order, progress, project, service, table
from shipway.contract.check import CheckName
from shipway.contract.documents import write_atomic
from shipway.contract.environment import Target, load_environment
from shipway.contract.errors import ArtifactError
from shipway.contract.layout import LocalLayout
from shipway.contract.model import ModelSpec
from shipway.contract.release import check_digest

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the group's verb to `app`."""
    app.command(epilog="Example: shipway check flight-delay --only schema --only metamorphic --markdown check.md")(
        check
    )


def check(
    model: Annotated[str, typer.Argument(help="the model's name, such as flight-delay")],
    env: Annotated[str, typer.Option(help="the environment whose prices hold; a local one keeps the bundle")] = "local",
    digest: Annotated[str | None, typer.Option(help="the bundle; the newest registered one by default")] = None,
    only: Annotated[list[CheckName] | None, typer.Option(help="this check alone; may be given again")] = None,
    without: Annotated[
        list[CheckName] | None, typer.Option(help="leave this check out, and say so in the table; may be given again")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write the table there too, for a comment on a pull request")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the findings as one line of JSON")] = False,
) -> None:
    """Check a version: schema, unit tests, regression, relations, fairness, hostile inputs, parity, latency, cost.

    Exit code 1 when a check failed or evidence is missing that model.yaml demands.
    """
    root = project()
    folder, spec = service(root, model)
    environment = load_environment(root, env)
    layout = LocalLayout(root, env if environment.target is Target.LOCAL else "local")
    version = check_digest(digest, "the command line", "--digest") if digest is not None else _newest(layout, spec)
    from shipway.bundle.store import ArtifactStore

    manifest = ArtifactStore(layout.artifacts).verify(version)
    if manifest.model != model:
        raise ArtifactError(f"{version} is a bundle of {manifest.model!r}, expected one of {model!r}")
    from shipway.checks import telling
    from shipway.checks.finding import failing
    from shipway.checks.registry import needed
    from shipway.checks.running import Job, run

    chosen = tuple(only or CheckName)
    with in_order():
        findings = run(Job(layout, environment, folder, spec, version, chosen, progress, tuple(without or ())))
    must = needed(spec)
    stops = failing(findings, must)
    result = {
        "model": model,
        "environment": env,
        "digest": version,
        "passed": not stops,
        "findings": [finding.model_dump(mode="json") for finding in findings],
        "needed": sorted(must),
    }
    head = ("CHECK", "SUBJECT", "STATUS", "VALUE", "BOUND", "WHAT WAS FOUND")
    text = table(head, [telling.cells(finding) for finding in findings])
    emit(result, f"{text}\n\n{model} {version}\n{telling.summary(findings, must)}", as_json=as_json)
    # After the findings are told: a file that cannot be written takes no minutes of checking with it.
    if markdown is not None:
        write_atomic(markdown, telling.markdown(model, version, findings, must))
    if stops:
        raise typer.Exit(1)


def _newest(layout: LocalLayout, spec: ModelSpec) -> str:
    from shipway.bundle.store import ArtifactStore
    from shipway.training.registry import Registry

    found = None
    if layout.registry.exists():
        found = Registry(layout.registry).newest_usable(spec.name, ArtifactStore(layout.artifacts))
    if found is None:
        raise ArtifactError(
            f"{layout.registry}: found no registered bundle of {spec.name}; `shipway train {spec.name}` makes one"
        )
    return found.digest
