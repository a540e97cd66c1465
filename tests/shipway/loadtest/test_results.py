"""Results: kept in a folder or a bucket alike, the newest of each profile."""

from pathlib import Path

import pytest

from shipway.contract.errors import SpecError
from shipway.contract.loadtest import Profile
from shipway.loadtest.results import FolderResults, ObjectResults, Results
from shipway.objects.storage import ObjectStorage
from tests.shipway.loadtest.results_of import OTHER, result
from tests.standins.object_store import ObjectStore


@pytest.fixture(params=["folder", "bucket"])
def results(request: pytest.FixtureRequest, tmp_path: Path) -> Results:
    if request.param == "folder":
        return FolderResults(tmp_path)
    store: ObjectStore = request.getfixturevalue("store")
    assert store.answers
    return ObjectResults(ObjectStorage("s3://bucket/records/loadtests"))


def test_the_newest_result_of_each_profile_is_kept(results: Results) -> None:
    """Another model's are not among them, and a later one takes the earlier one's place."""
    assert results.of("digits") == []
    results.put(result(model="flights"))
    results.put(result(seed=1))
    results.put(result(profile=Profile.SMOKE))
    results.put(result(digest=OTHER))
    where = results.put(result(seed=2))
    assert where.endswith(f"digits/{'a' * 64}/load.json")
    found = results.of("digits")
    assert len(found) == 3
    assert [one.seed for one in found if one.profile is Profile.LOAD and one.digest != OTHER] == [2]


def test_a_torn_result_is_an_error_and_not_a_missing_one(tmp_path: Path) -> None:
    """Its file is named."""
    where = FolderResults(tmp_path).put(result())
    Path(where).write_text("{")
    with pytest.raises(SpecError, match=r"load.json: got .*, expected valid JSON"):
        FolderResults(tmp_path).of("digits")
