"""Buckets: who reads them, what is kept, and what nobody can take back."""

import json
from typing import Any

import pytest

from components.aws.storage import Storage
from shipway.contract.environment import Tier
from tests.components.aws.cloud import KEY, Part, environment, register

LEDGER = "shipway-prod-ledger-111122223333"


def _storage(**changes: Any) -> Part:
    def build(opts: Any) -> dict[str, Any]:
        Storage("storage", environment(**changes), KEY, opts)
        return {}

    return register(build)


def test_every_bucket_passes_every_rule() -> None:
    """Private, versioned, encrypted, over TLS only, tagged and, in prod, kept."""
    part = _storage()
    assert len(part.all("Bucket")) == 4
    assert part.findings(Tier.PROD) == []


def test_the_ledger_takes_neither_deletes_nor_overwrites() -> None:
    """Whoever asks is denied both; its versions never go either, while other buckets forget theirs."""
    part = _storage()
    statements = {
        one["Sid"]: one for one in json.loads(part.one("storage-ledger-policy").inputs["policy"])["Statement"]
    }
    assert statements["NothingIsDeleted"] == {
        "Sid": "NothingIsDeleted",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
        "Resource": [f"arn:aws:s3:::{LEDGER}/*"],
    }
    assert statements["NothingIsOverwritten"]["Condition"]["Null"] == {"s3:if-none-match": "true"}
    lifecycles = {name: found.inputs["rules"][0] for name, found in part.all("BucketLifecycleConfiguration").items()}
    forgets = {name for name, rule in lifecycles.items() if "noncurrentVersionExpiration" in rule}
    assert forgets == {f"storage-{what}-lifecycle" for what in ("access-logs", "artifacts", "predictions")}
    ends = {name: rule["expiration"]["days"] for name, rule in lifecycles.items() if "expiration" in rule}
    assert ends == {"storage-access-logs-lifecycle": 365, "storage-predictions-lifecycle": 30}


def test_reads_of_every_bucket_are_written_down() -> None:
    """In a bucket of their own, into which S3 alone writes, for this account."""
    part = _storage()
    logs = {found.inputs["targetBucket"] for found in part.all("BucketLogging").values()}
    assert logs == {"shipway-prod-access-logs-111122223333"}
    assert len(part.all("BucketLogging")) == 3
    statements = json.loads(part.one("storage-access-logs-policy").inputs["policy"])["Statement"]
    (allowed,) = [one for one in statements if one["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}


@pytest.mark.parametrize(("tier", "keeps"), [("prod", True), ("nonprod", False)])
def test_a_destroy_takes_data_along_outside_of_prod_alone(tier: str, keeps: bool) -> None:
    """In prod the engine, AWS and the program each refuse it."""
    for found in _storage(tier=tier).all("Bucket").values():
        options = (found.request.protect, found.request.retainOnDelete, not found.inputs["forceDestroy"])
        assert options == (keeps,) * 3
