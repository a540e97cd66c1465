"""`shipway dead-letters`: the requests that nobody could answer."""

from pathlib import Path
from typing import Annotated, Any

import typer

from shipway.cli.context import emit, local, progress, project, service, table
from shipway.contract.environment import EnvironmentSpec, Target, load_environment
from shipway.contract.kubeconfig import cluster_of

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the group's verb to `app`."""
    app.command(name="dead-letters", epilog="Example: shipway dead-letters flight-delay --last 20 --json")(dead_letters)


def dead_letters(
    model: Annotated[str, typer.Argument(help="the model's name, such as flight-delay")],
    last: Annotated[int, typer.Option(min=1, help="how many, the newest")] = 20,
    env: Annotated[str, typer.Option(help="the environment")] = "local",
    as_json: Annotated[bool, typer.Option("--json", help="print them whole, as one line of JSON")] = False,
) -> None:
    """Show the requests that neither the model nor its fallback chain could answer, the newest last."""
    root = project()
    _, spec = service(root, model)
    letters, torn = _read(root, load_environment(root, env), spec.name)
    shown = letters[-last:]
    text = table(
        ("TIME", "SLOT", "VERSION", "ROWS", "REQUEST", "CAUSE"),
        [
            (
                letter["time"][:19],
                letter["slot"],
                letter["version"],
                str(len(letter["rows"]) + letter["rows_left_out"]),
                letter["request_id"],
                "; ".join((letter["cause"], *(f"{source}: {why}" for source, why in letter["chain"].items()))),
            )
            for letter in shown
        ],
    )
    notes = [f"{len(shown)} of {len(letters)} dead letters of {model}"]
    if torn:
        notes.append(f"left out, cut off when a process was killed: {torn}")
    result: dict[str, Any] = {"model": model, "count": len(letters), "torn": torn, "dead_letters": shown}
    emit(result, "\n".join([*([text] if shown else []), *notes]), as_json=as_json)


def _read(root: Path, environment: EnvironmentSpec, model: str) -> tuple[list[dict[str, Any]], int]:
    """Returns a model's dead letters, and how many lines were torn."""
    # Arrow takes a second that no other verb should wait for.
    from shipway.serving.dead_letters import read_dead_letters, read_stored_dead_letters

    if environment.target is Target.LOCAL:
        layout, _ = local(root, environment.name)
        return read_dead_letters(layout.predictions / model)
    from shipway.objects.storage import ObjectStorage

    storage = cluster_of(root, environment).object_storage
    progress(f"reading the dead letters of {model} in {storage.predictions} ...")
    return read_stored_dead_letters(ObjectStorage(f"{storage.predictions}/{model}", endpoint_url=storage.endpoint_url))
