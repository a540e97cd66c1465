"""A model's retraining on a cluster."""

import json
import re
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.kubernetes.retraining import cron_schedule
from shipway.contract.documents import parse
from shipway.contract.retrainer_settings import RetrainerSettings
from tests.components.kubernetes.cluster import Cluster, Registered

PLACE: dict[str, Any] = {
    "image": f"registry.example.com/shipway/retraining@sha256:{'7' * 64}",
    "repository_url": "https://git.example.com/models/shipway.git",
    "repository_secret": "repository",
    "registry_secret": "registry-push",
    "signing_secret": "signing",
    "address_ranges": ["10.20.0.0/24"],
}
NAME = "digits-retraining"


@pytest.fixture
def scheduled(cluster: Cluster) -> Cluster:
    """`digits` is retrained once a week; `flight-delay` by verdicts alone."""
    cluster.change(kubernetes__retraining=PLACE)
    rule(cluster, every_seconds=604_800, memory_mib=2048)
    return cluster


def rule(cluster: Cluster, **retraining: Any) -> None:
    path = cluster.project.root / "services" / "digits" / "model.yaml"
    document = yaml.safe_load(path.read_text()) | {"retraining": retraining}
    path.write_text(yaml.safe_dump(document))


def pod(registered: Registered) -> dict[str, Any]:
    return dict(registered.pods())[f"{NAME}-job"]["spec"]


def test_a_model_that_anything_retrains_has_a_job_that_looks_often(scheduled: Cluster) -> None:
    """By its schedule, or by verdicts; never two at once, never tried again by itself, and each at its own minute."""
    registered = scheduled.register()
    jobs = [name for name in registered.all("CronJob") if name.endswith("-retraining-job")]
    assert sorted(jobs) == [f"{NAME}-job", "flight-delay-retraining-job"]
    schedules = {registered.one("CronJob", job)["spec"]["schedule"] for job in jobs}
    assert schedules == {cron_schedule("digits"), cron_schedule("flight-delay")}
    assert len(schedules) == 2
    spec = registered.one("CronJob", f"{NAME}-job")["spec"]
    assert (spec["concurrencyPolicy"], spec["startingDeadlineSeconds"]) == ("Forbid", 600)
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert pod(registered)["restartPolicy"] == "Never"
    assert pod(registered)["containers"][0]["resources"]["limits"] == {"memory": "3072Mi"}


def test_a_model_that_nothing_retrains_has_no_job(scheduled: Cluster) -> None:
    """Neither schedule nor verdict: nothing is made, for it would look for nothing."""
    rule(scheduled, on_drift=False, on_accuracy=False)
    assert [name for name in scheduled.register().all("CronJob") if name.startswith("digits-")] == []


def test_where_no_place_is_named_nothing_is_retrained(cluster: Cluster) -> None:
    """Verdicts are asked for by default, so a cluster without a place is no error; a schedule there is one."""
    assert [name for name in cluster.register().all("CronJob") if name.endswith("-retraining-job")] == []


def test_the_job_runs_our_command(scheduled: Cluster) -> None:
    """Its words are those of the program, and its file is what the program reads: the rule of model.yaml."""
    registered = scheduled.register()
    container = pod(registered)["containers"][0]
    assert container["command"] == ["python", "-m", "shipway.retraining", "wake"]
    given = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert mounts[str(Path(given["--config"]).parent)] == NAME
    assert given["--volume"] in mounts
    told = registered.one("ConfigMap", f"{NAME}-config")["data"][Path(given["--config"]).name]
    settings = parse(RetrainerSettings, json.loads(told), "retraining.json")
    assert (settings.model, settings.rule.every_seconds) == ("digits", 604_800)
    workers = json.loads(registered.one("ConfigMap", "drift-config")["data"]["worker.json"])
    assert settings.state == workers["state"]


