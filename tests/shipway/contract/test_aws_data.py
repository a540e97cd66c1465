"""The sizes of what keeps data on AWS."""

from typing import Any

import pytest

from shipway.contract.aws_data import BudgetSpec, DatabaseSpec, OnlineStoreSpec
from shipway.contract.documents import parse
from shipway.contract.errors import SpecError


@pytest.mark.parametrize(
    ("kind", "document", "message"),
    [
        (DatabaseSpec, {"storage_gib": 100, "max_storage_gib": 105}, r"max_storage_gib \(105\).* storage_gib \(100\)"),
        (DatabaseSpec, {"backup_days": 0}, "backup_days: got 0, expected greater than or equal to 1"),
        (DatabaseSpec, {"instance_class": "m7g.large"}, "instance_class: got 'm7g.large'"),
        (OnlineStoreSpec, {"replicas": 6}, "replicas: got 6"),
        (OnlineStoreSpec, {"password_days": 7}, "password_days: got 7"),
        (BudgetSpec, {"emails": []}, "emails: got"),
        (BudgetSpec, {"emails": ["nobody"]}, "emails.0: got 'nobody'"),
    ],
)
def test_what_aws_would_refuse_is_refused_before(kind: Any, document: dict[str, Any], message: str) -> None:
    """With the key, what it is, and what it may be."""
    with pytest.raises(SpecError, match=message):
        parse(kind, document, "stacks/Pulumi.prod.yaml")
