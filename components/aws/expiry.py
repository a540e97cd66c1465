"""Expiry: an environment that is made for a while stops costing when its day has come."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pulumi
from pulumi_aws import scheduler

from components.aws.identity import granted, service_role
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec, environment_path
from shipway.contract.errors import SpecError

__all__ = ["EXPIRES", "Expiry", "expires_on", "refuse_expired"]

# The tag of an environment that says its last day; as a tag it is on every resource too.
EXPIRES = "expires"


def expires_on(root: Path, environment: EnvironmentSpec) -> date | None:
    """Returns an environment's last day, None for one that stays.

    Raises:
        SpecError: when the tag is no date.
    """
    if (text := environment.tags.get(EXPIRES)) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        path = environment_path(root, environment.name)
        raise SpecError(path, f"tags.{EXPIRES}", text, "a date such as 2027-01-31") from None


def refuse_expired(root: Path, environment: EnvironmentSpec, today: date) -> None:
    """Refuses an environment whose last day has passed.

    Raises:
        SpecError: naming the day.
    """
    last = expires_on(root, environment)
    if last is not None and last < today:
        path = environment_path(root, environment.name)
        raise SpecError(path, f"tags.{EXPIRES}", str(last), f"{today} or later, or the stack destroyed")


class Expiry(pulumi.ComponentResource):
    """What deletes the node groups on the day after the last one; data stays until somebody destroys the stack.

    They are not scaled down to nothing: while nodes drain, the autoscaler sees pods that wait, and would give a group
    that is there its nodes again. A schedule for each group calls EKS itself, so there is no code.

    Args of the constructor:
        last: the environment's last day.
        node_groups: a short name of each group -> its name.
    """

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        *,
        last: date,
        node_groups: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:Expiry", name, {}, opts)
        child, after = pulumi.ResourceOptions(parent=self), last + timedelta(days=1)
        cluster = cluster_name(environment)
        role = service_role(name, "scheduler", environment, child)
        rights = granted(name, "expiry", environment, role, {}, child)
        for label, group in node_groups.items():
            scheduler.Schedule(
                f"{name}-{label}",
                name=f"{cluster}-{name}-{label}",
                description=f"{environment.name} ended on {last}",
                schedule_expression=f"at({after.isoformat()}T00:00:00)",
                flexible_time_window=scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
                target=scheduler.ScheduleTargetArgs(
                    arn="arn:aws:scheduler:::aws-sdk:eks:deleteNodegroup",
                    role_arn=role.arn,
                    input=pulumi.Output.json_dumps({"ClusterName": cluster, "NodegroupName": group}),
                ),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[rights]),
            )
        self.register_outputs({})
