"""`shipway release`, `approve`, `promote` and `rollback`: a version's way into a slot, into traffic and out again."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shipway.cli.context import actor, emit, progress, project, service
from shipway.cli.gate import require_load_tests
from shipway.contract.environment import EnvironmentSpec, Target, load_environment
from shipway.contract.errors import ArtifactError, Retryable, SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.loadtest import LoadTestResult
from shipway.contract.metrics import Slot
from shipway.contract.model import ModelSpec
from shipway.contract.record import save_record
from shipway.contract.release import Release, check_digest, load_release, release_path, save_release, short_digest
from shipway.contract.route import Phase, RolloutState, RouteSpec
from shipway.delivery.control import Command
from shipway.delivery.controller import Refused, utc_now
from shipway.delivery.decide import Action, Refusal
from shipway.delivery.ledger import Ledger
from shipway.delivery.placing import Placement, place
from shipway.delivery.reach import Reach, reach

if TYPE_CHECKING:
    from shipway.bundle.manifest import Manifest

__all__ = ["register"]

Model = Annotated[str, typer.Argument(help="the model's name, such as flight-delay")]
Reason = Annotated[str, typer.Option(help="why, for the ledger")]
NO_REASON = "no reason given"
Env = Annotated[str, typer.Option(help="the environment")]
Source = Annotated[str | None, typer.Option("--from", help="on a cluster: which environment keeps the bundle; local")]
ApprovedBy = Annotated[str, typer.Option(help="on a cluster: who agreed, another person than who releases it")]
Json = Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")]

# While one of these runs the candidate may take traffic.
_RUNNING = frozenset({Phase.STEPPING, Phase.PAUSED})


def register(app: typer.Typer) -> None:
    """Adds the group's verbs to `app`."""
    app.command(epilog='Example: shipway release flight-delay sha256:0123... --reason "April data"')(release)
    app.command(epilog='Example: shipway approve flight-delay --reason "the shift is the new feature"')(approve)
    app.command(epilog='Example: shipway promote flight-delay --env local --reason "looked at it"')(promote)
    app.command(epilog='Example: shipway rollback flight-delay --reason "errors since noon"')(rollback)


