"""What the platform brings to a cluster, what it leaves alone, and in which order."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.kubernetes.gpu_types import GPU_TYPES
from shipway.observability.dashboards import DASHBOARDS
from shipway.observability.grafana import grafana_json
from tests.components.kubernetes.cluster import Cluster, Registered

STORE = {"host": "store.example.com", "port": 7000, "address_range": "203.0.113.0/28"}
RESTRICTED = {f"shipway-onprem{name}" for name in ("", "-admission", "-gateway", "-models", "-operators")}


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


def _everything(registered: Registered) -> list[str]:
    names = {request.type.rpartition(":")[2] for request in registered.requests.values()}
    return [text for kind in names for inputs in registered.all(kind).values() for text in _texts(inputs)]


def test_namespaces_enforce_a_pinned_standard(cluster: Cluster) -> None:
    """Ours are restricted; a third party that needs the node has its own; none follows the cluster's version."""
    found = {
        space["metadata"]["name"]: space["metadata"]["labels"] for space in cluster.register().all("Namespace").values()
    }
    levels = {name: labels["pod-security.kubernetes.io/enforce"] for name, labels in found.items()}
    assert levels == {
        **dict.fromkeys(RESTRICTED, "restricted"),
        "shipway-onprem-gpu": "privileged",
        "shipway-onprem-monitoring": "privileged",
    }
    assert {labels["pod-security.kubernetes.io/enforce-version"] for labels in found.values()} == {"v1.34"}


def test_every_chart_is_pinned_and_its_namespace_is_ours(cluster: Cluster) -> None:
    """An exact version each, and a failed upgrade goes back."""
    charts = cluster.register().all("Release")
    assert {chart["chart"].rpartition("/")[2] for chart in charts.values()} == {
        *("cloudnative-pg", "gateway-helm", "gpu-operator", "kube-prometheus-stack", "policy-controller", "valkey"),
    }
    for name, chart in charts.items():
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", chart["version"]), name
        assert chart["createNamespace"] is False, name
        assert chart["atomic"] is True, name


@pytest.mark.parametrize(
    ("change", "spared"),
    [
        ({"kubernetes__gpu_operator_installed": True}, {"gpu-pool-operator"}),
        ({"gpu_pools": []}, {"gpu-pool-operator", "gpu-pool-rules"}),
        (
            {"kubernetes__gateway__installed": {"class_name": "cilium", "namespace": "cilium"}},
            {"routing-chart", "routing-class", "routing-edges", "routing-monitor", "routing-proxies"},
        ),
        (
            {
                "kubernetes__monitoring__installed": {
                    "namespace": "observability",
                    "prometheus_url": "http://prometheus.observability:9090",
                    "alertmanager": "alertmanager.observability:9093",
                }
            },
            {"monitoring-chart"},
        ),
        ({"kubernetes__admission__installed": True}, {"admission-chart"}),
        (
            {"kubernetes__admission": None},
            {"admission-chart", "admission-signed", "admission-attested", "admission-feast"},
        ),
        ({"kubernetes__postgres_operator_namespace": "cnpg-system"}, {"postgres-operator-chart"}),
        ({"kubernetes__redis__installed": STORE}, {"feature-store-online", "feature-store-online-edges"}),
        ({"kubernetes__feast_postgres__installed": STORE}, {"feast-postgres", "feast-postgres-edges"}),
        (
            {"kubernetes__feast_postgres__installed": STORE, "kubernetes__mlflow_postgres__installed": STORE},
            {
                *("feast-postgres", "feast-postgres-edges", "mlflow-postgres", "mlflow-postgres-edges"),
                "postgres-operator-chart",
            },
        ),
    ],
)
def test_what_is_there_already_is_not_brought(cluster: Cluster, change: dict[str, Any], spared: set[str]) -> None:
    """Each third party has its switch; the rest of the platform stays as it was."""
    whole = {request.name for request in cluster.register().requests.values()}
    cluster.change(**change)
    rest = {request.name for request in cluster.register().requests.values()}
    gone = {name for name in whole - rest if not name.startswith("shipway-onprem-")}
    assert gone == spared
    assert rest <= whole


