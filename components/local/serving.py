"""Serving: supervisord, under which every slot and every other process of the stack runs."""

import pulumi

from components.local.providers.supervisor import Supervisor
from components.parts import ServingOutputs
from shipway.contract.layout import LocalLayout

__all__ = ["Serving"]


class Serving(pulumi.ComponentResource):
    """What runs processes on this machine."""

    outputs: ServingOutputs

    def __init__(
        self, name: str, layout: LocalLayout, provider: pulumi.ProviderResource, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("shipway:local:Serving", name, {}, opts)
        supervisor = Supervisor(f"{name}-supervisor", layout, pulumi.ResourceOptions(parent=self))
        self.outputs = ServingOutputs(provider, supervisor)
        self.register_outputs({})
