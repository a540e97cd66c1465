"""`shipway labels`: how good a model is by the labels that have come, and labels from a file."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from shipway.cli.context import emit, local, progress, project, service, table
from shipway.contract.documents import parse_json
from shipway.contract.environment import EnvironmentSpec, Target, load_environment
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.kubeconfig import cluster_of
from shipway.contract.layout import services
from shipway.contract.metrics import LABELS_JOB
from shipway.contract.model import ModelSpec, load_model

__all__ = ["register"]

_IMPORT = "import"


def register(app: typer.Typer) -> None:
    """Adds the group's verbs to `app`."""
    app.command(epilog="Example: shipway labels flight-delay; shipway labels import labels.csv --model flight-delay")(
        labels
    )


def labels(
    what: Annotated[str, typer.Argument(metavar="MODEL|import", help="the model's name; or import")],
    file: Annotated[
        Path | None,
        typer.Argument(help="with import: .csv, .jsonl or .parquet of prediction_id, label and, if known, event_time"),
    ] = None,
    model: Annotated[str | None, typer.Option(help="with import: whose labels; not needed where there is one")] = None,
    env: Annotated[str, typer.Option(help="the environment")] = "local",
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")] = False,
) -> None:
    """Show accuracy, AUC, losses and coverage by late labels; or import labels from a file, as often as one likes."""
    root = project()
    if what == _IMPORT:
        if file is None:
            raise SpecError("the command line", "import", "no file", "a file of labels: shipway labels import FILE")
        _import(root, file, model, env, as_json=as_json)
        return
    if file is not None or model is not None:
        raise SpecError("the command line", "", what, "a file and --model with `shipway labels import` only")
    _show(root, what, env, as_json=as_json)


def _import(root: Path, file: Path, model: str | None, env: str, *, as_json: bool) -> None:
    layout, _ = local(root, env)
    name, spec = _chosen(root, model)
    from shipway.labels.importing import import_labels
    from shipway.labels.statistics import Task, task_of

    done = import_labels(
        file,
        layout.predictions / name,
        binary=task_of(spec) is Task.BINARY,
        now=datetime.now(UTC),
        progress=progress,
        also_known_as=_hashed(layout.predictions / name),
    )
    result = {"model": name, "environment": env, "file": str(file), **vars(done)}
    known = f", {done.known} were there already" if done.known else ""
    unmatched = f"; {done.unmatched} are of units the log has no prediction of at that time" if done.unmatched else ""
    text = f"{name}: {done.written} of {done.rows} labels written{known}{unmatched}"
    emit(result, text, as_json=as_json)


def _chosen(root: Path, model: str | None) -> tuple[str, ModelSpec]:
    if model is None:
        names = [load_model(folder / "model.yaml").name for folder in services(root)]
        if len(names) != 1:
            raise SpecError("the command line", "--model", None, f"one of {', '.join(names) or 'no models'}")
        model = names[0]
    _, spec = service(root, model)
    return model, spec


def _hashed(folder: Path) -> Callable[[str], str]:
    """Returns what finds the name under which the log keeps a unit whose id repeats a personal field."""
    from shipway.serving.personal import HASH_KEY, hash_key, hashed

    if not (folder / HASH_KEY).exists():
        return lambda unit: unit
    key = hash_key(folder)
    return lambda unit: hashed(key, unit)


def _show(root: Path, model: str, env: str, *, as_json: bool) -> None:
    service(root, model)
    where, text = _quality(root, load_environment(root, env), model)
    if not text:
        raise ShipwayError(
            f"{where}: no such file: nothing is known of the labels of {model} yet; the labels process writes it a few "
            f"seconds after the first prediction (`shipway status --env {env}` says whether it runs)"
        )
    found: dict[str, Any] = parse_json(text, where)
    emit(found, _text(found), as_json=as_json)


def _quality(root: Path, environment: EnvironmentSpec, model: str) -> tuple[str, bytes]:
    """Returns where the worker puts what the labels of a model say, and what lies there; nothing before the first."""
    if environment.target is Target.LOCAL:
        layout, _ = local(root, environment.name)
        path = layout.labels / model / "quality.json"
        return str(path), path.read_bytes() if path.exists() else b""
    from shipway.labels.output import QUALITY
    from shipway.objects.storage import ObjectStorage

    storage = cluster_of(root, environment).object_storage
    progress(f"reading what the labels of {model} say in {storage.state} ...")
    kept, name = ObjectStorage(f"{storage.state}/{LABELS_JOB}", endpoint_url=storage.endpoint_url), f"{model}/{QUALITY}"
    return kept.where(name), kept.read(name) if name in {one.name for one in kept.entries(name)} else b""


def _text(found: Mapping[str, Any]) -> str:
    quality: list[dict[str, Any]] = [one for one in found["quality"] if one["window"]["name"] == "week"]
    lines = [f"{found['model']}: by labels known at {found['time']}, predictions until {found['event_time']}"]
    if quality:
        window = quality[0]["window"]
        lines[0] += f", from {window['start'][:10]} on"
        head = ("VERSION", "SEGMENT", "METRIC", "VALUE", "LOW", "HIGH", "LABELLED", "REFERENCE", "DROP")
        lines.append(table(head, [_cells(one, found["threshold"]) for one in quality]))
    else:
        lines.append("no version has enough labelled predictions in the newest week (200) to say anything")
    for version, covered in sorted(found["coverage"].items()):
        share = covered["labelled"] / covered["due"]
        lines.append(
            f"coverage of {version}: {share:.1%}, {covered['labelled']} of {covered['due']} old enough for a label"
        )
    if found["sampled_ratio"] < 1:
        lines.append(f"measured on a uniform sample: one in {round(1 / found['sampled_ratio'])} predictions")
    return "\n".join(lines)


def _cells(one: Mapping[str, Any], limit_ratio: float | None) -> tuple[str, ...]:
    drop, reference = one["drop_ratio"], one["reference"]
    said = "-" if drop is None else f"{drop:.1%}{' DROPPED' if limit_ratio is not None and drop >= limit_ratio else ''}"
    high = "-" if one["high"] is None else f"{one['high']:.4f}"
    held = "-" if reference is None else f"{reference:.4f} {one['against']}"
    numbers = (f"{one['score']:.4f}", f"{one['low']:.4f}", high, str(one["n_current"]))
    return one["version"], one["segment"] or "all", one["metric"], *numbers, held, said
