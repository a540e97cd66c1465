"""Routing: Envoy, configured by files alone."""

import sys

import pulumi

from components.local.programs import ENVOY, program
from components.local.providers.directory import Directory
from components.local.providers.process import SupervisedProcess, fingerprint
from components.local.providers.rendered_file import FILE, RenderedFile
from components.local.rendering import render
from components.parts import RoutingOutputs, ServingOutputs
from shipway.contract.environment import PortsSpec
from shipway.contract.layout import LocalLayout

__all__ = ["Routing"]


class Routing(pulumi.ComponentResource):
    """The gateway that all requests go through; delivery writes what it routes where."""

    outputs: RoutingOutputs

    def __init__(
        self,
        name: str,
        layout: LocalLayout,
        ports: PortsSpec,
        serving: ServingOutputs,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:local:Routing", name, {}, opts)
        path = layout.envoy / "bootstrap.yaml"
        text = render(
            "envoy_bootstrap.yaml.j2",
            node=f"shipway-{layout.environment}",
            admin_port=ports.gateway_admin,
            dynamic=str(layout.served_routes.parent),
        )
        envoy = program(ENVOY)
        # Envoy reads listener, clusters and routes from files that must be there: `prepare` writes those missing.
        prepared = [
            *(sys.executable, "-m", "shipway.delivery", "prepare"),
            *("--root", str(layout.root), "--env", layout.environment, "--", envoy),
        ]
        # Weights and rollout states lie here: they go with the gateway, for nothing is live when nothing is served.
        folder = Directory(f"{name}-files", layout.envoy, pulumi.ResourceOptions(parent=self), outlives_stack=False)
        bootstrap = RenderedFile(
            f"{name}-bootstrap",
            path,
            text,
            pulumi.ResourceOptions(parent=self, depends_on=[folder]),
            check=[*prepared, "--mode", "validate", "-c", FILE],
        )
        SupervisedProcess(
            "gateway",
            layout,
            command=[
                *prepared,
                *("-c", str(path), "--concurrency", "1", "--log-level", "warning"),
                # With hot restart on, Envoy ends together with the thread that started it.
                "--disable-hot-restart",
            ],
            ports=[ports.gateway, ports.gateway_admin],
            # The listener's port is not in the bootstrap: `prepare` takes it from the stack's file.
            reads=fingerprint(text, ports.model_dump_json()),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[serving.ready, bootstrap]),
        )
        self.outputs = RoutingOutputs(f"http://127.0.0.1:{ports.gateway}")
        self.register_outputs({})