def test_its_right_is_to_list_routes(scheduled: Cluster) -> None:
    """In the models' namespace alone, by its own account; it writes nothing in the cluster."""
    registered = scheduled.register()
    rules = registered.one("Role", f"{NAME}-role")["rules"]
    assert [(rule["resources"], rule["verbs"]) for rule in rules] == [(["httproutes"], ["list"])]
    [subject] = registered.one("RoleBinding", f"{NAME}-binding")["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": NAME, "namespace": "shipway-onprem-models"}


def test_it_is_no_slot_of_its_model(scheduled: Cluster) -> None:
    """By no label would a Service, a budget, delivery or the model's own edges take it for one; nobody may ask it."""
    registered = scheduled.register()
    labels = dict(registered.pods())[f"{NAME}-job"]["metadata"]["labels"]
    assert "shipway/model" not in labels
    policy = registered.one("NetworkPolicy", f"{NAME}-edges")["spec"]
    assert policy["podSelector"]["matchLabels"] == {"shipway/retrains": "digits"}
    assert policy["ingress"] == []
    assert "10.20.0.0/24" in json.dumps(policy["egress"])


def test_secrets_are_files_and_only_the_keys_it_needs(scheduled: Cluster) -> None:
    """No variable holds one."""
    found = pod(scheduled.register())
    secrets = {volume["secret"]["secretName"]: volume["secret"] for volume in found["volumes"] if "secret" in volume}
    keys = {name: [item["key"] for item in secret.get("items", [])] for name, secret in secrets.items()}
    assert keys["repository"] == ["token"]
    assert keys["registry-push"] == ["config.json"]
    assert keys["signing"] == ["key"]
    assert all("valueFrom" not in variable for variable in found["containers"][0]["env"])


def test_a_job_that_never_ends_well_is_heard(scheduled: Cluster) -> None:
    """By the age of its last success, as kube-state-metrics knows it; each model's own, told to the model's owner."""
    registered = scheduled.register()
    found = [registered.one("PrometheusRule", f"{name}-rules") for name in (NAME, "flight-delay-retraining")]
    rules = [[rule for group in one["spec"]["groups"] for rule in group["rules"]] for one in found]
    assert [rule["labels"]["part"] for rule in rules[0]] == [NAME, NAME]
    record, alert = rules[0]
    assert f'cronjob="{NAME}"' in record["expr"]
    assert "kube_cronjob_status_last_successful_time" in record["expr"]
    assert alert["labels"]["owner"] == "document-reading"
    # A run of the longest, and two looks that were missed.
    limit = float(re.split(" > ", alert["expr"])[1]) + float(alert["for"].removesuffix("s"))
    assert 7200 + 1200 < limit <= 7200 + 1800
    assert {rule["labels"]["part"] for rule in rules[1]} == {"flight-delay-retraining"}


def test_a_schedule_that_nothing_keeps_is_refused(cluster: Cluster) -> None:
    """Where nowhere is named, and where nobody looks so often; both name the file and the key."""
    rule(cluster, every_seconds=604_800)
    with pytest.raises(pulumi.RunError, match=r"onprem\.yaml: kubernetes\.retraining: got None, expected where"):
        cluster.register()
    cluster.change(kubernetes__retraining=PLACE)
    rule(cluster, every_seconds=599)
    with pytest.raises(
        pulumi.RunError, match=r"model\.yaml: retraining\.every_seconds: got 599.*, expected at least 600"
    ):
        cluster.register()


def test_the_registry_is_known_by_one_of_two(cluster: Cluster) -> None:
    """A Secret, or the pod's own identity by a helper; neither and both are refused."""
    for changes in ({"registry_secret": None}, {"registry_helper": "gcr"}):
        cluster.change(kubernetes__retraining={**PLACE, **changes})
        with pytest.raises(pulumi.RunError, match="registry_secret or registry_helper, one of them, not"):
            cluster.register()


def test_an_image_that_would_never_run_is_not_made(cluster: Cluster) -> None:
    """Where admission wants a signature, the job needs the key."""
    cluster.change(kubernetes__retraining={**PLACE, "signing_secret": None})
    with pytest.raises(pulumi.RunError, match=r"retraining\.signing_secret where admission is on"):
        cluster.register()
