"""`shipway loadtest`: what one version stands, measured on it alone and kept under its digest."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shipway.cli.context import emit, in_order, own_code, progress, project, service, table
from shipway.cli.gate import bucket_results
from shipway.contract.environment import EnvironmentSpec, Target, load_environment
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.evidence import Judgement
from shipway.contract.layout import LocalLayout
from shipway.contract.loadtest import LatencySeconds, LoadTestResult, Profile
from shipway.contract.model import ModelSpec
from shipway.contract.release import check_digest, short_digest

if TYPE_CHECKING:
    from shipway.loadtest.logged import Logged
    from shipway.loadtest.running import Order

__all__ = ["register"]

_Profile = Annotated[str | None, typer.Option(help=f"the question: {', '.join(Profile)}; by default {Profile.LOAD}")]
_Required = Annotated[
    bool,
    typer.Option("--required", help="one after the other, every profile that a release or `shipway check` asks for"),
]


def register(app: typer.Typer) -> None:
    """Adds the group's verbs to `app`."""
    app.command(
        epilog="Example: shipway loadtest flight-delay --profile stress --json; shipway loadtest digits --required"
    )(loadtest)


def loadtest(
    model: Annotated[str, typer.Argument(help="the model's name, such as flight-delay")],
    profile: _Profile = None,
    required: _Required = False,
    digest: Annotated[str | None, typer.Option(help="the bundle; by default the newest that was trained")] = None,
    env: Annotated[str, typer.Option(help="the environment that the result is for")] = "local",
    source: Annotated[
        str | None, typer.Option("--from", help="on a cluster: which environment keeps the bundle; local")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="send to this address, which must answer as that version, instead of a slot of its own"),
    ] = None,
    duration_seconds: Annotated[
        float | None, typer.Option(min=1, help="how long all stages take together; a shorter test is no evidence")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="requests a second that it has to stand; by default model.yaml's")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="the same seed, the same requests at the same moments")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")] = False,
) -> None:
    """Send a version requests that arrive whether it answers or not, and say whether it meets its objective."""
    from shipway.loadtest.running import Order

    root = project()
    folder, spec = service(root, model)
    asked = _profiles(profile, spec, required=required)
    environment = load_environment(root, env)
    on_cluster = environment.target is not Target.LOCAL
    if source and not on_cluster:
        raise SpecError("the command line", "--from", source, f"no such option: {env} runs on no cluster")
    layout = LocalLayout(root, (source or "local") if on_cluster else env)
    address, logged = _address(url, environment), _logged(layout, spec)
    order = Order(
        spec=spec,
        digest=check_digest(digest, "the command line", "--digest") if digest is not None else _newest(layout, spec),
        artifacts=layout.artifacts,
        features=_features(layout, folder, spec),
        logged=logged.rows,
        profile=asked[0] if asked else Profile.LOAD,
        environment=env,
        seed=seed,
        requests_per_second=rate,
        duration_seconds=duration_seconds,
        address=address,
        asked_at=logged.newest,
    )
    results = _each(asked, lambda one: _tested(root, environment, layout, replace(order, profile=one)))
    documents = [json.loads(result.model_dump_json()) for result in results]
    text = "\n\n".join(map(_shown, results)) or f"model.yaml of {model} demands no load test"
    emit(documents if required else documents[0], text, as_json=as_json)
    if any(result.judgement is not Judgement.PASS for result in results):
        raise typer.Exit(1)


def _each(profiles: Sequence[Profile], test: Callable[[Profile], LoadTestResult]) -> list[LoadTestResult]:
    """Returns the results of one test after the other, up to the first that does not pass."""
    results: list[LoadTestResult] = []
    for one in profiles:
        results.append(test(one))
        if results[-1].judgement is not Judgement.PASS:
            break
    return results


def _tested(root: Path, environment: EnvironmentSpec, layout: LocalLayout, order: "Order") -> LoadTestResult:
    from shipway.loadtest.running import run

    what = f"{order.profile} of {order.spec.name} {short_digest(order.digest)}"
    progress(f"load test {what} for {order.rate:g} requests/s")
    with in_order(), own_code():
        result = run(order, progress, lambda: datetime.now(UTC))
    _keep(root, environment, layout, result) if result.whole else progress(_not_whole(order))
    return result