def test_an_installed_store_is_reached_by_its_address_range_alone(cluster: Cluster) -> None:
    """Host and port go into Feast's file, the range into the policies."""
    cluster.change(kubernetes__redis__installed=STORE)
    registered = cluster.register()
    repository = yaml.safe_load(registered.one("ConfigMap", "feature-store-repository")["data"]["feature_store.yaml"])
    assert repository["online_store"]["connection_string"].startswith("store.example.com:7000,ssl=true,")
    (edge,) = [
        rule
        for rule in registered.one("NetworkPolicy", "flight-delay-edges")["spec"]["egress"]
        if rule["ports"][0]["port"] == 7000
    ]
    assert edge["to"] == [{"ipBlock": {"cidr": "203.0.113.0/28"}}]


def test_custom_resources_wait_for_what_brings_their_kind(cluster: Cluster) -> None:
    """CRDs first: nothing is applied whose kind the cluster does not know yet."""
    registered = cluster.register()
    brings = {
        "monitoring.coreos.com": "monitoring-chart",
        "gateway.networking.k8s.io": "routing-chart",
        "postgresql.cnpg.io": "postgres-operator-chart",
        "policy.sigstore.dev": "admission-chart",
    }
    looked_at = 0
    for request in registered.requests.values():
        for group, chart in brings.items():
            if request.type.startswith(f"kubernetes:{group}/"):
                assert chart in registered.waits_for(request.name), request.name
                looked_at += 1
    assert looked_at >= 12


def test_everything_waits_for_its_namespace(cluster: Cluster) -> None:
    """No object is made before the namespace it is in."""
    registered = cluster.register()
    for kind in ("ConfigMap", "CronJob", "Deployment", "NetworkPolicy", "Release", "Role", "Service", "ServiceAccount"):
        for name, inputs in registered.all(kind).items():
            space = inputs["namespace"] if kind == "Release" else inputs["metadata"]["namespace"]
            assert space in registered.waits_for(name), name


def test_what_holds_data_is_kept_in_production(cluster: Cluster) -> None:
    """Databases, the online store and their namespace are protected; in another tier a stack can be removed whole."""
    stores = {"feast-postgres", "mlflow-postgres", "feature-store-online", "shipway-onprem"}
    registered = cluster.register()
    protected = {request.name for request in registered.requests.values() if request.protect}
    retained = {request.name for request in registered.requests.values() if request.retainOnDelete}
    assert protected == retained == stores
    cluster.change(tier="nonprod")
    assert not [request.name for request in cluster.register().requests.values() if request.protect]


def test_the_cluster_is_named_for_ever(cluster: Cluster) -> None:
    """Another kubeconfig is an update of the provider; only another identifier replaces what is in the cluster."""
    assert cluster.register().one("kubernetes", "cluster") == {
        "clusterIdentifier": "onprem",
        "context": "onprem",
        "enableConfigMapMutable": "true",
        "kubeconfig": os.environ["KUBECONFIG"],
    }


def test_the_kubeconfig_is_the_one_that_has_the_context(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """KUBECONFIG may hold a list, as kubectl has it; the provider reads one file."""
    other = tmp_path / "other"
    other.write_text("contexts: [{name: staging}]\n")
    right = os.environ["KUBECONFIG"]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join((str(other), str(tmp_path / "missing"), right)))
    assert cluster.register().one("kubernetes", "cluster")["kubeconfig"] == right


def test_no_secret_is_in_the_stack(cluster: Cluster) -> None:
    """Secrets are named and never made; no text holds a password."""
    registered = cluster.register()
    assert registered.all("Secret") == {}
    found = [
        text for text in _everything(registered) if re.search(r"password=(?!\$\{)|[a-z]:[^/@\s]+@(?!sha256)", text)
    ]
    assert found == []


