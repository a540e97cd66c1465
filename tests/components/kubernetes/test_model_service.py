"""What one model is made of on a cluster."""

import json
import subprocess
import sys
from typing import Any

import pytest

from shipway.contract.metrics import Slot
from shipway.contract.naming import check_model_name
from shipway.contract.route import RouteSpec
from tests.components.conftest import image_of
from tests.components.kubernetes.cluster import FIRST, SECOND, STACK, Cluster, Registered

SHARED = {"account", "declared", "edges", "monitor", "route", "rules"}


def _pod(registered: Registered, name: str) -> dict[str, Any]:
    return dict(registered.pods())[name]["spec"]


def _own(registered: Registered, model: str) -> set[str]:
    names = {request.name for request in registered.requests.values()}
    return {name.removeprefix(f"{model}-") for name in names if name.startswith(f"{model}-")}


def test_an_idle_slot_is_nothing(cluster: Cluster) -> None:
    """A slot without a digest has no pods, no Service, no budget; nothing but its model says that it could be there."""
    assert _own(cluster.register(), "digits") == SHARED | {"blue", "blue-autoscaler", "blue-service", "blue-budget"}


def test_a_model_that_was_never_released_runs_nothing(cluster: Cluster) -> None:
    """Its route, edges and rules are there; a missing target wakes nobody."""
    (cluster.project.root / "services" / "digits" / "releases" / f"{STACK}.yaml").unlink()
    registered = cluster.register()
    assert _own(registered, "digits") == SHARED
    assert "ShipwayModelNotScraped" not in json.dumps(registered.one("PrometheusRule", "digits-rules"))
    assert registered.one("HTTPRoute", "digits-route")["spec"]["rules"][0]["backendRefs"] == []


def test_an_image_is_named_by_its_own_digest(cluster: Cluster) -> None:
    """Registry from the environment, name from the model, digest from the release; the bundle's is another one."""
    (container,) = _pod(cluster.register(), "flight-delay-green")["containers"]
    assert container["image"] == f"registry.example.com/models/flight-delay@{image_of(SECOND)}"
    assert f"/bundles/{SECOND.replace(':', '/')}" in container["command"]


def test_views_are_registered_before_a_slot_that_reads_them_starts(cluster: Cluster) -> None:
    """By the slot's own image and its own bundle, with what the slot sees and no more; a model without features has no
    such step."""
    registered = cluster.register()
    assert "initContainers" not in _pod(registered, "digits-blue")
    pod = _pod(registered, "flight-delay-green")
    (first,), (slot,) = pod["initContainers"], pod["containers"]
    assert first["command"][:2] == slot["command"][:2] == ["/bin/sh", "-ec"]
    assert first["command"][2] == slot["command"][2]
    assert first["command"][4:] == [
        *("python", "-m", "shipway.features", "register"),
        *("--bundle", f"/bundles/{SECOND.replace(':', '/')}", "--features", "/etc/shipway/features"),
    ]
    same = ("image", "env", "volumeMounts", "securityContext")
    assert {key: first[key] for key in same} == {key: slot[key] for key in same}
    assert set(first) == {"name", "command", "resources", *same}


