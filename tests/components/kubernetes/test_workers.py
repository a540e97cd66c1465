"""Workers on a cluster: one process each, without a way to the API server, told where the logs lie and nothing else."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from shipway.contract.documents import parse
from shipway.contract.kubernetes import ObjectStorageSpec
from shipway.contract.worker_settings import WorkerSettings
from shipway.contract.workers import DESCRIBED, WORKERS, DescribedModel
from tests.components.kubernetes.cluster import Cluster

PREDICTIONS = "s3://shipway/onprem/predictions"
JOBS = list(WORKERS)


def container(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    (found,) = pod["spec"]["containers"]
    return found


def test_each_row_that_can_is_one_process(cluster: Cluster) -> None:
    """Of the rows that take settings each has one replica, which ends before the next begins: two would count twice."""
    registered = cluster.register()
    assert JOBS == ["labels", "drift", "parity", "retraining"]
    for job in JOBS:
        spec = registered.one("Deployment", f"{job}-deployment")["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
        pod, row = spec["template"], WORKERS[job]
        assert container(pod)["resources"] == {
            "requests": {"cpu": f"{row.cpu_millicores}m", "memory": f"{row.memory_mib}Mi"},
            "limits": {"memory": f"{row.memory_mib}Mi"},
        }
        sizes = {one["name"]: one["emptyDir"]["sizeLimit"] for one in pod["spec"]["volumes"] if "emptyDir" in one}
        assert sizes["output"] == f"{row.scratch_mib}Mi"


@pytest.mark.parametrize("job", JOBS)
def test_it_is_told_where_the_logs_lie(cluster: Cluster, job: str) -> None:
    """Its file is what the worker reads; models are not in it, so a new one changes nothing of the platform."""
    registered = cluster.register()
    told = json.loads(registered.one("ConfigMap", f"{job}-config")["data"]["worker.json"])
    settings = parse(WorkerSettings, told, "worker.json")
    assert (settings.environment, settings.tier) == ("onprem", "prod")
    run = container(registered.one("Deployment", f"{job}-deployment")["spec"]["template"])
    assert run["command"] == ["python", "-m", f"shipway.{WORKERS[job].package}", "serve"]
    assert run["args"][:2] == ["--config", "/etc/shipway/worker/worker.json"]
    slot = container(registered.one("Deployment", "digits-blue")["spec"]["template"])["command"]
    assert slot[slot.index("--store") + 1] == f"{settings.predictions}/digits"
    delivery = json.loads(registered.one("ConfigMap", "delivery-config")["data"]["delivery.json"])
    assert settings.records == delivery["records"]


def test_what_labels_are_judged_by_is_mounted_in_the_slot(cluster: Cluster) -> None:
    """model.yaml and how each released version did, from the record that its release left in git."""
    registered = cluster.register()
    data = registered.one("ConfigMap", "digits-declared")["data"]
    described = parse(DescribedModel, json.loads(data[DESCRIBED]), DESCRIBED)
    assert described.spec.name == "digits"
    assert all(metrics for metrics in described.evaluations.values())
    assert described.evaluations
    pod = registered.one("Deployment", "digits-blue")["spec"]["template"]
    command = container(pod)["command"]
    where = command[command.index("--described") + 1]
    mounts = {mount["mountPath"]: mount["name"] for mount in container(pod)["volumeMounts"]}
    assert where == f"/etc/shipway/declared/{DESCRIBED}"
    volume = next(one for one in pod["spec"]["volumes"] if one["name"] == mounts["/etc/shipway/declared"])
    assert volume["configMap"]["name"] == "digits-route"


@pytest.mark.parametrize("job", JOBS)
def test_it_may_ask_the_object_store_and_nobody_else(cluster: Cluster, job: str) -> None:
    """No token, no role; Prometheus may ask it, it may ask the name service and the object store."""
    registered = cluster.register()
    pod = registered.one("Deployment", f"{job}-deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    bound = [one["subjects"] for one in registered.all("RoleBinding").values()]
    assert not [subject for subjects in bound for subject in subjects if subject["name"] in JOBS]
    policy = registered.one("NetworkPolicy", f"{job}-edges")["spec"]
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == [9100]
    egress = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    storage = {
        port["port"]
        for rule in registered.one("NetworkPolicy", "digits-edges")["spec"]["egress"]
        for port in rule["ports"]
    }
    assert egress <= storage


@pytest.mark.parametrize("job", JOBS)
def test_it_is_scraped_as_delivery_asks_for_it(cluster: Cluster, job: str) -> None:
    """Under its job and its environment; a model and a version are its own to say."""
    (endpoint,) = cluster.register().one("ServiceMonitor", f"{job}-monitor")["spec"]["endpoints"]
    fixed = {one["targetLabel"]: one["replacement"] for one in endpoint["relabelings"]}
    assert fixed == {"job": job, "env": "onprem"}
    assert endpoint["metricRelabelings"][-1] == {"action": "labeldrop", "regex": "exported_(job)"}


def test_logs_lie_in_a_folder_or_in_a_bucket_of_their_own() -> None:
    """Below the one folder of everything, unless they have another; what workers keep is never among them."""
    storage = ObjectStorageSpec(url="s3://shipway/onprem", address_range="10.0.0.0/24")
    assert (storage.predictions, storage.state) == (PREDICTIONS, "s3://shipway/onprem/workers")
    own = storage.model_copy(update={"predictions_url": "s3://logs"})
    assert own.predictions == "s3://logs"
