"""Labels: the process that joins late labels to predictions and counts them for rollouts."""

import sys

import pulumi

from components.local.providers.process import SupervisedProcess, fingerprint
from components.parts import ServingOutputs
from shipway.contract.environment import EnvironmentSpec, PortsSpec
from shipway.contract.layout import LocalLayout

__all__ = ["Labels"]


class Labels(pulumi.ComponentResource):
    """What counts right and wrong predictions, of all models of this stack."""

    def __init__(
        self,
        name: str,
        layout: LocalLayout,
        environment: EnvironmentSpec,
        ports: PortsSpec,
        serving: ServingOutputs,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:local:Labels", name, {}, opts)
        SupervisedProcess(
            "labels",
            layout,
            command=[
                *(sys.executable, "-m", "shipway.labels", "serve"),
                *("--root", str(layout.root), "--env", layout.environment),
            ],
            ports=[ports.labels_metrics],
            # It reads the stack's file when it starts.
            reads=fingerprint(environment.model_dump_json()),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[serving.ready]),
        )
        self.register_outputs({})
