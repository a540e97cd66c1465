"""Workers: the processes of the platform that do the same thing again and again, one for each row of the contract."""

import sys

import pulumi

from components.local.providers.process import SupervisedProcess, fingerprint
from components.parts import ServingOutputs
from shipway.contract.environment import EnvironmentSpec, PortsSpec
from shipway.contract.layout import LocalLayout
from shipway.contract.workers import WORKERS

__all__ = ["Workers"]


class Workers(pulumi.ComponentResource):
    """What joins labels, looks for drift and so on, for all models of this stack."""

    def __init__(
        self,
        name: str,
        layout: LocalLayout,
        environment: EnvironmentSpec,
        ports: PortsSpec,
        serving: ServingOutputs,
        opts: pulumi.ResourceOptions,
    ) -> None:
        # What joins labels was a component of its own before it had company; it is to be left running.
        before = pulumi.ResourceOptions(aliases=[pulumi.Alias(name="labels", type_="shipway:local:Labels")])
        super().__init__("shipway:local:Workers", name, {}, pulumi.ResourceOptions.merge(opts, before))
        for job, worker in WORKERS.items():
            SupervisedProcess(
                job,
                layout,
                command=[
                    *(sys.executable, "-m", f"shipway.{worker.package}", "serve"),
                    *("--root", str(layout.root), "--env", layout.environment),
                ],
                ports=[ports.worker_metrics(job)],
                # It reads the stack's file when it starts.
                reads=fingerprint(environment.model_dump_json()),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[serving.ready]),
            )
        self.register_outputs({})
