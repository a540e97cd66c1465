"""Parity of models whose logs, bundles and offline values lie in an object store."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from shipway.bundle.store import ArtifactStore
from shipway.contract.environment import Tier
from shipway.contract.errors import ShipwayError
from shipway.contract.parity import ParityOutcome
from shipway.contract.worker_settings import WorkerSettings
from shipway.contract.workers import described_bundle, described_file
from shipway.objects.storage import ObjectStorage
from shipway.parity.found import FoundModel
from shipway.parity.looking import look
from shipway.parity.report import FeatureParity, Report
from shipway.parity.running import Question
from shipway.parity.stored import StoredStack, bundle_beside, kept_object
from shipway.parity.waiting import WAITING_FILE, load
from tests.shipway.parity.clustered import NAME, ClusteredShop
from tests.shipway.parity.shop import HOURS, READS, START, Shop, past, published
from tests.standins.object_store import ObjectStore

SETTINGS = WorkerSettings(
    environment="dev",
    tier=Tier.NONPROD,
    predictions="s3://bucket/predictions",
    records="s3://bucket",
    features="s3://bucket/features",
    state="s3://bucket/workers",
)
NONE = dict.fromkeys(ParityOutcome, 0)
WAITING = f"workers/parity/{NAME}/{WAITING_FILE}"


def equal(question: Question, records: pa.Table) -> Report:
    """Returns a report in which all that is asked agrees."""
    outcomes = NONE | {ParityOutcome.EQUAL: records.num_rows}
    parities = [FeatureParity(name=read, outcomes=outcomes, skewed_ratio=0.0, skewed=False) for read in READS]
    return Report(
        model=question.model,
        version=question.version,
        rows=records.num_rows,
        first="",
        last="",
        offline="",
        features=tuple(parities),
        predictions=(),
    )


class World:
    """The shop on a cluster, looked at by pods whose disks are empty."""

    def __init__(self, shop: Shop, store: ObjectStore, root: Path) -> None:
        self.clustered, self.store, self._root = ClusteredShop(shop, store), store, root
        self.said, self.asked = list[str](), list[Question]()
        self.now_seconds = (START + timedelta(hours=HOURS + 4)).timestamp()
        self.clustered.enter(1, candidate=self.clustered.digest)
        self.online = published(past(5))
        self.compare: Callable[[Question, pa.Table], Report] = equal

    def log(self, seed: int, requests: int) -> None:
        self.clustered.log(self.clustered.shop.records(self.online, seed, requests), str(seed))

    def look(self, pod: str = "one") -> FoundModel:
        def compare(question: Question, records: pa.Table) -> Report:
            self.asked.append(question)
            return self.compare(question, records)

        stack = StoredStack(SETTINGS, self._root / pod, self.said.append, self.now_seconds)
        (found,) = look(stack, compare, self.said.append, self.now_seconds).models
        return found


@pytest.fixture
def world(shop: Shop, store: ObjectStore, tmp_path: Path) -> World:
    return World(shop, store, tmp_path)


def test_the_next_pod_goes_on_where_the_last_one_was(world: World) -> None:
    """What was counted, read and waits is one object: a pod with an empty disk repeats nothing and forgets nothing."""
    world.log(1, 30)
    assert world.look().rows[READS[0]] == NONE | {ParityOutcome.EQUAL: 30}
    world.log(2, 20)
    assert world.look("two").rows[READS[0]] == NONE | {ParityOutcome.EQUAL: 50}
    assert world.look("three").rows[READS[0]] == NONE | {ParityOutcome.EQUAL: 50}
    assert (len(world.asked), world.said) == (2, [])
    memory = load(kept_object(ObjectStorage(SETTINGS.state), NAME, WAITING_FILE))
    assert (memory.records.num_rows, memory.counted[READS[1]][ParityOutcome.EQUAL]) == (0, 50)


def test_of_two_pods_at_once_the_second_is_refused(world: World) -> None:
    """What one has kept the other does not write over: rows that both compared count once."""
    world.log(1, 30)
    first = world.compare

    def meanwhile(question: Question, records: pa.Table) -> Report:
        world.compare = first
        assert world.look("two").rows[READS[0]] == NONE | {ParityOutcome.EQUAL: 30}
        return first(question, records)

    world.compare = meanwhile
    found = world.look("one")
    assert (found.failures, found.rows[READS[0]]) == (1, NONE)
    assert world.said == [f"[Errno 0] another process keeps it too: 's3://bucket/{WAITING}'"]
    assert world.look("one").rows[READS[0]] == NONE | {ParityOutcome.EQUAL: 30}
    assert len(world.asked) == 2


def test_a_silent_store_is_a_failed_look(world: World) -> None:
    """A list that cannot be had is no empty list; what is kept that cannot be read is not taken for nothing."""
    world.log(1, 30)
    world.look()
    world.store.refused.add(WAITING)
    found = world.look()
    assert (found.failures, found.rows) == (1, {})
    world.store.answers = False
    with pytest.raises(OSError, match="the object store answered SlowDown"):
        world.look()


def test_a_list_of_logs_that_cannot_be_had_is_a_failed_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing new is known then, which is not the same as that there is nothing new."""
    world.log(1, 30)
    entries = ObjectStorage.entries

    def refused(self: ObjectStorage, below: str = "", after: str = "") -> list[object]:
        if below == "predictions/":
            raise OSError(0, "the object store answered SlowDown")
        return list(entries(self, below, after))

    monkeypatch.setattr(ObjectStorage, "entries", refused)
    assert world.look().failures == 1
    where = f"s3://bucket/predictions/{NAME}/predictions"
    assert world.said[-1] == f"{where}: the object store answered SlowDown, expected a list of objects"


