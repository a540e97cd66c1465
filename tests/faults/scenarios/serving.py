"""Faults of a slot's dependencies: the online store, and the bundles that it should not trust."""

import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from shipway.bundle.store import ArtifactStore
from shipway.contract.serving import CircuitSpec, FallbackSource, FeatureRead, ServingSpec
from tests.e2e.slot_process import value
from tests.faults.asking import TIMEOUT_SECONDS, Asking, Question
from tests.faults.run import Run, expect
from tests.faults.shops import DEFAULTS, FaultyStore, Shops
from tests.shipway.delivery.stack import wait_until
from tests.shipway.serving.breakage import KINDS as BROKEN
from tests.shipway.serving.breakage import break_bundle
from tests.shipway.serving.echo import SERVICE, put_echo, row, write_routes

PER_SECOND = 20.0
# Feast takes ten seconds to import, and several times that on a machine that is busy with other runs.
READY_SECONDS = 170.0
FEATURE_TIMEOUT_SECONDS, OPEN_SECONDS = 0.25, 1.0
# A locked store would hold a request for SQLite's five seconds; what the machine itself takes is less.
SLACK_SECONDS = 4.0
READS = tuple(FeatureRead(name=name, default=default, ttl_seconds=3600) for name, default in DEFAULTS.items())
# Both features in one number, so that each answer tells what the model was given.
TELLS = SERVICE.replace(
    'row.get("sales_v1:items", row["amount"])', 'row["sales_v1:items"] * 1000 + row["visits_v1:visits"]'
)


@dataclass
class Slot:
    """A real slot of one echo bundle.

    Args:
        run: whose folder, port and seed it uses.
        bundle: what it serves.
        more: further words of its command line.
    """

    run: Run
    bundle: Path
    more: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    page: str = ""

    @property
    def port(self) -> int:
        return self.run.rig.stack.base_port + 21

    @property
    def log(self) -> Path:
        return self.run.root / "slot.log"

    def command(self, port: int) -> list[str]:
        root = self.run.root
        return [
            *(sys.executable, "-m", "shipway.serving", "--slot", "green", "--tier", "local", "--port", str(port)),
            *("--bundle", str(self.bundle), "--state", str(root / f"slot-{port}")),
            *("--predictions", str(root / "predictions"), "--features", str(root / "features"), *self.more),
        ]

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(self.port), stdout=log, stderr=log, cwd=self.run.root)
        wait_until(self._ready, "the slot is ready", READY_SECONDS)

    def measured(self, name: str, **labels: str) -> float:
        """Returns a sample of the slot's page, 0 for one that is not there."""
        self.page = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=TIMEOUT_SECONDS).text
        return value(self.page, name, **labels) or 0.0

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "the slot ended before it was ready"
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def store_fails(run: Run) -> None:
    """The online store of a real slot fails in one of eight ways under load, and is well again."""
    chance = random.Random(run.seed)
    kind = FaultyStore.KINDS[run.seed % len(FaultyStore.KINDS)]
    run.notes |= {"part": kind, "parts": FaultyStore.KINDS}
    shops = Shops(run.root / "features", chance)
    artifacts = ArtifactStore(run.root / "artifacts")
    features = {"timeout_seconds": FEATURE_TIMEOUT_SECONDS, "circuit": CircuitSpec(open_seconds=OPEN_SECONDS)}
    digest = put_echo(artifacts, reads=READS, features=features, service=TELLS, obeys=False)
    slot = Slot(run, artifacts.path(digest))
    asking = Asking(slot.port, PER_SECOND, run.seed, lambda one: row(who=one.choice(shops.names)))
    try:
        slot.start()
        asking.start()
        run.hold(chance.uniform(0.5, 1.5))
        with FaultyStore(shops, kind):
            run.mark("struck")
            run.hold(chance.uniform(2.0, 4.0))
            run.mark("healing")
        run.mark("healed")

        def fresh_again() -> bool:
            newest = asking.answered_since(run.marks["healed"])[-5:]
            return len(newest) == 5 and all(shops.fresh(one) for one in newest)

        wait_until(fresh_again, "fresh values are served again", 60)
        asking.stop()
        run.notes |= {
            "requests": len(asking.questions),
            "defaults": sum(not shops.fresh(one) for one in asking.questions),
            "counted": slot.measured("shipway_feature_missing_requests_total"),
            "opened": slot.measured("shipway_feature_circuit_opened_total"),
            "slowest_seconds": round(max(one.seconds for one in asking.questions), 2),
        }
        run.serving = (shops, asking.questions)
    finally:
        asking.stop()
        slot.end()


