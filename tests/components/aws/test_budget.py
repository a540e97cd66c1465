"""The budget and its alarms."""

from typing import Any

import pytest

from components.aws.budget import Budget
from shipway.contract.environment import Tier
from shipway.contract.errors import SpecError
from tests.components.aws.cloud import environment, register


def _budget(**changes: Any) -> Any:
    return lambda opts: {"urn": Budget("budget", environment(**changes), opts).urn}


def test_people_hear_of_it_before_the_money_is_gone() -> None:
    """At half, at four fifths, at all of it, and when AWS expects that the month ends above it."""
    part = register(_budget())
    given = part.one("budget-month").inputs
    assert given["limitAmount"] == "5000"
    alarms = [(one["notificationType"], one["threshold"]) for one in given["notifications"]]
    assert alarms == [("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)]
    assert {email for one in given["notifications"] for email in one["subscriberEmailAddresses"]} == {
        "finance@example.com"
    }
    assert part.findings(Tier.PROD) == []


def test_it_counts_this_environment_alone() -> None:
    """By the tag that everything carries: an account may hold several."""
    part = register(_budget())
    assert part.one("budget-month").inputs["costFilters"] == [
        {"name": "TagKeyValue", "values": ["user:shipway/env$prod"]}
    ]
    assert '"Values": ["prod"]' in part.one("budget-anomalies").inputs["monitorSpecification"]


def test_an_environment_without_a_limit_is_refused() -> None:
    """A cloud has no other end."""
    with pytest.raises(SpecError, match=r"stacks/Pulumi.prod.yaml.*budget_usd_per_month"):
        register(_budget(budget_usd_per_month=None))