def test_delivery_may_do_what_it_does_and_nothing_else(cluster: Cluster) -> None:
    """Its rights are these, in these two namespaces; no wildcard, no Secret, no cluster-wide role."""
    registered = cluster.register()
    rights = {
        (role["metadata"]["namespace"], resource, tuple(rule.get("resourceNames", ())), verb)
        for role in registered.all("Role").values()
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    models, platform = "shipway-onprem-models", "shipway-onprem"
    assert rights == {
        (platform, "leases", (), "create"),
        *((platform, "leases", ("delivery",), verb) for verb in ("get", "update")),
        *((models, kind, (), "list") for kind in ("configmaps", "endpointslices", "pods")),
        (models, "httproutes", (), "get"),
        *((models, kind, (), v) for kind in ("httproutes", "horizontalpodautoscalers") for v in ("list", "patch")),
    }
    assert not registered.all("ClusterRole")
    assert not registered.all("ClusterRoleBinding")
    assert json.loads(registered.one("ConfigMap", "delivery-config")["data"]["delivery.json"]) == {
        "environment": "onprem",
        "models_namespace": models,
        "lease": {"namespace": platform, "name": "delivery"},
        "prometheus_url": "http://monitoring-prometheus.shipway-onprem-monitoring.svc:9090",
        "alertmanager": "monitoring-alertmanager.shipway-onprem-monitoring.svc:9093",
        "records": "s3://shipway-onprem",
        "scrape_interval_seconds": 5,
        "runbook_url": "https://docs.example.com/shipway/alerts",
    }


def test_the_gateway_is_the_one_way_in_and_it_speaks_tls(cluster: Cluster) -> None:
    """One listener, for one host, with a certificate, for the models' routes; no Service opens another door."""
    registered = cluster.register()
    (listener,) = registered.one("Gateway", "routing-gateway")["spec"]["listeners"]
    assert (listener["protocol"], listener["port"], listener["hostname"]) == ("HTTPS", 443, "models.example.com")
    assert listener["tls"]["certificateRefs"] == [{"name": "models-tls"}]
    assert listener["allowedRoutes"]["namespaces"]["selector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "shipway-onprem-models"
    }
    assert not [name for name, service in registered.all("Service").items() if "type" in service["spec"]]


def test_alerts_reach_the_environments_addresses(cluster: Cluster) -> None:
    """Every receiver that a route names is there, and what fires for ever tells nobody."""
    told = cluster.register().one("Release", "monitoring-chart")["values"]["alertmanager"]["config"]
    hooks = {receiver["name"]: receiver.get("webhook_configs", []) for receiver in told["receivers"]}
    assert [hook["url"] for hook in hooks["webhooks"]] == ["http://alert-relay.alerting.svc/shipway"]
    assert {told["route"]["receiver"], *(route["receiver"] for route in told["route"]["routes"])} == set(hooks)


def test_the_environments_interval_is_that_of_its_own_monitors(cluster: Cluster) -> None:
    """Rules count in it; what the charts scrape of the cluster itself keeps the charts' own, slower one."""
    registered = cluster.register()
    found = [one["spec"]["endpoints"] for one in registered.all("ServiceMonitor").values()]
    found += [one["spec"]["podMetricsEndpoints"] for one in registered.all("PodMonitor").values()]
    assert len(found) == 8
    assert {endpoint["interval"] for endpoints in found for endpoint in endpoints} == {"5s"}
    spec = registered.one("Release", "monitoring-chart")["values"]["prometheus"]["prometheusSpec"]
    assert "scrapeInterval" not in spec


def test_only_what_is_scraped_can_be_missed(cluster: Cluster) -> None:
    """An installed gateway's metrics are its owner's."""

    def alerts() -> set[str]:
        groups = cluster.register().one("PrometheusRule", "monitoring-rules")["spec"]["groups"]
        return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}

    everywhere = {"ShipwayDeliveryHindered", "ShipwaySilent", "ShipwayUtilisationHigh", "ShipwayWatchdog"}
    assert alerts() == {"ShipwayGatewayDown", *everywhere}
    cluster.change(kubernetes__gateway__installed={"class_name": "cilium", "namespace": "cilium"})
    assert alerts() == everywhere


