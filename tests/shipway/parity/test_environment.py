"""The environment's offline values where they lie in an object store."""

from pathlib import Path

import pytest

from shipway.contract.errors import FeatureError
from shipway.contract.model import load_model
from shipway.features.offline import history
from shipway.objects.storage import ObjectStorage
from shipway.parity.environment import fetched_repository
from shipway.parity.running import Question, Unanswered, compared
from shipway.parity.versions import Version
from tests.shipway.parity.clustered import NAME, TRAIN_WITHOUT_OFFLINE, ClusteredShop
from tests.shipway.parity.shop import READS, Shop, past, published, write_service
from tests.standins.object_store import ObjectStore

VIEWS = {read.partition(":")[0] for read in READS}


@pytest.fixture
def version(shop: Shop) -> Version:
    reads = load_model(shop.service / "model.yaml").features.reads
    return Version(shop.service.parent, shop.service.name, reads, None, ())


def test_what_the_job_publishes_is_what_is_joined(
    version: Version, shop: Shop, store: ObjectStore, tmp_path: Path
) -> None:
    """Every value that a view has there; a file that has changed is fetched again, one that has not is not."""
    clustered, storage = ClusteredShop(shop, store), ObjectStorage("s3://bucket/features")
    clustered.publish(past(1))
    folder = fetched_repository(storage, version.objects(), VIEWS, tmp_path)
    found = history(folder, READS)
    assert found["sales_v1"]["ratio"].tolist() == past(1)["sales_v1"]["ratio"].tolist()
    changed = past(1) | {"sales_v1": past(2)["sales_v1"]}
    clustered.publish(changed)
    store.refused |= {f"features/data/{view}.parquet" for view in VIEWS - {"sales_v1"}}
    found = history(fetched_repository(storage, version.objects(), VIEWS, tmp_path), READS)
    assert found["sales_v1"]["ratio"].tolist() == past(2)["sales_v1"]["ratio"].tolist()


def test_a_view_without_values_there_is_named(version: Version, shop: Shop, store: ObjectStore, tmp_path: Path) -> None:
    """Nothing is joined with the rest: what one view says does not stand for another."""
    clustered, storage = ClusteredShop(shop, store), ObjectStorage("s3://bucket/features")
    clustered.publish(past(1))
    del store.objects["features/data/kind_v1.parquet"]
    expected = r"s3://bucket/features/data/kind_v1.parquet: no such object, expected the offline values of kind_v1"
    with pytest.raises(FeatureError, match=expected):
        fetched_repository(storage, version.objects(), VIEWS, tmp_path)


def test_a_store_that_does_not_answer_is_not_the_versions_fault(shop: Shop, store: ObjectStore, tmp_path: Path) -> None:
    """A child that cannot have the offline values says so, and that is no try of the version: nothing is given up."""
    service = write_service(tmp_path)
    (service / "train.py").write_text(TRAIN_WITHOUT_OFFLINE)
    ClusteredShop(shop, store).publish(past(1))
    store.refused.add("features/data/kind_v1.parquet")
    question = Question(
        model=NAME,
        version=shop.version,
        records="",
        service=str(service),
        cache=str(tmp_path / "cache"),
        features="s3://bucket/features",
        features_endpoint_url=store.url,
    )
    with pytest.raises(Unanswered, match=f"{NAME} {shop.version}: .*SlowDown"):
        compared(question, shop.records(published(past(1)), 1, 10))


def test_a_version_that_says_where_it_was_trained_is_held_against_that(version: Version, tmp_path: Path) -> None:
    """Not against what is published: both could be wrong alike."""
    assert version.offline(tmp_path, ObjectStorage("s3://nowhere/features", client=object())) == tmp_path