def serves_declared_defaults(run: Run) -> list[str]:
    """Every request is answered in time; what is not fresh is the feature's own default, and counted as such."""
    shops, questions = run.serving
    during = [one for one in questions if run.marks["struck"] < one.at < run.marks["healing"]]
    kind, notes = run.notes["part"], run.notes
    wrong = [one for one in during if not shops.as_declared(one, kind)]
    lies = [one for one in questions if not shops.possible(one)]
    return expect(
        {
            f"every request is answered, {_first_failed(questions)}": not _failed(questions),
            f"there were requests meanwhile, not {len(during)}": len(during) >= 10,
            f"each feature is its default, not {_told(wrong)}": not wrong,
            f"nothing is served that the store never held fresh, not {_told(lies)}": not lies,
            f"each default is counted: {notes['counted']:g} of {notes['defaults']}": notes["counted"]
            == notes["defaults"],
            f"a store that fails is left alone, opened {notes['opened']:g} times": kind == "renamed"
            or bool(notes["opened"]) == (kind in FaultyStore.DOWN),
            f"no request waits longer than its limit, {notes['slowest_seconds']} s": notes["slowest_seconds"]
            < FEATURE_TIMEOUT_SECONDS + SLACK_SECONDS,
        }
    )


def bundles_broken(run: Run) -> None:
    """Bundles are broken on disk while a real slot serves: its own, the version before, and one that it is to load."""
    kind = BROKEN[run.seed % len(BROKEN)]
    run.notes |= {"part": kind, "parts": BROKEN}
    artifacts, routes, ran = ArtifactStore(run.root / "artifacts"), run.root / "rds.json", run.root / "ran"
    spec = ServingSpec(fallback=(FallbackSource.PREVIOUS, FallbackSource.CONSTANT), fallback_constant=0.25)
    own, first, second, third = (
        put_echo(artifacts, offset, obeys=not offset, serving=spec) for offset in (0.0, 1000.0, 2000.0, 3000.0)
    )
    slot = Slot(
        *(run, artifacts.path(own)),
        more=("--served-routes", str(routes), "--artifacts", str(run.root / "artifacts")),
    )
    write_routes(routes, live=own, previous=first)
    asking = Asking(
        *(slot.port, PER_SECOND, run.seed),
        row=lambda one: row(does=one.choice(["answer", "raise"]), amount=float(one.randrange(100))),
    )
    try:
        slot.start()
        _until_previous(slot, 1)
        asking.start()
        run.hold(0.5)
        for digest in (own, first):
            break_bundle(artifacts.path(digest), kind, ran)
        run.mark("broken")
        run.hold(1)
        named = break_bundle(artifacts.path(second), kind, ran)
        run.mark("asked_for_broken")
        write_routes(routes, live=own, previous=second)
        _until_previous(slot, 0)
        run.mark("refused")
        run.hold(1)
        run.mark("asked_for_good")
        write_routes(routes, live=own, previous=third)
        _until_previous(slot, 1)
        run.mark("good")
        run.hold(1)
        asking.stop()
        run.notes["said"] = f"fallback previous is skipped: {named}: found " in slot.log.read_text()
        # A restart finds its own bundle broken, and does not serve it.
        again = subprocess.run(
            slot.command(slot.port + 1), capture_output=True, text=True, cwd=run.root, timeout=120, check=False
        )
        run.notes["restart"] = (again.returncode, again.stderr.startswith("error: "), ": found " in again.stderr)
        run.notes["requests"] = len(asking.questions)
        run.serving = (None, asking.questions)
    finally:
        asking.stop()
        slot.end()


def previous_keeps_serving(run: Run) -> list[str]:
    """What is loaded serves on; what is broken is refused before it loads and the next of the chain answers."""
    _, questions = run.serving
    marks = run.marks
    wrong = [one for one in questions if not _expected(one, marks)]
    sources = {one.source for one in questions}
    return expect(
        {
            f"every request is answered, {_first_failed(questions)}": not _failed(questions),
            f"each by whom it must be, not {_told(wrong)}": not wrong,
            f"model, previous and constant all answered, not {sorted(sources)}": sources
            == {"model", "previous", "constant"},
            "nothing of a broken bundle ran": not (run.root / "ran").exists(),
            "it is said which file is wrong": run.notes["said"],
            f"a restart is refused with one line, not {run.notes['restart']}": run.notes["restart"] == (1, True, True),
        }
    )


def _expected(one: Question, marks: dict[str, float]) -> bool:
    """Returns whether a question was answered by who could answer between its beginning and its end."""
    amount = one.row["amount"]
    if one.row["does"] == "answer":
        return (one.source, one.prediction) == ("model", amount)
    # Who stands in, from when at the earliest until when at the latest: a change is seen a moment after it was made.
    could = (
        (("previous", amount + 1000), float("-inf"), marks["refused"]),
        (("constant", 0.25), marks["asked_for_broken"], marks["good"]),
        (("previous", amount + 3000), marks["asked_for_good"], float("inf")),
    )
    allowed = [who for who, start, end in could if one.at < end and one.at + one.seconds > start]
    return (one.source, one.prediction) in allowed


def _until_previous(slot: Slot, ready: int) -> None:
    wait_until(lambda: slot.measured("shipway_fallback_ready", source="previous") == ready, f"previous is {ready}", 60)


def _failed(questions: list[Question]) -> list[Question]:
    return [one for one in questions if one.status != httpx.codes.OK]


def _first_failed(questions: list[Question]) -> str:
    failed = _failed(questions)
    return f"{len(failed)} are not: {failed[0].status} {failed[0].problem!r}" if failed else "all are"


def _told(questions: list[Question]) -> str:
    if not questions:
        return "any"
    first = questions[0]
    return f"{len(questions)}, first {first.prediction:g} by {first.source or first.problem} for {first.row}"
