"""`shipway parity`: served features against those that training would have seen."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shipway.cli.context import emit, progress, project, service
from shipway.contract.documents import parse, read_yaml
from shipway.contract.environment import EnvironmentSpec, Target, load_environment
from shipway.contract.errors import ArtifactError, ShipwayError, SpecError
from shipway.contract.kubeconfig import cluster_of
from shipway.contract.layout import LocalLayout
from shipway.contract.model import ModelSpec
from shipway.contract.record import BundleRecord, record_path

if TYPE_CHECKING:
    import pyarrow as pa

    from shipway.parity.report import Report
    from shipway.parity.running import Question
    from shipway.parity.waiting import Counted

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the group's verb to `app`."""
    app.command(epilog="Example: shipway parity flight-delay --since 2013-05-01 --until 2013-05-02 --sample 200")(
        parity
    )


def parity(
    model: Annotated[str, typer.Argument(help="the model's name, such as flight-delay")],
    env: Annotated[str, typer.Option(help="the environment")] = "local",
    since: Annotated[
        str | None, typer.Option(help="first event time, such as 2013-05-01; the newest day if not given")
    ] = None,
    until: Annotated[str | None, typer.Option(help="event time up to which it is looked at")] = None,
    sample: Annotated[int, typer.Option(min=1, max=5000, help="how many predictions to compare at most")] = 500,
    explain: Annotated[str | None, typer.Option(metavar="FEATURE", help="show all of one feature's worst rows")] = None,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="keep the predictions, and the offline rows they need, instead")
    ] = None,
    recorded: Annotated[
        Path | None, typer.Option(metavar="FILE", help="compare a kept sample, by this checkout's code")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the reports as one line of JSON")] = False,
) -> None:
    """Compare logged predictions with the offline point-in-time join; exit code 1 when they differ."""
    if record is not None and recorded is not None:
        raise SpecError("--record", "", str(record), "one of --record and --recorded")
    root = project()
    folder, spec = service(root, model)
    environment, layout = load_environment(root, env), LocalLayout(root, env)
    if recorded is not None:
        from shipway.parity.recorded import read_sample

        records = read_sample(recorded)
        logged = records.num_rows
    else:
        records, logged = _logged(layout, environment, model, since, until, sample)
    if record is not None:
        _record(layout, folder, spec, records, record)
        return
    reports = _compare(layout, folder, spec, records, recorded=recorded is not None)
    from shipway.parity.telling import explained, said, told

    if explain is not None:
        known = {one.name for report in reports for one in (*report.features, *report.predictions)}
        if explain not in known:
            raise SpecError("--explain", "", explain, f"one of {', '.join(sorted(known))}")
        text = "\n\n".join(f"{report.version} {explained(report, explain)}" for report in reports)
    else:
        text = "\n\n".join(told(report, logged) for report in reports)
        if recorded is None:
            text += f"\n{said(_kept(layout, environment, model))}"
    emit([report.model_dump(mode="json") for report in reports], text, as_json=as_json)
    if any(report.skewed or not report.compared for report in reports):
        raise typer.Exit(1)


def _logged(
    layout: LocalLayout, environment: EnvironmentSpec, model: str, since: str | None, until: str | None, count: int
) -> "tuple[pa.Table, int]":
    from shipway.logs.places import log_of
    from shipway.parity.sampling import sample, stretch

    source = log_of(layout, environment, model, progress)
    start, end = stretch(source, _time("--since", since), _time("--until", until))
    progress(f"reading the predictions of {model} from {start.isoformat()} to {end.isoformat()}")
    return sample(source, start, end, count)


def _compare(
    layout: LocalLayout, folder: Path, spec: ModelSpec, records: "pa.Table", *, recorded: bool
) -> "list[Report]":
    from shipway.parity.running import compared
    from shipway.parity.sampling import by_version

    reports: list[Report] = []
    for version, some in by_version(records).items():
        progress(f"comparing {some.num_rows} predictions of {version} with its offline store")
        reports.append(compared(_question(layout, folder, spec, version, recorded=recorded), some))
    return reports


def _record(layout: LocalLayout, folder: Path, spec: ModelSpec, records: "pa.Table", path: Path) -> None:
    from shipway.parity.running import recorded_by
    from shipway.parity.sampling import by_version

    versions = by_version(records)
    if len(versions) > 1:
        shown = ", ".join(f"{some.num_rows} of {version}" for version, some in versions.items())
        raise ShipwayError(f"the predictions are by several versions ({shown}), expected one; choose a time")
    (version,) = versions
    progress(f"recording {records.num_rows} predictions of {version} with the offline rows they need")
    progress(recorded_by(_question(layout, folder, spec, version, recorded=False), records, path))


def _question(layout: LocalLayout, folder: Path, spec: ModelSpec, version: str, *, recorded: bool) -> "Question":
    from shipway.parity.running import question_of
    from shipway.parity.sampling import find_bundle

    bundle = find_bundle(layout.artifacts, version)
    if bundle is None and not recorded:
        bundle = _fetched(layout, folder, spec, version)
    if bundle is None and not recorded:
        raise ShipwayError(
            f"{layout.artifacts}: no bundle of {version}, expected the version that answered; "
            "choose another time with --since and --until"
        )
    asked = question_of(layout, spec, version, bundle)
    if recorded:
        # A kept sample is there to try the code of this checkout on.
        return asked.model_copy(update={"service": str(folder), "recorded": True})
    environment = load_environment(layout.root, layout.environment)
    if environment.target is Target.LOCAL:
        return asked
    place = cluster_of(layout.root, environment).object_storage
    return asked.model_copy(update={"features": place.features, "features_endpoint_url": place.endpoint_url})


def _fetched(layout: LocalLayout, folder: Path, spec: ModelSpec, version: str) -> Path | None:
    """Returns the bundle of a version that was released to a cluster; None where it was not.

    It is taken from beside the logs, and out of its image where a slot has not put it there.
    """
    environment, path = load_environment(layout.root, layout.environment), record_path(folder, version)
    if environment.target is Target.LOCAL or not path.exists():
        return None
    # What a laptop without a cluster lacks.
    from shipway.bundle.store import ArtifactStore
    from shipway.images.fetch import fetch_bundle
    from shipway.objects.storage import ObjectStorage
    from shipway.parity.stored import bundle_beside

    digest, store = parse(BundleRecord, read_yaml(path), path).digest, ArtifactStore(layout.artifacts)
    place = cluster_of(layout.root, environment).object_storage
    logs = ObjectStorage(f"{place.predictions}/{spec.name}", endpoint_url=place.endpoint_url)
    try:
        return bundle_beside(logs, digest, store)
    except ArtifactError as error:
        progress(f"{error}; fetching {version} out of its image")
    fetch_bundle(environment, spec, digest, store)
    return store.path(digest)


def _kept(layout: LocalLayout, environment: EnvironmentSpec, model: str) -> "Counted":
    """Returns how the rows ended that the worker has ever looked at."""
    from shipway.parity.keeping import KeptFile
    from shipway.parity.waiting import WAITING_FILE, load

    if environment.target is Target.LOCAL:
        return load(KeptFile(layout.parity / model / WAITING_FILE)).counted
    from shipway.objects.storage import ObjectStorage
    from shipway.parity.stored import kept_object

    place = cluster_of(layout.root, environment).object_storage
    return load(kept_object(ObjectStorage(place.state, endpoint_url=place.endpoint_url), model, WAITING_FILE)).counted


def _time(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        raise SpecError(option, "", text, "a date or time such as 2013-07-01 or 2013-07-01T12:00:00Z") from None
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