def test_the_step_before_a_slot_starts_is_a_command_that_is_there(cluster: Cluster) -> None:
    """The arguments are those that `python -m shipway.features` takes; without a bundle it says so."""
    command = _pod(cluster.register(), "flight-delay-blue")["initContainers"][0]["command"][4:]
    done = subprocess.run([sys.executable, *command[1:]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{command[5]}: no bundle {FIRST} here, expected manifest.json (No such file or directory)\n"


def test_delivery_owns_the_rules_of_a_route(cluster: Cluster) -> None:
    """Pulumi declares the route once with weights of nothing, and never looks at its rules again."""
    registered = cluster.register()
    assert list(registered.request("flight-delay-route").ignoreChanges) == ["spec.rules"]
    (rule,) = registered.one("HTTPRoute", "flight-delay-route")["spec"]["rules"]
    assert [(one["name"], one["weight"]) for one in rule["backendRefs"]] == [
        ("flight-delay-blue", 0),
        ("flight-delay-green", 0),
    ]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/flight-delay"}}]
    assert rule["timeouts"] == {"request": "11s"}


def test_delivery_reads_the_same_declaration_as_locally(cluster: Cluster) -> None:
    """The ConfigMap of a model holds its RouteSpec: digests, limits and how its rollouts go."""
    data = cluster.register().one("ConfigMap", "flight-delay-declared")["data"]
    route = RouteSpec.model_validate_json(data["route.json"])
    assert (route.model, route.blue.digest, route.green.digest, route.blue.port) == (
        "flight-delay",
        FIRST,
        SECOND,
        8080,
    )


def test_one_owner_of_the_number_of_replicas(cluster: Cluster) -> None:
    """Without room to scale Pulumi says the number; with it the autoscaler does, and its minimum is delivery's.

    The number that it begins with stays named: a slot that gets an autoscaler later would else have one pod.
    """
    cluster.resources("digits", min_replicas=1, max_replicas=1)
    cluster.resources("flight_delay", min_replicas=3, max_replicas=3)
    fixed = cluster.register()
    assert fixed.one("Deployment", "digits-blue")["spec"]["replicas"] == 1
    assert list(fixed.request("digits-blue").ignoreChanges) == []
    assert fixed.all("HorizontalPodAutoscaler") == {}
    cluster.resources("digits", min_replicas=2, max_replicas=6)
    scaled = cluster.register()
    assert scaled.one("Deployment", "digits-blue")["spec"]["replicas"] == 2
    assert list(scaled.request("digits-blue").ignoreChanges) == ["spec.replicas"]
    spec = scaled.one("HorizontalPodAutoscaler", "digits-blue-autoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"], spec["scaleTargetRef"]["name"]) == (2, 6, "digits-blue")
    assert list(scaled.request("digits-blue-autoscaler").ignoreChanges) == ["spec.minReplicas"]


def test_a_model_may_scale_on_its_requests(cluster: Cluster) -> None:
    """KEDA asks Prometheus about this slot alone, and takes no pod away while it gets no answer."""
    cluster.change(kubernetes__keda_installed=True)
    cluster.resources("digits", requests_per_second=40)
    registered = cluster.register()
    assert set(registered.all("HorizontalPodAutoscaler")) == {f"flight-delay-{slot}-autoscaler" for slot in Slot}
    spec = registered.one("ScaledObject", "digits-blue-autoscaler")["spec"]
    assert (spec["scaleTargetRef"], spec["minReplicaCount"], spec["maxReplicaCount"]) == ({"name": "digits-blue"}, 2, 4)
    assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
    (trigger,) = spec["triggers"]
    assert trigger["metadata"] == {
        "serverAddress": "http://monitoring-prometheus.shipway-onprem-monitoring.svc:9090",
        "query": 'sum(rate(shipway_requests_total{job="models",model="digits",slot="blue"}[1m]))',
        "threshold": "40",
    }
    assert list(registered.request("digits-blue").ignoreChanges) == ["spec.replicas"]


def test_a_new_version_begins_with_what_fits(cluster: Cluster) -> None:
    """One GPU short of two full slots: delivery and the autoscaler are told, the policies and people see why."""
    cluster.resources("flight_delay", gpu_type="l4", gpus=1, min_replicas=3, max_replicas=3)
    registered = cluster.register()
    route = RouteSpec.model_validate_json(registered.one("ConfigMap", "flight-delay-declared")["data"]["route.json"])
    assert (route.min_replicas, route.candidate_replicas) == (3, 1)
    spec = registered.one("HorizontalPodAutoscaler", "flight-delay-green-autoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 3)
    said = registered.one("ModelService", "flight-delay")["headroom"]
    assert (said["way"], said["candidate_replicas"]) == ("surge", 1)
    assert said["reason"].startswith("1 l4 are free beside flight-delay, 3 replicas need 3: ")


@pytest.mark.parametrize(
    ("replicas", "nodes", "surge", "unavailable"),
    [
        pytest.param((2, 2), 4, 1, 1, id="two-of-a-full-pool"),
        pytest.param((1, 1), 2, 0, 1, id="one-of-a-full-pool"),
        pytest.param((1, 1), 4, 1, 0, id="one-with-room"),
        pytest.param((1, 3), 4, 1, "50%", id="one-that-scales"),
    ],
)
def test_pods_change_also_in_a_full_pool(
    cluster: Cluster, replicas: tuple[int, int], nodes: int, surge: int, unavailable: int | str
) -> None:
    """A new pod that waits for the GPU of the old one waits for ever; a single one stays while there is room."""
    cluster.change(gpu_pools=[{"name": "inference", "gpu_type": "l4", "min_nodes": nodes, "max_nodes": nodes}])
    least, most = replicas
    cluster.resources("flight_delay", gpu_type="l4", gpus=1, min_replicas=least, max_replicas=most)
    registered = cluster.register()
    for slot in Slot:
        found = registered.one("Deployment", f"flight-delay-{slot}")["spec"]["strategy"]
        assert found["rollingUpdate"] == {"maxSurge": surge, "maxUnavailable": unavailable}
    found = registered.one("Deployment", "digits-blue")["spec"]["strategy"]
    assert found == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_a_budget_lets_one_replica_go_at_a_time(cluster: Cluster) -> None:
    """Of this slot alone, by labels that no release changes."""
    spec = cluster.register().one("PodDisruptionBudget", "flight-delay-blue-budget")["spec"]
    assert spec["maxUnavailable"] == 1
    assert spec["selector"] == {"matchLabels": {"shipway/model": "flight-delay", "shipway/slot": "blue"}}


def test_probes_ask_what_the_serving_contract_has(cluster: Cluster) -> None:
    """A store that is down makes a slot unready and never restarts it; loading may take as long as a rollout waits."""
    (container,) = _pod(cluster.register(), "digits-blue")["containers"]
    paths = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
    assert paths == {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
    assert container["startupProbe"]["failureThreshold"] * container["startupProbe"]["periodSeconds"] >= 300


@pytest.mark.parametrize("timeout_seconds", [0.5, 10, 600])
def test_a_pod_outlives_its_longest_request(cluster: Cluster, timeout_seconds: float) -> None:
    """It drains first, and then has the longest request's time and more."""
    path = cluster.project.root / "services" / "digits" / "model.yaml"
    path.write_text(path.read_text().replace("timeout_seconds: 5", f"timeout_seconds: {timeout_seconds}"))
    spec = _pod(cluster.register(), "digits-blue")
    drain = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert drain == 10
    assert spec["terminationGracePeriodSeconds"] > drain + timeout_seconds


def test_replicas_spread_over_zones_and_nodes(cluster: Cluster) -> None:
    """Each slot by itself."""
    spread = _pod(cluster.register(), "flight-delay-blue")["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert {one["labelSelector"]["matchLabels"]["shipway/slot"] for one in spread} == {"blue"}


def test_a_gpu_model_runs_on_its_type_of_node_and_no_other_model_does(cluster: Cluster) -> None:
    """The node's label and taint come from the table's row; limit and request are one number."""
    cluster.resources("flight_delay", gpu_type="l4", gpus=1)
    registered = cluster.register()
    spec = _pod(registered, "flight-delay-blue")
    assert spec["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    found = spec["containers"][0]["resources"]
    assert found["requests"]["nvidia.com/gpu"] == found["limits"]["nvidia.com/gpu"] == "1"
    assert not {"nodeSelector", "tolerations"} & set(_pod(registered, "digits-blue"))


def test_labels_say_whose_and_which_it_is(cluster: Cluster) -> None:
    """Model, owner, environment, cost centre and release; no selector holds the release, for it changes."""
    deployment = cluster.register().one("Deployment", "flight-delay-blue")
    assert deployment["metadata"]["labels"] == deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["metadata"]["labels"] == {
        "app.kubernetes.io/instance": "flight-delay-blue",
        "app.kubernetes.io/managed-by": "pulumi",
        "app.kubernetes.io/name": "flight-delay",
        "app.kubernetes.io/part-of": "shipway",
        "app.kubernetes.io/version": "a" * 12,
        "shipway/cost-center": "ml-platform",
        "shipway/env": "onprem",
        "shipway/model": "flight-delay",
        "shipway/owner": "flight-operations",
        "shipway/release": "a" * 12,
        "shipway/slot": "blue",
    }
    assert set(deployment["spec"]["selector"]["matchLabels"]) == {"shipway/model", "shipway/slot"}


def test_a_slot_talks_along_named_edges_only(cluster: Cluster) -> None:
    """In: gateway and Prometheus. Out: names, object storage, and the feature stores of a model that reads features."""
    registered = cluster.register()
    reads, plain = (registered.one("NetworkPolicy", f"{name}-edges")["spec"] for name in ("flight-delay", "digits"))
    sources = [rule["from"][0]["namespaceSelector"]["matchLabels"] for rule in plain["ingress"]]
    assert [source["kubernetes.io/metadata.name"] for source in sources] == [
        "shipway-onprem-gateway",
        "shipway-onprem-monitoring",
    ]
    assert [[port["port"] for port in rule["ports"]] for rule in plain["egress"]] == [[53, 53], [443]]
    assert [[port["port"] for port in rule["ports"]] for rule in reads["egress"]] == [[53, 53], [6379], [5432], [443]]
    assert plain["policyTypes"] == reads["policyTypes"] == ["Ingress", "Egress"]
    deny = registered.one("NetworkPolicy", "serving-deny-all")
    assert deny["metadata"]["namespace"] == "shipway-onprem-models"
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_a_slot_is_scraped_under_the_names_that_rules_and_delivery_read(cluster: Cluster) -> None:
    """Job, environment, model and slot are what the local target's target files say."""
    (endpoint,) = cluster.register().one("ServiceMonitor", "digits-monitor")["spec"]["endpoints"]
    fixed = {one["targetLabel"]: one["replacement"] for one in endpoint["relabelings"] if "replacement" in one}
    assert fixed == {"job": "models", "env": "onprem", "model": "digits"}
    assert {
        "sourceLabels": ["__meta_kubernetes_service_label_shipway_slot"],
        "targetLabel": "slot",
    } in endpoint["relabelings"]
    assert (endpoint["interval"], endpoint["path"]) == ("5s", "/metrics")
    # What a slot says of itself under these names gives way.
    assert "honorLabels" not in endpoint
    heartbeats, dropped = endpoint["metricRelabelings"]
    # Its heartbeat is of the slot at work; the platform's are not for it to set.
    assert heartbeats["regex"] == "shipway_heartbeat_timestamp_seconds;(serving)"
    assert (heartbeats["sourceLabels"], heartbeats["targetLabel"]) == (["__name__", "exported_job"], "job")
    assert dropped == {"action": "labeldrop", "regex": "exported_(model|slot)"}


def test_a_new_digest_changes_its_slot_and_its_declaration_only(cluster: Cluster) -> None:
    """A release into the idle slot leaves every other resource's inputs as they were."""
    before = cluster.register()
    digits = cluster.project.root / "services" / "digits"
    cluster.project.release(digits, STACK, blue=SECOND, green=FIRST)
    after = cluster.register()
    added = {request.name for urn, request in after.requests.items() if urn not in before.requests}
    assert added == {"digits-green", "digits-green-autoscaler", "digits-green-service", "digits-green-budget"}
    changed = {one.name for urn, one in before.requests.items() if one.object != after.requests[urn].object}
    # The route's inputs change and are ignored: its rules are delivery's.
    assert changed == {"digits", "digits-declared", "digits-route"}


def test_a_second_model_adds_only_its_own_resources(cluster: Cluster) -> None:
    """0 changed among the platform's resources and the other model's."""
    before = cluster.register()
    service = cluster.project.add_model("third")
    cluster.project.release(service, STACK, blue=FIRST)
    after = cluster.register()
    added = {request.name for urn, request in after.requests.items() if urn not in before.requests}
    own = {f"third-{name}" for name in SHARED | {"blue", "blue-service", "blue-budget"}}
    assert added == {"third"} | own
    assert all(request.object == after.requests[urn].object for urn, request in before.requests.items())


def test_no_two_objects_claim_one_name(cluster: Cluster) -> None:
    """Within kind and namespace each name is one object's; what the platform calls its own, no model may be called."""
    found: list[tuple[str, str, str]] = []
    registered = cluster.register()
    for request in registered.requests.values():
        if request.type.startswith("kubernetes:") and not request.type.endswith(":Release"):
            kind = request.type.rpartition(":")[2]
            metadata = registered.one(kind, request.name)["metadata"]
            found.append((kind, metadata.get("namespace", ""), metadata["name"]))
    assert len(set(found)) == len(found)
    models = {"flight-delay", "digits"}
    own = {name for _, space, name in found if space == "shipway-onprem-models"} - models
    platforms = {name for name in own if not name.startswith(("flight-delay-", "digits-"))}
    assert platforms
    assert [name for name in platforms if not check_model_name(name)] == []
