"""Delivery: the one process that writes route weights."""

import sys

import pulumi

from components.local.providers.process import SupervisedProcess, fingerprint
from components.parts import DeliveryOutputs, ServingOutputs
from shipway.contract.environment import EnvironmentSpec, PortsSpec
from shipway.contract.layout import LocalLayout

__all__ = ["Delivery"]


class Delivery(pulumi.ComponentResource):
    """The controller of all rollouts of this stack."""

    outputs: DeliveryOutputs

    def __init__(
        self,
        name: str,
        layout: LocalLayout,
        environment: EnvironmentSpec,
        ports: PortsSpec,
        serving: ServingOutputs,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:local:Delivery", name, {}, opts)
        SupervisedProcess(
            "delivery",
            layout,
            command=[
                *(sys.executable, "-m", "shipway.delivery", "serve"),
                *("--root", str(layout.root), "--env", layout.environment),
            ],
            ports=[ports.delivery_metrics],
            # It reads the stack's file when it starts.
            reads=fingerprint(environment.model_dump_json()),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[serving.ready]),
        )
        self.outputs = DeliveryOutputs(f"http://127.0.0.1:{ports.delivery_metrics}/metrics")
        self.register_outputs({})