def test_code_that_nobody_released_is_not_run(world: World, shop: Shop) -> None:
    """A slot writes what lies beside its logs: only what the ledger names by its whole digest is believed."""
    world.clustered.enter(1, candidate=f"sha256:{shop.version}{'0' * 52}")
    world.log(1, 10)
    assert world.look().failures == 1
    where = f"s3://bucket/predictions/{NAME}/{described_bundle(shop.version, 'manifest.json')}"
    assert world.said[-1].startswith(f"{where}: found {world.clustered.digest}, expected sha256:{shop.version}000")
    world.clustered.enter(1, candidate="sha256:" + "5" * 64)
    world.look()
    assert world.said[-1] == (
        f"{NAME} {shop.version}: no entry of the ledger names its bundle, expected one: what nobody released is not run"
    )
    assert world.asked == []
    found = world.look()
    assert (found.waiting, found.rows[READS[0]]) == (0, NONE | {ParityOutcome.UNKNOWN: 10})


def test_a_bundle_beside_the_logs_is_taken_whole_or_not_at_all(world: World, shop: Shop, tmp_path: Path) -> None:
    """What is missing there, as of a bundle too large to be put there, is named; what was changed is refused."""
    store, storage = ArtifactStore(tmp_path / "artifacts"), ObjectStorage(f"s3://bucket/predictions/{NAME}")
    name = described_file(shop.version, "model.json")
    content = world.store.objects.pop(f"predictions/{NAME}/{name}")
    with pytest.raises(ShipwayError, match=r"model.json: no such object, expected the bundle .* than 64 MiB"):
        bundle_beside(storage, world.clustered.digest, store)
    world.clustered.put(name, content + b" ")
    with pytest.raises(ShipwayError, match=r"model\.json: found sha256"):
        bundle_beside(storage, world.clustered.digest, store)
    assert store.digests() == []
    world.clustered.put(name, content)
    assert bundle_beside(storage, world.clustered.digest, store) == store.path(world.clustered.digest)
    world.store.answers = False
    assert bundle_beside(storage, world.clustered.digest, store).is_dir()


def test_a_folder_that_nothing_describes_is_passed_over(world: World) -> None:
    """Its slot has not put model.yaml there yet, or a person has put something else."""
    world.store.objects["predictions/other/predictions/2013-05-01T00/a.parquet"] = b""
    world.log(1, 10)
    assert world.look().failures == 0
    assert world.said == [
        "s3://bucket/predictions/other/described.json: no such object, so nothing is compared of its logs"
    ]
