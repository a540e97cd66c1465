"""From a registered version to its release: proposed as a diff, or applied as a person applies one.

Both go the way of `shipway release`. What is live is never touched here, and no weight is written: delivery gives the
version its traffic step by step, by evidence, or takes it back.
"""

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from shipway.bundle.store import ArtifactStore
from shipway.contract.environment import EnvironmentSpec, Target
from shipway.contract.errors import ShipwayError
from shipway.contract.evidence import Judgement
from shipway.contract.layout import LocalLayout
from shipway.contract.load_evidence import missing_load_tests, passed_load_tests
from shipway.contract.model import ModelSpec
from shipway.contract.record import record_path
from shipway.contract.release import load_release, release_path, short_digest
from shipway.contract.retraining import ReleaseRule
from shipway.contract.route import RolloutState
from shipway.delivery.decide import Refusal
from shipway.delivery.placing import place
from shipway.loadtest.results import FolderResults
from shipway.retraining.outcome import Status
from shipway.retraining.proposing import propose

__all__ = ["ACTOR", "Applied", "Release", "apply", "load_tested"]

ACTOR = "retraining"

# Longer than one step of a deployment takes on a busy machine.
_COMMAND_SECONDS = 900.0

_Runs = Callable[[Path, Sequence[str], Callable[[str], None]], None]


@dataclass(frozen=True)
class Release:
    """What is to be released.

    Args:
        layout: the environment that keeps the bundle.
        environment: where it goes.
        service, spec: whose version it is.
        state: where the model's rollout stands.
        digest: the bundle.
        reason: why it was trained.
        date: of the version, ISO 8601.
    """

    layout: LocalLayout
    environment: EnvironmentSpec
    service: Path
    spec: ModelSpec
    state: RolloutState
    digest: str
    reason: str
    date: str


@dataclass(frozen=True)
class Applied:
    """What was done, in one sentence, the command that goes on, and the branch that was made for it."""

    status: Status
    sentence: str
    next: str = ""
    branch: str = ""


def apply(release: Release, rule: ReleaseRule, say: Callable[[str], None]) -> Applied:
    """Returns what became of the release under `rule`; on a cluster it is always a proposal, which CI merges or not.

    Raises:
        ShipwayError: when it cannot be released now; nothing was changed then, or `shipway release` says what.
    """
    if refused := load_tested(release, say):
        return refused
    if release.environment.target is not Target.LOCAL:
        return _propose_on_cluster(release, rule)
    name = release.environment.name
    words = ["release", release.spec.name, release.digest, "--env", name, "--reason", release.reason]
    if rule is ReleaseRule.PROPOSE:
        # The release file of a local stack is in no git: there is no branch to put it on.
        placed = place(
            load_release(release_path(release.service, name)),
            release.state,
            release.digest,
            submitted_by=ACTOR,
            reason=release.reason,
        )
        said = placed.sentence if isinstance(placed, Refusal) else f"{placed.slot}: {release.digest}"
        return Applied(Status.PROPOSED, f"proposed for {said}", shlex.join(["shipway", *words]))
    _run(release.layout.root, [_shipway(), *words], say)
    _run(release.layout.root, [sys.executable, "-m", "tools.up", "--env", name], say)
    return Applied(Status.RELEASED, f"{short_digest(release.digest)} is released and waits for evidence")


def load_tested(release: Release, say: Callable[[str], None], run: _Runs | None = None) -> Applied | None:
    """Returns why the version is not released: it failed a load test that is demanded of it; None when it may go.

    What has not been tested yet is tested here, as a person tests it.

    Raises:
        ShipwayError: when it could not be tested.
    """
    loadtest, model, tier = release.spec.loadtest, release.spec.name, release.environment.tier
    name = release.layout.environment
    kept = FolderResults(release.layout.loadtests)

    def lacking() -> list[str]:
        rate = loadtest.rate(release.spec.resources.requests_per_second)
        return missing_load_tests(loadtest, tier, model, release.digest, rate, kept.of(model), datetime.now(UTC), name)

    if not loadtest.profiles(tier) or not lacking():
        return None
    where = ["--env", name, *([] if release.environment.target is Target.LOCAL else ["--from", name])]
    for profile in loadtest.profiles(tier):
        words = ["loadtest", model, "--digest", release.digest, "--profile", str(profile), *where]
        try:
            (run or _run)(release.layout.root, [_shipway(), *words], say)
        except ShipwayError:
            ours = [one for one in kept.of(model) if (one.digest, one.profile) == (release.digest, profile)]
            if not any(one.judgement is Judgement.FAIL for one in ours):
                raise
            return Applied(Status.REFUSED, f"load test {profile}: {ours[0].sentence}")
    if missing := lacking():
        raise ShipwayError("; ".join(missing))
    return None


def _shipway() -> str:
    return str(Path(sys.executable).with_name("shipway"))


def _propose_on_cluster(release: Release, rule: ReleaseRule) -> Applied:
    # What a laptop without a cluster lacks.
    from shipway.images.find import image_for_release, variant_of
    from shipway.images.layers import Blobs
    from shipway.images.make import Order, make_image
    from shipway.training.records import record_of

    root, name = release.layout.root, release.environment.name
    store = ArtifactStore(release.layout.artifacts)
    bundle = store.verify(release.digest)
    blobs, variant = Blobs(release.layout.images), variant_of(release.spec)
    make_image(Order(release.environment, release.spec, release.digest, variant, store, blobs, os.environ), push=True)
    image = image_for_release(release.environment, release.spec, release.digest)
    record = record_of(release.layout, release.service, release.spec, bundle, submitted_by=ACTOR, approved_by="")
    results = FolderResults(release.layout.loadtests).of(release.spec.name)
    record = record.model_copy(update={"load_tests": passed_load_tests(release.digest, results)})
    path = release_path(release.service, name)
    placed = place(load_release(path), release.state, release.digest, submitted_by=ACTOR, reason=release.reason)
    if isinstance(placed, Refusal):
        raise ShipwayError(f"{path.relative_to(root)}: {placed.sentence}")
    if not placed.changed:
        return Applied(Status.UNCHANGED, placed.sentence)
    held = placed.release.with_image(release.digest, image).with_load_tests(release.digest, datetime.now(UTC))
    files = {
        path: yaml.safe_dump(held.document(), sort_keys=False),
        record_path(release.service, release.digest): yaml.safe_dump(record.model_dump(mode="json"), sort_keys=False),
    }
    short = short_digest(release.digest)
    message = f"{release.spec.name}: release {short} into {placed.slot} of {name}\n\n{release.reason}\n"
    made = propose(root, f"retrain/{release.spec.name}-{name}-{short}", files, message, release.date)
    whose = "merged by the repository's CI" if rule is ReleaseRule.AUTO else "for a person to merge"
    return Applied(Status.PROPOSED, f"{short} is on branch {made.branch}, {whose}", made.command, made.branch)


def _run(root: Path, words: Sequence[str], say: Callable[[str], None]) -> None:
    """Runs one command of the project; its words are told, and its last ones are the error."""
    last = ""
    environment = {**os.environ, "SHIPWAY_ACTOR": ACTOR}
    with subprocess.Popen(
        words,
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        clock = threading.Timer(_COMMAND_SECONDS, process.kill)
        clock.start()
        try:
            for line in process.stdout or ():
                last = line.strip() or last
                say(line.rstrip("\n"))
        finally:
            clock.cancel()
    if process.returncode:
        shown = " ".join((Path(words[0]).name, *words[1:3]))
        raise ShipwayError(f"`{shown}` ended with status {process.returncode}: {last}")
