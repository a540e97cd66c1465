"""PlatformIdentity: who the platform's own pods are to AWS."""

from collections.abc import Mapping

import pulumi

from components.aws.identity import pod_identity
from shipway.contract.environment import EnvironmentSpec

__all__ = ["PlatformIdentity"]


class PlatformIdentity(pulumi.ComponentResource):
    """A role for each service account; a pod that starts before its own would have none until it starts again.

    Args of the constructor:
        accounts: part of the grants -> namespace and service account.
        values: what the grants leave open.
    """

    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        *,
        accounts: Mapping[str, tuple[str, str]],
        values: Mapping[str, pulumi.Input[str]],
        cluster: pulumi.Resource,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:PlatformIdentity", name, {}, opts)
        # Each after the one before, so that there is one thing to wait for.
        self.ready = cluster
        for part, (namespace, account) in accounts.items():
            self.ready = pod_identity(
                part,
                part,
                environment,
                namespace=namespace,
                service_account=account,
                values=values,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[self.ready]),
            )
        self.register_outputs({})
