"""The workers as their pods run them: the rendered Deployment's own process, against an object store, from end to end.

Each is seen to work, to be killed and gone on with, and to be refused where another one writes the same.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from components.local.providers.rpc import wait_until
from shipway.bundle.store import ArtifactStore
from shipway.contract.drift import WindowName
from shipway.contract.ledger import entry_name
from shipway.contract.metrics import (
    DRIFT_JOB,
    LABELS_JOB,
    PARITY_COMPARED_TOTAL,
    PARITY_DIFFERENT_TOTAL,
    PARITY_JOB,
    QUALITY,
)
from shipway.contract.workers import DESCRIBED, DescribedModel, described_bundle
from tests.components.kubernetes.cluster import Registered
from tests.e2e.worker_pods import Pod, RunningPod, beats, rendered
from tests.shipway.drift import toy as toys
from tests.shipway.drift.test_detector import spec_of
from tests.shipway.labels import logs as label_logs
from tests.shipway.labels.logs import MODEL, Logs, new_id
from tests.shipway.parity import shop as shops
from tests.shipway.parity.clustered import TRAIN_WITHOUT_OFFLINE, ClusteredShop
from tests.standins.object_store import ObjectStore, object_store

pytestmark = [pytest.mark.standins, pytest.mark.timeout(600)]

# Imports and a first round take ten seconds, on a busy machine a minute; two rounds lie fifteen seconds apart.
WORKED_SECONDS = 150
_, SALES, _ = shops.READS
REFUSED = "another process keeps it too"


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Registered:
    return rendered(tmp_path_factory.mktemp("rendered"))


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with object_store() as made:
        made.page = 1000
        yield made


def lines(store: ObjectStore, name: str) -> list[dict[str, Any]]:
    """Returns the documents of an object with one a line; none where there is no such object yet."""
    return [json.loads(line) for line in store.objects.get(name, b"").splitlines()]


def works(pod: RunningPod, condition: bool) -> bool:
    """Returns `condition`, as long as the process runs."""
    assert pod.process.poll() is None, pod.said
    return condition


def promoted(model: str, digest: str) -> bytes:
    """Returns the ledger's first entry, by which `digest` is live."""
    entry = {
        "number": 1,
        "previous": "0" * 64,
        "time": "2026-01-01T00:00:00+00:00",
        "actor": "ada",
        "action": "promoted",
        "model": model,
        "digests": {"live": digest},
        "reason": "",
        "generation": 1,
    }
    return json.dumps(entry).encode()


class Drifting:
    """The toy on the cluster: four days until this midnight, of which the last two drift."""

    verdicts, counts = (f"workers/drift/{toys.NAME}/{name}" for name in ("verdicts.jsonl", "counts.sqlite.gz"))

    def __init__(self, root: Path, store: ObjectStore) -> None:
        self.toy, self._store = toys.Toy(root), store
        spec = spec_of(self.toy, windows=(WindowName.DAY,)).model_copy(update={"segments": ()})
        bundle = self.toy.layout.bundle(self.toy.digest)
        beside = {"manifest.json": bundle / "manifest.json", "reference.json": bundle / "files" / "reference.json"}
        self._put(DESCRIBED, DescribedModel(spec=spec).model_dump_json().encode())
        for name, path in beside.items():
            self._put(described_bundle(self.toy.version, name), path.read_bytes())
        store.objects[f"ledger/{entry_name(1)}"] = promoted(toys.NAME, self.toy.digest)
        for number in range(4):
            self.day(number, 480, 0.7 if number > 1 else 0.0)

    def _put(self, name: str, content: bytes) -> None:
        self._store.objects[f"predictions/{toys.NAME}/{name}"] = content

    def day(self, number: int, rows: int, shift: float) -> None:
        """Logs a day, in segments that have the number of the day in their names."""
        self.toy.day(number, rows, shift)
        for path in self.toy.logs.rglob("*.parquet"):
            self._put(str(path.relative_to(self.toy.logs)), path.read_bytes())

    def days(self) -> list[str]:
        """Returns the status of each day's field `x`, in order."""
        found = lines(self._store, self.verdicts)
        return [one["status"] for one in found if (one["feature"], one["segment"]) == ("x", "")]


def counted(pod: RunningPod) -> float | None:
    return pod.value("shipway_drift_counted_total", model=toys.NAME, log="predictions")


