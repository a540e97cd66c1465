"""Monitoring: Prometheus and Alertmanager by kube-prometheus-stack, and the platform's own rules."""

from pathlib import Path
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import ConfigMap
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.kubernetes.charts import KUBE_PROMETHEUS_STACK, install
from components.kubernetes.labels import labels
from components.kubernetes.names import ClusterNames
from components.kubernetes.namespaces import PodSecurity, namespace
from components.kubernetes.told import MONITORING_RELEASE, alerting_outputs, monitoring_outputs
from components.parts import AlertingOutputs, MonitoringOutputs
from shipway.contract.alerts import AlertName
from shipway.contract.documents import load_yaml
from shipway.contract.environment import EnvironmentSpec, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import DELIVERY_JOB, GATEWAY_JOB, LEDGER_JOB, SCRAPE_JOB
from shipway.contract.periodic import PERIODIC
from shipway.contract.workers import WORKERS
from shipway.observability.dashboards import DASHBOARDS
from shipway.observability.grafana import grafana_json
from shipway.observability.rendering import seconds
from shipway.observability.rules import platform_rules
from shipway.observability.utilisation import cluster_disks

__all__ = ["Monitoring", "refuse_unheard_alerts"]

# Alerts of one kind come together, and what still stands is told again.
_GROUP_WAIT_SECONDS, _GROUP_INTERVAL_SECONDS, _REPEAT_SECONDS = 5, 60, 4 * 3600
# What a cluster runs of the periodic things, beside the materialisation, whose rules are the feature store's.
_PERIODIC = (SCRAPE_JOB, DELIVERY_JOB, LEDGER_JOB, *WORKERS)


def refuse_unheard_alerts(root: Path, environment: EnvironmentSpec, cluster: KubernetesSpec) -> None:
    """Refuses an Alertmanager of the platform's own that would tell nobody.

    Raises:
        SpecError: naming the key.
    """
    if cluster.monitoring.installed is None and not environment.alerts.webhook_urls:
        path = environment_path(root, environment.name)
        raise SpecError(path, "alerts.webhook_urls", [], "an address: alerts that nobody hears are none")


class Monitoring(pulumi.ComponentResource):
    """What scrapes, records and alerts; it takes monitors and rules from every namespace.

    `ready` holds what a monitor or a rule waits for: nothing when the CRDs are there already.
    """

    outputs: MonitoringOutputs
    alerting: AlertingOutputs
    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        cluster: KubernetesSpec,
        space: pulumi.Resource,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:kubernetes:Monitoring", name, {}, opts)
        names, installed = ClusterNames(environment.name), cluster.monitoring.installed
        given = labels(environment, name)
        if installed is not None:
            self.ready = ()
        else:
            # Its node exporter looks at the node's own processes and disks.
            own = namespace(names.monitoring, PodSecurity.PRIVILEGED, cluster.pod_security_version, given, self)
            self.ready = (
                install(
                    f"{name}-chart",
                    KUBE_PROMETHEUS_STACK,
                    release=MONITORING_RELEASE,
                    namespace=names.monitoring,
                    values=_values(environment, cluster),
                    parent=self,
                    waits=[own],
                ),
            )
        self.outputs, self.alerting = monitoring_outputs(names, cluster), alerting_outputs(names, cluster)
        rules = platform_rules(
            environment,
            # Only what is scraped can be missed: metrics of an installed gateway are its owner's.
            scraped=() if cluster.gateway.installed else (GATEWAY_JOB,),
            periodic=[PERIODIC[job] for job in _PERIODIC],
            disks=cluster_disks("|".join(dict.fromkeys((names.platform, names.models, names.monitoring)))),
        )
        CustomResource(
            f"{name}-rules",
            api_version="monitoring.coreos.com/v1",
            kind="PrometheusRule",
            metadata=ObjectMetaArgs(name="platform", namespace=names.platform, labels=given),
            spec=load_yaml(rules),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*self.ready, space]),
        )
        for dashboard in DASHBOARDS:
            ConfigMap(
                f"{name}-{dashboard.name}",
                # The label by which the sidecar of a Grafana finds it, kube-prometheus-stack's or another.
                metadata=ObjectMetaArgs(
                    name=f"dashboard-{dashboard.name}",
                    namespace=names.platform,
                    labels={**given, "grafana_dashboard": "1"},
                ),
                data={f"shipway-{dashboard.name}.json": grafana_json(dashboard)},
                opts=pulumi.ResourceOptions(parent=self, depends_on=[space]),
            )
        self.register_outputs({})


def _values(environment: EnvironmentSpec, cluster: KubernetesSpec) -> dict[str, Any]:
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{cluster.monitoring.storage_gib}Gi"}},
    }
    if cluster.storage_class:
        claim["storageClassName"] = cluster.storage_class
    everything = {
        f"{kind}SelectorNilUsesHelmValues": False for kind in ("serviceMonitor", "podMonitor", "rule", "probe")
    }
    return {
        "fullnameOverride": MONITORING_RELEASE,
        # Its default password is a public one; dashboards come as code, with an account of their own.
        "grafana": {"enabled": False},
        "prometheus": {
            "prometheusSpec": {
                "retention": f"{environment.retention_days}d",
                "storageSpec": {"volumeClaimTemplate": {"spec": claim}},
                **everything,
            }
        },
        "alertmanager": {"config": _alertmanager(environment)},
    }


def _alertmanager(environment: EnvironmentSpec) -> dict[str, Any]:
    watchdog = environment.alerts.watchdog_url
    route = f'alertname = "{AlertName.WATCHDOG}"'
    # They fire for ever by design.
    silent = "|".join(("InfoInhibitor", "Watchdog", *(() if watchdog else (AlertName.WATCHDOG,))))
    beating = {
        "receiver": "watchdog",
        "matchers": [route],
        "group_wait": seconds(0),
        "repeat_interval": seconds(_GROUP_INTERVAL_SECONDS),
    }
    return {
        "route": {
            "receiver": "webhooks",
            "group_by": ["alertname", "model"],
            "group_wait": seconds(_GROUP_WAIT_SECONDS),
            "group_interval": seconds(_GROUP_INTERVAL_SECONDS),
            "repeat_interval": seconds(_REPEAT_SECONDS),
            "routes": [
                {"receiver": "null", "matchers": [f'alertname =~ "{silent}"']},
                *([beating] if watchdog else []),
            ],
        },
        "receivers": [
            {"name": "null"},
            {
                "name": "webhooks",
                "webhook_configs": [{"url": url, "send_resolved": True} for url in environment.alerts.webhook_urls],
            },
            *([{"name": "watchdog", "webhook_configs": [{"url": watchdog}]}] if watchdog else []),
        ],
    }
