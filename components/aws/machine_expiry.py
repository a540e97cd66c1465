"""MachineExpiry: what Karpenter made for an environment goes when its day has come, as node groups do."""

from datetime import date, timedelta

import pulumi
from pulumi_aws import scheduler

from components.aws.function import python_function
from components.aws.identity import granted, service_role
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec

__all__ = ["MachineExpiry"]

_PART = "machine-expiry"
_TIMEOUT_SECONDS = 120
# Until then EKS has deleted the groups and their nodes, and with them Karpenter, which would replace a machine.
_AFTER_GROUPS = "01:00:00Z"


class MachineExpiry(pulumi.ComponentResource):
    """A function that ends a cluster's machines of Karpenter, called every hour of the day after the last one.

    EventBridge cannot do it alone: machines have no names that are known before. A pod cannot either, for it would run
    on what is to end. What was still being made when it was called first, it finds an hour later.

    Args of the constructor:
        last: the environment's last day.
        key_arn: what its log is encrypted with.
    """

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        *,
        last: date,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:MachineExpiry", name, {}, opts)
        child, after = pulumi.ResourceOptions(parent=self), last + timedelta(days=1)
        cluster = cluster_name(environment)
        function, policy = python_function(
            name,
            _PART,
            environment,
            source="machine_expiry",
            description="Ends what Karpenter made for an environment that has ended",
            timeout_seconds=_TIMEOUT_SECONDS,
            key_arn=key_arn,
            values={},
            opts=child,
        )
        caller = f"{name}-call"
        role = service_role(caller, "scheduler", environment, child)
        rights = granted(caller, f"{_PART}-call", environment, role, {"function": function.arn}, child)
        scheduler.Schedule(
            f"{name}-schedule",
            name=f"{cluster}-{name}",
            description=f"{environment.name} ended on {last}",
            schedule_expression="rate(1 hours)",
            start_date=f"{after.isoformat()}T{_AFTER_GROUPS}",
            end_date=f"{after.isoformat()}T23:59:59Z",
            flexible_time_window=scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
            target=scheduler.ScheduleTargetArgs(
                arn=function.arn, role_arn=role.arn, input=pulumi.Output.json_dumps({"cluster": cluster})
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rights, policy]),
        )
        self.register_outputs({})
