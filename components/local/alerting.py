"""Alerting: Alertmanager, and a receiver that writes every notification into a file."""

import sys

import pulumi

from components.local.programs import ALERTMANAGER, AMTOOL, program
from components.local.providers.process import SupervisedProcess
from components.local.providers.rendered_file import FILE, RenderedFile
from components.parts import AlertingOutputs, ServingOutputs
from shipway.contract.environment import EnvironmentSpec, PortsSpec
from shipway.contract.layout import LocalLayout
from shipway.observability.alertmanager import alertmanager_config

__all__ = ["Alerting"]


class Alerting(pulumi.ComponentResource):
    """Alertmanager; a changed configuration is checked by amtool and reloaded, without a restart."""

    outputs: AlertingOutputs

    def __init__(
        self,
        name: str,
        layout: LocalLayout,
        environment: EnvironmentSpec,
        ports: PortsSpec,
        serving: ServingOutputs,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:local:Alerting", name, {}, opts)
        address, path = f"127.0.0.1:{ports.alertmanager}", layout.alertmanager / "alertmanager.yml"
        config = RenderedFile(
            f"{name}-config",
            path,
            alertmanager_config(
                f"http://127.0.0.1:{ports.alert_receiver}/alerts",
                environment.alerts.webhook_urls,
                environment.alerts.watchdog_url,
            ),
            pulumi.ResourceOptions(parent=self),
            check=[program(AMTOOL), "check-config", FILE],
            reload_url=f"http://{address}/-/reload",
        )
        SupervisedProcess(
            "alertmanager",
            layout,
            command=[
                program(ALERTMANAGER),
                f"--config.file={path}",
                f"--storage.path={layout.alertmanager / 'data'}",
                f"--data.retention={environment.retention_days * 24}h",
                f"--web.listen-address={address}",
                # Empty on purpose: the default opens a port for its peers on all interfaces.
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
            ports=[ports.alertmanager],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[serving.ready, config]),
        )
        SupervisedProcess(
            "alert-receiver",
            layout,
            command=[
                *(sys.executable, "-m", "shipway.observability.receiver"),
                *("--port", str(ports.alert_receiver), "--file", str(layout.alerts)),
                *(word for url in environment.alerts.webhook_urls for word in ("--tell", url)),
            ],
            ports=[ports.alert_receiver],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[serving.ready]),
        )
        self.outputs = AlertingOutputs(address)
        self.register_outputs({})
