"""Budget: who is told before the money is gone, and when a cost is unlike all before it."""

import json

import pulumi
from pulumi_aws import budgets, costexplorer

from components.aws.account import Account
from components.aws.tags import tags
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.errors import SpecError

__all__ = ["Budget"]

# Spent, and what AWS expects of the month: the forecast warns while there is still something to do.
_SPENT_PERCENT, _FORECAST_PERCENT = (50, 80, 100), (100,)


class Budget(pulumi.ComponentResource):
    """A monthly budget over what carries this environment's tag, with its alarms, and a watch for anomalies.

    AWS counts by a tag only after the organisation's management account has activated it for cost allocation, which no
    stack of a member account can do; docs/aws.md says how.
    """

    def __init__(self, name: str, environment: EnvironmentSpec, opts: pulumi.ResourceOptions) -> None:
        super().__init__("shipway:aws:Budget", name, {}, opts)
        spec, given = Account.of(environment).spec.budget, tags(environment)
        identifier, child = f"shipway-{environment.name}", pulumi.ResourceOptions(parent=self)
        told = [("ACTUAL", percent) for percent in _SPENT_PERCENT]
        told += [("FORECASTED", percent) for percent in _FORECAST_PERCENT]
        budgets.Budget(
            f"{name}-month",
            name=identifier,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{_limit_usd(environment):g}",
            limit_unit="USD",
            cost_filters=[
                budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:shipway/env${environment.name}"])
            ],
            notifications=[
                budgets.BudgetNotificationArgs(
                    comparison_operator="GREATER_THAN",
                    notification_type=kind,
                    threshold=percent,
                    threshold_type="PERCENTAGE",
                    subscriber_email_addresses=list(spec.emails),
                )
                for kind, percent in told
            ],
            tags=given,
            opts=child,
        )
        monitor = costexplorer.AnomalyMonitor(
            f"{name}-anomalies",
            name=identifier,
            monitor_type="CUSTOM",
            monitor_specification=json.dumps({"Tags": {"Key": "shipway/env", "Values": [environment.name]}}),
            tags=given,
            opts=child,
        )
        above = costexplorer.AnomalySubscriptionThresholdExpressionDimensionArgs(
            key="ANOMALY_TOTAL_IMPACT_ABSOLUTE",
            match_options=["GREATER_THAN_OR_EQUAL"],
            values=[str(spec.anomaly_usd)],
        )
        costexplorer.AnomalySubscription(
            f"{name}-anomalies-told",
            name=identifier,
            frequency="DAILY",
            monitor_arn_lists=[monitor.arn],
            subscribers=[
                costexplorer.AnomalySubscriptionSubscriberArgs(type="EMAIL", address=email) for email in spec.emails
            ],
            threshold_expression=costexplorer.AnomalySubscriptionThresholdExpressionArgs(dimension=above),
            tags=given,
            opts=child,
        )
        self.register_outputs({})


def _limit_usd(environment: EnvironmentSpec) -> float:
    if environment.budget_usd_per_month is None:
        path = f"stacks/Pulumi.{environment.name}.yaml"
        raise SpecError(path, "budget_usd_per_month", None, "how much a month may cost: a cloud has no other end")
    return environment.budget_usd_per_month
