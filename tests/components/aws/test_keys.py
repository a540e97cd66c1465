"""The key of all data at rest."""

import json

from components.aws.keys import DataKey
from shipway.contract.environment import Tier
from tests.components.aws.cloud import environment, register


def test_the_key_rotates_and_names_who_may_use_it_and_how() -> None:
    """No right is a pattern; nobody uses it but through a service of this region, or as the log service for a log."""
    part = register(lambda opts: {"arn": DataKey("keys", environment(), opts).arn})
    key = part.one("keys-data").inputs
    assert key["enableKeyRotation"] is True
    statements = {one["Sid"]: one for one in json.loads(key["policy"])["Statement"]}
    assert not [action for one in statements.values() for action in one["Action"] if "*" in action]
    using = {sid for sid, one in statements.items() if {"kms:Decrypt", "kms:CreateGrant"} & set(one["Action"])}
    assert using == {"UseThroughServices", "LendToServices", "Logs"}
    assert {sid for sid in using if "Condition" not in statements[sid]} == set()
    via = statements["UseThroughServices"]["Condition"]["StringEquals"]["kms:ViaService"]
    assert "s3.eu-central-1.amazonaws.com" in via
    assert part.findings(Tier.PROD) == []
