"""Environments that end."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from components.aws.expiry import Expiry, expires_on, refuse_expired
from shipway.contract.errors import SpecError
from tests.components.aws.cloud import TODAY, environment, register

ROOT = Path("project")


def test_nodes_go_on_the_day_after_the_last_one() -> None:
    """One schedule a group, which may delete the cluster's groups and nothing else: a group that stays fills again."""

    def build(opts: Any) -> dict[str, Any]:
        groups = {"system": "shipway-prod-system", "inference": "shipway-prod-inference"}
        return {"urn": Expiry("expiry", environment(), last=date(2026, 12, 31), node_groups=groups, opts=opts).urn}

    part = register(build)
    found = part.one("expiry-inference").inputs
    assert found["scheduleExpression"] == "at(2027-01-01T00:00:00)"
    assert found["target"]["arn"] == "arn:aws:scheduler:::aws-sdk:eks:deleteNodegroup"
    assert json.loads(found["target"]["input"]) == {
        "ClusterName": "shipway-prod",
        "NodegroupName": "shipway-prod-inference",
    }
    (statement,) = json.loads(part.one("expiry-grants").inputs["policy"])["Statement"]
    assert statement["Action"] == ["eks:DeleteNodegroup"]
    assert statement["Resource"] == ["arn:aws:eks:eu-central-1:111122223333:nodegroup/shipway-prod/*/*"]


def test_an_environment_stays_until_its_last_day_is_over() -> None:
    """On the day itself it may still be changed; without the tag it stays."""
    refuse_expired(ROOT, environment(), TODAY)
    refuse_expired(ROOT, environment(tags={"expires": "2026-11-27"}), TODAY)
    assert expires_on(ROOT, environment(tags={"expires": "2026-11-27"})) == TODAY


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-11-26", r"tags.expires: got '2026-11-26', expected 2026-11-27 or later, or the stack destroyed"),
        ("soon", r"tags.expires: got 'soon', expected a date such as 2027-01-31"),
    ],
)
def test_an_expired_environment_is_refused(text: str, message: str) -> None:
    """Before anything is created, and so is a day that is none."""
    with pytest.raises(SpecError, match=message):
        refuse_expired(ROOT, environment(tags={"expires": text}), TODAY)