def test_drift_as_its_pod_runs_it(
    registered: Registered, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict of each day that is over, a live page; a lost pod costs nothing, and of two the second is refused."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    monkeypatch.setattr(toys, "START", midnight - timedelta(days=4))
    drifting = Drifting(tmp_path / "toy", store)
    told = ["stable", "stable", "stable", "drifted"]
    with Pod(registered, DRIFT_JOB, tmp_path / "one").running(store) as first:
        assert wait_until(lambda: works(first, drifting.days() == told), WORKED_SECONDS), first.said
        assert wait_until(lambda: first.value("shipway_drift_status", feature="x", window="day") == 1, WORKED_SECONDS)
        assert beats(first, DRIFT_JOB, WORKED_SECONDS)
        assert counted(first) == 4 * 480
        first.kill()
    drifting.day(4, 60, 0.0)
    with (
        Pod(registered, DRIFT_JOB, tmp_path / "two").running(store) as second,
        Pod(registered, DRIFT_JOB, tmp_path / "three").running(store) as third,
    ):
        for pod in (second, third):
            assert wait_until(lambda pod=pod: works(pod, counted(pod) == 60), WORKED_SECONDS), pod.said
        assert second.terminate() == 0
        kept = store.objects[drifting.counts]
        assert third.terminate() == 0
        assert (REFUSED in second.said, REFUSED in third.said) == (False, True)
    assert (store.objects[drifting.counts], drifting.days()) == (kept, told)
    with Pod(registered, DRIFT_JOB, tmp_path / "four").running(store) as fourth:
        assert wait_until(lambda: works(fourth, counted(fourth) == 0), WORKED_SECONDS), fourth.said
    numbers = [one["sequence"] for one in lines(store, drifting.verdicts)]
    assert numbers == list(range(1, len(numbers) + 1))


class Labelled:
    """The toy of labels on the cluster: versions that were evaluated better than their labels say."""

    verdicts = f"workers/labels/{MODEL['name']}/quality.jsonl"

    def __init__(self, root: Path, store: ObjectStore) -> None:
        self._logs, self._store = Logs(root), store
        evaluations = {version: {"accuracy": 0.9} for version in "vwx"}
        self._put(DESCRIBED, json.dumps({"spec": MODEL, "evaluations": evaluations}).encode())

    def _put(self, name: str, content: bytes) -> None:
        self._store.objects[f"predictions/{MODEL['name']}/{name}"] = content

    def serve(self, version: str) -> None:
        """Logs 400 predictions of a version, three of four right, with their labels."""
        ids = [new_id() for _ in range(400)]
        moment = datetime.strptime(label_logs.HOUR, "%Y-%m-%dT%H").replace(tzinfo=UTC)
        self._logs.predict([(one, 0.9, version, 3) for one in ids], name=version, event_time=moment)
        self._logs.label([(one, 1.0 if number % 4 else 0.0) for number, one in enumerate(ids)], name=version)
        for path in self._logs.folder.rglob("*.parquet"):
            self._put(str(path.relative_to(self._logs.folder)), path.read_bytes())

    def dropped(self) -> list[str]:
        """Returns the version of each verdict of a dropped week, in order."""
        found = lines(self._store, self.verdicts)
        chosen = [one for one in found if one["window"]["name"] == "week" and one["metric"] == "accuracy"]
        assert {one["status"] for one in chosen} <= {"dropped"}
        return [one["version"] for one in chosen]


def test_labels_as_their_pod_runs_them(
    registered: Registered, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict of a drop, a live page; a lost pod says nothing twice, and of two the second is refused."""
    monkeypatch.setattr(label_logs, "HOUR", f"{datetime.now(UTC) - timedelta(hours=30):%Y-%m-%dT%H}")
    labelled = Labelled(tmp_path / "toy", store)
    labelled.serve("v")

    def accuracy(pod: RunningPod, version: str) -> float | None:
        return pod.value(QUALITY, version=version, metric="accuracy", segment="")

    with Pod(registered, LABELS_JOB, tmp_path / "one").running(store) as first:
        assert wait_until(lambda: works(first, labelled.dropped() == ["v"]), WORKED_SECONDS), first.said
        assert wait_until(lambda: accuracy(first, "v") == 0.75, WORKED_SECONDS)
        assert beats(first, LABELS_JOB, WORKED_SECONDS)
        first.kill()
    before = store.objects[labelled.verdicts]
    labelled.serve("w")
    with (
        Pod(registered, LABELS_JOB, tmp_path / "two").running(store) as second,
        Pod(registered, LABELS_JOB, tmp_path / "three").running(store) as third,
    ):
        for pod in (second, third):
            assert wait_until(lambda pod=pod: works(pod, accuracy(pod, "w") == 0.75), WORKED_SECONDS), pod.said
        assert labelled.dropped() == ["v", "w"]
        labelled.serve("x")
        assert wait_until(lambda: REFUSED in second.said + third.said, WORKED_SECONDS)
        for pod in (second, third):
            assert wait_until(lambda pod=pod: works(pod, accuracy(pod, "x") == 0.75), WORKED_SECONDS), pod.said
        assert (second.terminate(), third.terminate()) == (0, 0)
    assert labelled.dropped() == ["v", "w", "x"]
    assert store.objects[labelled.verdicts].startswith(before)


class Published:
    """The shop on the cluster, whose values the environment's job publishes: its train.py does not say where from."""

    worst = "worst.jsonl"

    def __init__(self, root: Path, store: ObjectStore) -> None:
        service = shops.write_service(root)
        (service / "train.py").write_text(TRAIN_WITHOUT_OFFLINE)
        self.shop = shops.Shop(service, root, shops.write_bundle(service, ArtifactStore(root / "artifacts")))
        self.clustered = ClusteredShop(self.shop, store)
        self.clustered.enter(1, candidate=self.clustered.digest)
        offline = shops.past(3)
        self.clustered.publish(offline)
        self.online = shops.published(offline)

    def log(self, seed: int, requests: int) -> None:
        self.clustered.log(self.shop.records(self.online, seed, requests), str(seed))


@pytest.fixture
def published(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    # All that is asked lies more than an hour back: by then the offline store must know what was known.
    began = pd.Timestamp.now("UTC").floor("h") - pd.Timedelta(hours=shops.HOURS + 3)
    monkeypatch.setattr(shops, "START", began)
    return Published(tmp_path / "shop", store)


def test_parity_as_its_pod_runs_it(
    registered: Registered, store: ObjectStore, published: Published, tmp_path: Path
) -> None:
    """Rows are compared with what the job publishes, by the version's own code, each once, whoever is killed."""

    def compared(pod: RunningPod) -> float | None:
        return pod.value(PARITY_COMPARED_TOTAL, feature=SALES)

    published.log(1, 60)
    with Pod(registered, PARITY_JOB, tmp_path / "one").running(store) as first:
        assert wait_until(lambda: works(first, compared(first) == 60), WORKED_SECONDS), first.said
        assert first.value(PARITY_DIFFERENT_TOTAL, feature=SALES) == 0
        assert beats(first, PARITY_JOB, WORKED_SECONDS)
        first.kill()
    published.online["sales_v1"]["ratio"] *= 100
    published.log(2, 40)
    with Pod(registered, PARITY_JOB, tmp_path / "two").running(store) as second:
        # Lost in the middle: what it was at waits, and none of it is counted yet.
        assert wait_until(lambda: works(second, compares(second)), WORKED_SECONDS), second.said
        second.kill()
    with (
        Pod(registered, PARITY_JOB, tmp_path / "three").running(store) as third,
        Pod(registered, PARITY_JOB, tmp_path / "four").running(store) as fourth,
    ):
        assert wait_until(lambda: REFUSED in third.said + fourth.said, WORKED_SECONDS), third.said + fourth.said
        pods = (third, fourth)
        assert wait_until(lambda: 100 in [works(pod, compared(pod) == 100) and 100 for pod in pods], WORKED_SECONDS)
        kept = next(pod for pod in pods if compared(pod) == 100)
        assert kept.value(PARITY_DIFFERENT_TOTAL, feature=SALES) == 40
        # A minute after it was refused the other one goes on from what this one has kept.
        assert wait_until(lambda: all(compared(pod) == 100 for pod in pods), WORKED_SECONDS)
        assert (third.terminate(), fourth.terminate()) == (0, 0)
    worst = [json.loads(line) for line in published.clustered.kept(published.worst).splitlines()]
    assert {(one["feature"], one["likely_cause"]) for one in worst} == {(SALES, "scaling")}


def compares(pod: RunningPod) -> bool:
    """Returns whether a child of a look compares right now."""
    try:
        children = psutil.Process(pod.process.pid).children(recursive=True)
        return any("compare" in child.cmdline() for child in children)
    except psutil.NoSuchProcess:
        return False


def test_parity_that_cannot_be_decided_is_silence(
    registered: Registered, store: ObjectStore, published: Published, tmp_path: Path
) -> None:
    """Without the offline values of a view nothing is equal: the look fails, and there is no heartbeat."""
    del store.objects["features/data/sales_v1.parquet"]
    published.log(1, 10)
    with Pod(registered, PARITY_JOB, tmp_path / "one").running(store) as pod:
        assert wait_until(
            lambda: works(pod, pod.value("shipway_parity_failures_total", model="parity-shop") == 1), WORKED_SECONDS
        ), pod.said
        assert not beats(pod, PARITY_JOB, 5)
        assert pod.value(PARITY_COMPARED_TOTAL, feature=SALES) == 0
        assert "features/data/sales_v1.parquet: no such object, expected the offline values of sales_v1" in pod.said