def test_silence_is_told_of_what_a_cluster_runs(cluster: Cluster) -> None:
    """No receiver of a laptop is missed there, and whoever listens for the watchdog hears of nothing else."""

    def receivers() -> dict[str, list[str]]:
        config = cluster.register().one("Release", "monitoring-chart")["values"]["alertmanager"]["config"]
        routed = {route["receiver"]: route["matchers"] for route in config["route"]["routes"]}
        assert {one["name"] for one in config["receivers"]} == {"webhooks", *routed}
        return routed

    groups = cluster.register().one("PrometheusRule", "monitoring-rules")["spec"]["groups"]
    parts = [rule["labels"]["part"] for group in groups for rule in group["rules"] if "part" in rule["labels"]]
    assert {"scrape", "delivery", "ledger", "labels"} <= set(parts)
    assert "alerts" not in parts
    assert receivers() == {"null": ['alertname =~ "InfoInhibitor|Watchdog|ShipwayWatchdog"']}
    cluster.change(alerts={"webhook_urls": ["http://relay/a"], "watchdog_url": "http://relay/beat"})
    assert receivers() == {
        "null": ['alertname =~ "InfoInhibitor|Watchdog"'],
        "watchdog": ['alertname = "ShipwayWatchdog"'],
    }


@pytest.mark.parametrize(("minutes", "schedule"), [(60, "0 * * * *"), (15, "*/15 * * * *")])
def test_features_go_online_by_the_clock_and_lateness_is_heard(cluster: Cluster, minutes: int, schedule: str) -> None:
    """Never two at once; three times the time between two starts without a success is an alert."""
    cluster.change(kubernetes__materialise_every_minutes=minutes)
    registered = cluster.register()
    job = registered.one("CronJob", "feature-store-materialise")["spec"]
    assert (job["schedule"], job["concurrencyPolicy"]) == (schedule, "Forbid")
    (group,) = registered.one("PrometheusRule", "feature-store-rules")["spec"]["groups"]
    record, late = group["rules"]
    assert record["record"] == "shipway:last_work_timestamp_seconds"
    # Less two scrapes, so that it is told in time.
    assert f"> {minutes * 180 - 25}" in late["expr"]
    assert late["for"] == "15s"


def test_dashboards_are_found_by_a_grafana(cluster: Cluster) -> None:
    """Each is a ConfigMap with the sidecar's label, and holds the JSON that the local stack writes into a file."""
    registered = cluster.register()
    for dashboard in DASHBOARDS:
        found = registered.one("ConfigMap", f"monitoring-{dashboard.name}")
        assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert found["data"] == {f"shipway-{dashboard.name}.json": grafana_json(dashboard)}


def test_nodes_are_expected_to_say_what_they_have(cluster: Cluster) -> None:
    """The pool's inputs name the label and the taint of its nodes, from the type's row."""
    (pool,) = cluster.register().one("GpuPool", "gpu-pool")["pools"]
    assert pool["labels"] == {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert pool["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]


def test_gpus_are_watched_and_silence_about_them_is_an_alarm(cluster: Cluster) -> None:
    """The exporter is scraped; that nothing is heard of a GPU is news only where a pool always has nodes."""

    def alerts() -> set[str]:
        group, _ = cluster.register().one("PrometheusRule", "gpu-pool-rules")["spec"]["groups"]
        return {rule["alert"] for rule in group["rules"]}

    operator = cluster.register().one("Release", "gpu-pool-operator")
    assert operator["values"]["dcgmExporter"] == {"serviceMonitor": {"enabled": True}}
    assert alerts() == {"ShipwayGpusNotWatched", "ShipwayGpuFault", "ShipwayGpuMemoryFull"}
    cluster.change(gpu_pools=[{"name": "inference", "gpu_type": "l4", "max_nodes": 4}])
    assert alerts() == {"ShipwayGpuFault", "ShipwayGpuMemoryFull"}


def test_the_table_of_gpu_types_is_one_row_each() -> None:
    """Names and products are told apart, and each is called by its own name."""
    assert list(GPU_TYPES) == [row.name for row in GPU_TYPES.values()]
    assert len({row.instance_type for row in GPU_TYPES.values()}) == len(GPU_TYPES)
