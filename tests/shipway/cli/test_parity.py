"""`shipway parity --env` of a cluster: logs, bundle, offline values and the worker's words are its store's."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import read_json
from shipway.contract.layout import LocalLayout
from shipway.contract.parity import ParityOutcome
from shipway.contract.record import BundleRecord, save_record
from shipway.logs.schemas import PREDICTION_SCHEMA
from shipway.logs.sources import LocalSource
from shipway.objects.storage import ObjectStorage
from shipway.parity.stored import kept_object
from shipway.parity.waiting import WAITING_FILE, Waiting
from tests.shipway.cli.project import run
from tests.shipway.delivery.stack import ENVIRONMENT
from tests.shipway.parity import shop as shops
from tests.shipway.parity.clustered import NAME, TRAIN_WITHOUT_OFFLINE, ClusteredShop
from tests.standins.object_store import ObjectStore

REPOSITORY = Path(__file__).parents[3]
SALES = shops.READS[1]


class Released:
    """A checkout without a bundle of its own, whose model runs on a cluster: its slot has put there what it puts."""

    def __init__(self, root: Path, store: ObjectStore) -> None:
        self.layout = LocalLayout(root, ENVIRONMENT)
        document = yaml.safe_load((REPOSITORY / "stacks" / "Pulumi.onprem.yaml").read_text())
        document["config"]["shipway:environment"]["name"] = ENVIRONMENT
        del document["config"]["shipway:environment"]["kubernetes"]["object_storage"]["endpoint_url"]
        stack = root / "stacks" / f"Pulumi.{ENVIRONMENT}.yaml"
        stack.parent.mkdir(parents=True)
        stack.write_text(yaml.safe_dump(document))
        (root / "Pulumi.yaml").write_text("name: shipway\n")
        service = shops.write_service(root)
        (service / "train.py").write_text(TRAIN_WITHOUT_OFFLINE)
        self.shop = shops.Shop(service, root, shops.write_bundle(service, ArtifactStore(root.parent / "elsewhere")))
        self.clustered, self.offline = ClusteredShop(self.shop, store), shops.past(3)
        self.clustered.publish(self.offline)
        manifest = read_json(self.shop.bundle / "manifest.json")
        record = BundleRecord(
            digest=self.clustered.digest,
            files=tuple(one["path"] for one in manifest["files"]),
            data_version="d",
            metrics={"auc": 0.7},
            owner="t",
            submitted_by="ada",
        )
        save_record(service, record)

    def log(self, **scales: float) -> None:
        """Logs forty requests, with the values of some views scaled as they were published."""
        online = shops.published(self.offline)
        for view, scale in scales.items():
            feature = dict(read.split(":") for read in shops.READS)[view]
            online[view] = online[view].assign(**{feature: online[view][feature] * scale})
        self.clustered.log(self.shop.records(online, 1, 40), "1")


@pytest.fixture
def released(tmp_path: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Released:
    monkeypatch.setattr(shops, "START", shops.pd.Timestamp.now("UTC").floor("h") - shops.pd.Timedelta(days=5))
    made = Released(tmp_path / "project", store)
    monkeypatch.chdir(made.layout.root)
    # The comparison is a child that starts where the project is.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    return made


def parity(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    """Returns exit code, what was printed and what was said beside it."""
    span = ("--since", f"{shops.START:%Y-%m-%d}")
    code = run(monkeypatch, "parity", NAME, *span, *more)
    told = capsys.readouterr()
    return code, told.out, told.err


def remember(counted: Mapping[str, Mapping[ParityOutcome, int]], tmp_path: Path) -> None:
    """Keeps what a worker has counted, where it keeps it."""
    kept = kept_object(ObjectStorage("s3://shipway-onprem/workers"), NAME, WAITING_FILE)
    Waiting(kept, LocalSource(tmp_path)).settle("v", PREDICTION_SCHEMA.empty_table(), counted)


def test_what_agrees_holds_by_what_the_object_store_has_alone(
    released: Released, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0; the bundle that answered is in the checkout's own store then, and what the worker said is shown."""
    released.log()
    code, out, err = parity(monkeypatch, capsys)
    assert code == 0, err
    assert f"{NAME} {released.shop.version}: 40 of 40 logged predictions" in out
    assert "parity holds: 5 of 5 compared are within tolerance" in out
    assert out.splitlines()[-1] == "worker: has not looked at any row yet"
    assert ArtifactStore(released.layout.artifacts).digests() == [released.clustered.digest]
    remember({SALES: {ParityOutcome.EQUAL: 7, ParityOutcome.DIFFERENT: 3, ParityOutcome.UNKNOWN: 2}}, tmp_path)
    _, out, _ = parity(monkeypatch, capsys)
    expected = f"worker: 10 values compared since it began, different: {SALES} 3; 2 could not be"
    assert out.splitlines()[-1] == expected


def test_a_skew_is_named_with_its_cause(
    released: Released, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1: what was served is a hundred times what is published."""
    released.log(sales_v1=100.0)
    code, out, _ = parity(monkeypatch, capsys)
    assert (code, f"parity does not hold: {SALES}" in out) == (1, True)
    assert f"{SALES}: 100.0% skewed, likely cause scaling" in out


def test_what_cannot_be_compared_is_no_agreement(
    released: Released, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the offline values of a view, the version's bundle or a log: one line that says what lacks."""
    code, _, err = parity(monkeypatch, capsys)
    assert (code, "no prediction was logged" in err) == (1, True)
    released.log()
    values = store.objects.pop("features/data/kind_v1.parquet")
    code, _, err = parity(monkeypatch, capsys)
    assert code == 1
    assert "s3://shipway-onprem/features/data/kind_v1.parquet: no such object, expected the offline values of" in err
    store.objects["features/data/kind_v1.parquet"] = values
    (released.shop.service / "releases" / "bundles" / f"{released.shop.version}.yaml").unlink()
    for path in (released.layout.artifacts / "sha256").iterdir():
        path.rename(path.with_name("0" * 64))
    code, _, err = parity(monkeypatch, capsys)
    assert code == 1
    assert re.search(rf"no bundle of {released.shop.version}, expected the version that answered", err)
