"""Monitoring: Prometheus with the platform's scrape configuration and rules."""

import pulumi

from components.local.programs import PROMETHEUS, PROMTOOL, program
from components.local.providers.directory import Directory
from components.local.providers.process import SupervisedProcess
from components.local.providers.rendered_file import FILE, RenderedFile
from components.parts import AlertingOutputs, MonitoringOutputs, ServingOutputs
from shipway.contract.environment import EnvironmentSpec, PortsSpec
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import ALERTS_JOB
from shipway.contract.workers import WORKERS
from shipway.observability.dashboards import DASHBOARDS
from shipway.observability.grafana import grafana_json
from shipway.observability.rules import platform_rules
from shipway.observability.scrape import ALERT_RESEND_SECONDS, prometheus_config

__all__ = ["Monitoring"]


class Monitoring(pulumi.ComponentResource):
    """Prometheus; a changed file is checked by promtool and reloaded, without a restart."""

    outputs: MonitoringOutputs

    def __init__(
        self,
        name: str,
        layout: LocalLayout,
        environment: EnvironmentSpec,
        ports: PortsSpec,
        serving: ServingOutputs,
        alerting: AlertingOutputs,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:local:Monitoring", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        promtool, url = program(PROMTOOL), f"http://127.0.0.1:{ports.prometheus}"
        # Prometheus hears of a change only in a folder that is there; delivery writes its files into the second one.
        targets = [
            Directory(f"{name}-{folder}", layout.prometheus / folder, child, outlives_stack=False)
            for folder in ("targets", layout.rollout_targets.name)
        ]
        config = RenderedFile(
            f"{name}-config",
            layout.prometheus / "prometheus.yml",
            _config(environment, ports, alerting),
            pulumi.ResourceOptions(parent=self, depends_on=targets),
            check=[promtool, "check", "config", FILE],
            reload_url=f"{url}/-/reload",
        )
        RenderedFile(
            f"{name}-rules",
            layout.prometheus / "rules" / "platform.yml",
            platform_rules(environment),
            child,
            check=[promtool, "check", "rules", FILE],
            reload_url=f"{url}/-/reload",
        )
        for dashboard in DASHBOARDS:
            path = layout.dashboards / f"{dashboard.name}.json"
            RenderedFile(f"{name}-{dashboard.name}", path, grafana_json(dashboard), child)
        SupervisedProcess(
            "prometheus",
            layout,
            command=[
                program(PROMETHEUS),
                f"--config.file={layout.prometheus / 'prometheus.yml'}",
                f"--storage.tsdb.path={layout.prometheus / 'data'}",
                f"--storage.tsdb.retention.time={environment.retention_days}d",
                f"--web.listen-address=127.0.0.1:{ports.prometheus}",
                "--web.enable-lifecycle",
                f"--rules.alert.resend-delay={ALERT_RESEND_SECONDS}s",
            ],
            ports=[ports.prometheus],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[serving.ready, config]),
        )
        self.outputs = MonitoringOutputs(url)
        self.register_outputs({})


def _config(environment: EnvironmentSpec, ports: PortsSpec, alerting: AlertingOutputs) -> str:
    workers = {ALERTS_JOB: ports.alert_receiver, **{job: ports.worker_metrics(job) for job in WORKERS}}
    return prometheus_config(
        environment,
        gateway=f"127.0.0.1:{ports.gateway_admin}",
        delivery=f"127.0.0.1:{ports.delivery_metrics}",
        workers={job: f"127.0.0.1:{port}" for job, port in workers.items()},
        alertmanager=alerting.address,
    )