def _address(url: str | None, environment: EnvironmentSpec) -> tuple[str, str] | None:
    from shipway.loadtest.address import checked_address

    return None if url is None else checked_address(url, environment)


def _profiles(name: str | None, spec: ModelSpec, *, required: bool) -> tuple[Profile, ...]:
    if required:
        from shipway.checks.registry import needed_profiles

        if name is not None:
            raise SpecError("the command line", "--profile", name, "no such option beside --required")
        return needed_profiles(spec)
    if name is None:
        return (Profile.LOAD,)
    if name not in set(Profile):
        raise SpecError("the command line", "--profile", name, f"one of {', '.join(Profile)}")
    return (Profile(name),)


def _newest(layout: LocalLayout, spec: ModelSpec) -> str:
    from shipway.bundle.store import ArtifactStore
    from shipway.training.registry import Registry

    found = None
    if layout.registry.exists():
        found = Registry(layout.registry).newest_usable(spec.name, ArtifactStore(layout.artifacts))
    if found is None:
        raise ShipwayError(f"no version of {spec.name} in {layout.environment}; `shipway train {spec.name}` makes one")
    return found.digest


def _features(layout: LocalLayout, folder: Path, spec: ModelSpec) -> Path | None:
    """Returns the environment's feature store where it has what the model reads, else None."""
    if not spec.features.reads:
        return None
    from shipway.features.repository import check

    problems = check(folder, layout.features)
    if problems:
        progress(f"no feature store of {layout.environment} is used: {problems[0]}; every value is missing")
    return None if problems else layout.features


def _logged(layout: LocalLayout, spec: ModelSpec) -> "Logged":
    from shipway.loadtest.logged import NOTHING_LOGGED, logged_rows
    from shipway.logs.sources import LocalSource

    folder = layout.predictions / spec.name
    if not folder.is_dir():
        return NOTHING_LOGGED

    return logged_rows(LocalSource(folder, progress))


def _keep(root: Path, environment: EnvironmentSpec, layout: LocalLayout, result: LoadTestResult) -> None:
    from shipway.loadtest.results import FolderResults

    where = FolderResults(layout.loadtests).put(result)
    progress(f"kept in {Path(where).relative_to(root)}")
    if environment.target is Target.LOCAL:
        return
    try:
        progress(f"kept in {bucket_results(root, environment).put(result)}")
    except (OSError, ShipwayError) as error:
        # The file above is evidence enough for whoever releases from here.
        progress(f"not kept in the bucket of {environment.name}: {error}")


def _not_whole(order: "Order") -> str:
    if order.address is not None:
        return "not kept: what answers at an address may be many replicas, and a release asks what one stands"
    if order.rate < order.expected_rate:
        return f"not kept: it was made for {order.rate:g} requests/s, and model.yaml demands {order.expected_rate:g}"
    return f"not kept: it was shortened to {order.duration_seconds:g} s"


def _shown(result: LoadTestResult) -> str:
    rows = [
        (
            f"{stage.requests_per_second:.4g}",
            f"{stage.seconds:.3g}",
            f"{stage.requests:,}",
            f"{stage.failures:,}",
            *_percentiles_ms(stage.latency),
            _met(stage.objective_met) if stage.judged else "not judged",
        )
        for stage in result.stages
    ]
    head = ("REQUESTS/S", "SECONDS", "REQUESTS", "FAILED", "P50 MS", "P95 MS", "P99 MS", "OBJECTIVE")
    failed = ", ".join(f"{count:,} {why}" for why, count in sorted(result.failed_by.items()))
    lines = [table(head, rows), *([f"failed: {failed}"] if failed else [])]
    return "\n".join([*lines, f"{result.judgement.upper()}: {result.model} {result.sentence}"])


def _percentiles_ms(latency: LatencySeconds | None) -> tuple[str, str, str]:
    if latency is None:
        return "-", "-", "-"
    return f"{latency.p50 * 1000:.1f}", f"{latency.p95 * 1000:.1f}", f"{latency.p99 * 1000:.1f}"


def _met(said: bool | None) -> str:
    return "says nothing" if said is None else "met" if said else "missed"