def release(
    model: Model,
    digest: Annotated[str, typer.Argument(help="the bundle: sha256: and 64 hexadecimal digits")],
    reason: Reason,
    env: Env = "local",
    source: Source = None,
    approved_by: ApprovedBy = "",
    supersede: Annotated[
        bool, typer.Option("--supersede", help="end a rollout under way and overwrite the slot it needs")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="release a digest that was rolled back or failed before")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a bundle into the idle slot's line of the release file; `pulumi up` then starts it."""
    reason = reason.strip() or NO_REASON
    root = project()
    way, environment = reach(root, env), load_environment(root, env)
    folder, spec = service(root, model)
    path, on_cluster = release_path(folder, env), environment.target is not Target.LOCAL
    kept = LocalLayout(root, (source or "local") if on_cluster else _without_options(env, source, approved_by))
    bundle = _bundle(kept, model, check_digest(digest, "the command line", "DIGEST"))
    state = _state(way, model)
    before = load_release(path)
    rejected = digest in state.rejected_digests
    if rejected and not retry:
        raise Refused(f"{digest} of {model} was rolled back or failed before; release another, or this with --retry")
    placed = place(before, state, digest, submitted_by=actor(), reason=reason, supersede=supersede)
    if isinstance(placed, Refusal):
        raise Refused(f"{path.relative_to(root)}: {placed.sentence}")
    now = datetime.now(UTC)
    passed = _passed(placed, root, environment, kept, (folder, spec), digest, now)
    if retry and not rejected:
        progress(f"{short_digest(digest)} was never rolled back; --retry changes nothing")
    save = _saving(environment, kept, folder, spec, bundle, approved_by.strip(), passed, now) if on_cluster else None
    said = [placed.sentence]
    if rejected:
        command = Command(verb="retry", model=model, actor=actor(), reason=reason, digest=digest)
        said.append(str(way.act(command)["message"]))
    if placed.changed and state.candidate is not None and state.phase in _RUNNING:
        # Its process is about to be replaced: first it must have no traffic.
        why = f"superseded by {short_digest(digest)}"
        command = Command(verb="rollback", model=model, actor=actor(), reason=why)
        said.append(str(way.act(command)["message"]))
    following = f"pulumi up -s {env}" if placed.changed else ""
    if save is not None:
        save(placed.release)
    elif placed.changed:
        _write(path, before, placed.release, way.ledger, model, digest)
    result = {
        "model": model,
        "environment": env,
        "slot": str(placed.slot),
        "digest": digest,
        "changed": placed.changed,
        "message": "; ".join(said),
        "next": following,
    }
    emit(result, "; ".join(said) + (f"\nnext: {following}" if following else ""), as_json=as_json)


def approve(model: Model, env: Env = "local", reason: Reason = NO_REASON, as_json: Json = False) -> None:
    """Lift the pause of a rollout that waits for a person; the same cause does not pause it again."""
    _act("approve", model, env, reason, as_json=as_json)


def promote(
    model: Model,
    env: Env = "local",
    reason: Reason = NO_REASON,
    wait_seconds: Annotated[float, typer.Option(min=0, help="how long to wait for a candidate that still loads")] = 60,
    retry: Annotated[bool, typer.Option("--retry", help="promote a digest that was rolled back before")] = False,
    fix_forward: Annotated[
        bool, typer.Option("--fix-forward", help="promote although the candidate is proved bad: live is no better")
    ] = False,
    as_json: Json = False,
) -> None:
    """Give the candidate all traffic before it has earned it; the version before it stays warm."""
    _act(
        "promote", model, env, reason, retry=retry, fix_forward=fix_forward, wait_seconds=wait_seconds, as_json=as_json
    )


def rollback(model: Model, env: Env = "local", reason: Reason = NO_REASON, as_json: Json = False) -> None:
    """Take the traffic back: from a candidate, or from the live version to the one before it."""
    _act("rollback", model, env, reason, as_json=as_json)


def _act(
    verb: str,
    model: str,
    env: str,
    reason: str,
    *,
    retry: bool = False,
    fix_forward: bool = False,
    wait_seconds: float = 0,
    as_json: bool,
) -> None:
    root = project()
    way = reach(root, env)
    path = release_path(service(root, model)[0], env)
    if verb == "promote":
        _refuse_unapplied(way.declared().get(model), load_release(path), env)
    why = reason.strip() or NO_REASON
    command = Command(verb=verb, model=model, actor=actor(), reason=why, retry=retry, fix_forward=fix_forward)
    done = _patiently(lambda: way.act(command), wait_seconds)
    live = Slot(done["state"]["live"])
    # Where no route state exists, as after a move to another machine, this line says which slot to start with. Read
    # anew: while a candidate was waited for, somebody may have released the next version.
    written = load_release(path)
    if written.live is not live:
        save_release(path, written.model_copy(update={"live": live}))
    changed = done["action"] != Action.NONE
    result: dict[str, Any] = done | {"environment": env, "changed": changed, "live": str(live)}
    emit(result, done["message"], as_json=as_json)


def _patiently(ask: Callable[[], dict[str, Any]], wait_seconds: float) -> dict[str, Any]:
    """Returns the answer to `ask`, asked again while it may still be granted, for `wait_seconds` at the most."""
    deadline = time.monotonic() + wait_seconds
    said = ""
    while True:
        try:
            return ask()
        except Retryable as error:
            if time.monotonic() + error.after_seconds > deadline:
                raise
            if str(error) != said:
                said = str(error)
                progress(f"waiting up to {wait_seconds:g} s: {said}")
            time.sleep(error.after_seconds)


def _passed(
    placed: Placement,
    root: Path,
    environment: EnvironmentSpec,
    kept: LocalLayout,
    of: tuple[Path, ModelSpec],
    digest: str,
    now: datetime,
) -> tuple[LoadTestResult, ...] | None:
    """Returns the load tests that the version has passed; without those it needs, no slot is changed.

    None where it is in its slot already and lacks some by now: what is written stays as it is.
    """
    try:
        return require_load_tests(root, environment, kept, of, digest, now, offline=not placed.changed)
    except Refused as lacking:
        if placed.changed:
            raise
        progress(f"{lacking}; it is in its slot already, and what was seen of its load tests stays as it is written")
        return None


def _without_options(env: str, source: str | None, approved_by: str) -> str:
    """Returns `env`, a local environment; raises SpecError for what would have no effect there."""
    for option, value in (("--from", source), ("--approved-by", approved_by)):
        if value:
            raise SpecError("the command line", option, value, f"no such option: {env} runs on no cluster")
    return env


def _state(way: Reach, model: str) -> RolloutState:
    """Returns where the rollout of `model` stands, an empty one before its first deployment."""
    served = way.served()
    if model in served:
        return served[model].state
    if (why := way.problems().get(model)) is not None:
        raise Refused(f"which slot of {model} is live is not known: {why}")
    return RolloutState()


def _bundle(layout: LocalLayout, model: str, digest: str) -> "Manifest":
    from shipway.bundle.store import ArtifactStore  # only this verb reads bundles

    manifest = ArtifactStore(layout.artifacts).verify(digest)
    if manifest.model != model:
        raise ArtifactError(f"{digest} is a bundle of {manifest.model!r}, expected one of {model!r}")
    return manifest


def _saving(
    environment: EnvironmentSpec,
    kept: LocalLayout,
    folder: Path,
    spec: ModelSpec,
    bundle: "Manifest",
    approved_by: str,
    passed: tuple[LoadTestResult, ...] | None,
    now: datetime,
) -> Callable[[Release], None]:
    """Returns what writes a release on a cluster, with the image and the record of its bundle; both are known then."""
    from shipway.images.find import image_for_release
    from shipway.training.records import record_of

    image = image_for_release(environment, spec, bundle.digest)
    record = record_of(kept, folder, spec, bundle, submitted_by=actor(), approved_by=approved_by)

    def save(release: Release) -> None:
        # Git says who and why, and the next deployment applies it; delivery enters what it then does with it.
        save_record(folder, record.model_copy(update={"load_tests": passed or record.load_tests}))
        held = release.with_image(bundle.digest, image)
        held = held if passed is None else held.with_load_tests(bundle.digest, now)
        save_release(release_path(folder, environment.name), held)

    return save


def _write(path: Path, before: Release, after: Release, ledger: Ledger, model: str, digest: str) -> None:
    """Writes the release file and its ledger entry, both or neither."""
    existed = path.exists()
    save_release(path, after)
    try:
        ledger.append(
            time=utc_now(),
            actor=after.submitted_by,
            action="released",
            model=model,
            digests={"released": digest},
            reason=after.reason,
        )
    except BaseException:  # Ctrl-C too
        if existed:
            save_release(path, before)
        else:
            path.unlink()
        raise


def _refuse_unapplied(spec: RouteSpec | None, written: Release, env: str) -> None:
    """Refuses to promote while a newer release waits for `pulumi up`: another version would be promoted."""
    if spec is None:
        return
    for slot in Slot:
        released, declared = written.digest(slot), spec.endpoint(slot).digest
        if released not in ("", declared):
            raise Refused(
                f"{short_digest(released)} is released into {slot}, which still holds "
                f"{short_digest(declared) or 'nothing'}; run `pulumi up -s {env}` first"
            )
