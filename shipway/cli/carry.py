"""`shipway carry`: the same bundle and the same image, in the next environment's release file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.context import actor, emit, project, service
from shipway.cli.gate import require_load_tests
from shipway.contract.environment import EnvironmentSpec, Target, environment_path, load_environment
from shipway.contract.errors import ArtifactError, SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.model import ModelSpec
from shipway.contract.record import BundleRecord, load_record, save_record
from shipway.contract.release import check_digest, load_release, release_path, save_release, short_digest
from shipway.contract.route import RolloutState
from shipway.delivery.carrying import Carried, carried
from shipway.delivery.controller import Refused
from shipway.delivery.decide import Refusal
from shipway.delivery.placing import place
from shipway.delivery.reach import reach

__all__ = ["register"]

_EXAMPLE = 'Example: shipway carry flight-delay --from staging --to prod --reason "proved since Monday"'


def register(app: typer.Typer) -> None:
    """Adds the verb to `app`."""
    app.command(epilog=_EXAMPLE)(carry)


def carry(
    model: Annotated[str, typer.Argument(help="the model's name, such as flight-delay")],
    source: Annotated[str, typer.Option("--from", help="the environment that proved the version")],
    target: Annotated[str, typer.Option("--to", help="the environment that gets it")],
    reason: Annotated[str, typer.Option(help="why, for the release file")],
    digest: Annotated[str, typer.Option(help="the version; without it the one that is live")] = "",
    approved_by: Annotated[str, typer.Option(help="who agreed, another person than who submitted the bundle")] = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="ask no cluster: go by the release files; `pulumi up` still asks")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")] = False,
) -> None:
    """Copy a version from one environment's release file into the next one's; nothing is trained and nothing built."""
    root = project()
    folder, spec = service(root, model)
    there = _on_cluster(root, target, "--to")
    _on_cluster(root, source, "--from")
    if source == target:
        raise SpecError("the command line", "--to", target, f"another environment than --from {source}")
    if digest:
        check_digest(digest, "the command line", "--digest")
    found = carried(load_release(release_path(folder, source)), _state(root, source, model, offline), digest)
    if isinstance(found, Refusal):
        raise Refused(f"{model} in {source}: {found.sentence}")
    image = _image(found, there, spec, source, offline=offline)
    record = _approved(folder, found.digest, approved_by.strip())
    path = release_path(folder, target)
    state = _state(root, target, model, offline) or RolloutState()
    if found.digest in state.rejected_digests:
        raise Refused(f"{found.digest} of {model} was rolled back or failed in {target} before; carry another")
    placed = place(load_release(path), state, found.digest, submitted_by=actor(), reason=reason.strip())
    if isinstance(placed, Refusal):
        raise Refused(f"{path.relative_to(root)}: {placed.sentence}")
    now = datetime.now(UTC)
    if placed.changed:
        kept = LocalLayout(root, "local")
        passed = require_load_tests(root, there, kept, (folder, spec), found.digest, now, offline=offline)
        record = record.model_copy(update={"load_tests": passed or record.load_tests})
    save_record(folder, record)
    if placed.changed:
        save_release(path, placed.release.with_image(found.digest, image).with_load_tests(found.digest, now))
    following = f"pulumi up -s {target}" if placed.changed else ""
    result = {
        "model": model,
        "from": source,
        "to": target,
        "slot": str(placed.slot),
        "digest": found.digest,
        "image": image,
        "changed": placed.changed,
        "message": placed.sentence,
        "next": following,
    }
    emit(result, placed.sentence + (f"\nnext: {following}" if following else ""), as_json=as_json)


def _on_cluster(root: Path, env: str, option: str) -> EnvironmentSpec:
    environment = load_environment(root, env)
    if environment.target is Target.LOCAL:
        path, expected = environment_path(root, env), f"{option} an environment on a cluster; here `shipway release`"
        raise SpecError(path, "target", str(environment.target), expected)
    return environment


def _state(root: Path, env: str, model: str, offline: bool) -> RolloutState | None:
    """Returns where the rollout stands, an empty state before the first deployment, None where nobody is asked."""
    if offline:
        return None
    way = reach(root, env)
    served = way.served()
    if model in served:
        return served[model].state
    if (why := way.problems().get(model)) is not None:
        raise Refused(f"which slot of {model} is live in {env} is not known: {why}")
    return RolloutState()


def _image(found: Carried, environment: EnvironmentSpec, spec: ModelSpec, source: str, *, offline: bool) -> str:
    """Returns the image that runs there: the same one, and in the next environment's registry where that is asked."""
    if not found.image:
        raise ArtifactError(f"{short_digest(found.digest)} has no image in {source}'s release file; expected one")
    if offline:
        return found.image
    from shipway.images.find import image_for_release

    there = image_for_release(environment, spec, found.digest)
    if there != found.image:
        expected = f"{found.image}, the one that {source} proved; both environments need the same base"
        raise ArtifactError(
            f"{environment.name}: found image {there} of {short_digest(found.digest)}, expected {expected}"
        )
    return there


def _approved(folder: Path, digest: str, approved_by: str) -> BundleRecord:
    record = load_record(folder, digest)
    if approved_by and approved_by == record.submitted_by:
        expected = f"another person than {record.submitted_by}, who submitted it"
        raise SpecError("the command line", "--approved-by", approved_by, expected)
    return record.model_copy(update={"approved_by": approved_by or record.approved_by})
