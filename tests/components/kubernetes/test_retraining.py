"""A model's retraining on a cluster."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.kubernetes.retraining import cron_schedule
from tests.components.kubernetes.cluster import Cluster, Registered
from tests.shipway.retraining.test_hooks import options

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
    """`digits` is retrained once a week; `flight-delay` has no schedule."""
    cluster.change(kubernetes__retraining=PLACE)
    every(cluster, 604_800)
    return cluster


def every(cluster: Cluster, seconds: float) -> None:
    path = cluster.project.root / "services" / "digits" / "model.yaml"
    document = yaml.safe_load(path.read_text()) | {"retraining": {"every_seconds": seconds, "memory_mib": 2048}}
    path.write_text(yaml.safe_dump(document))


def pod(registered: Registered) -> dict[str, Any]:
    return dict(registered.pods())[f"{NAME}-job"]["spec"]


def test_a_schedule_is_a_cron_job_and_no_schedule_is_none(scheduled: Cluster) -> None:
    """One CronJob, once a week, never two at once, never tried again by itself."""
    registered = scheduled.register()
    assert [name for name in registered.all("CronJob") if name.endswith("-retraining-job")] == [f"{NAME}-job"]
    spec = registered.one("CronJob", f"{NAME}-job")["spec"]
    assert (spec["schedule"], spec["concurrencyPolicy"]) == (cron_schedule("digits", 604_800), "Forbid")
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert pod(registered)["restartPolicy"] == "Never"
    assert pod(registered)["containers"][0]["resources"]["limits"] == {"memory": "2048Mi"}


def test_the_job_runs_our_command_and_can_only_propose(scheduled: Cluster) -> None:
    """The words are those of `shipway retrain`, and whatever model.yaml says the rule is `propose`."""
    command = pod(scheduled.register())["containers"][0]["command"]
    [line] = [line for line in command[2].splitlines() if line.startswith("shipway ")]
    words = line.replace('"$1"', command[4]).replace('"$2"', command[5]).split()
    understood = options(words)
    assert (understood["model"], understood["env"], understood["release"]) == ("digits", "onprem", "propose")


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


def test_a_start_that_fails_is_heard(scheduled: Cluster) -> None:
    """The alert is on the age of the last success, as kube-state-metrics knows it, and belongs to the model's owner."""
    rules = json.dumps(scheduled.register().one("PrometheusRule", f"{NAME}-rules"))
    assert f'cronjob=\\\\\\"{NAME}\\\\\\"' in rules or NAME in rules
    assert "kube_cronjob_status_last_successful_time" in rules
    assert "document-reading" in rules


def test_a_schedule_that_nothing_keeps_is_refused(cluster: Cluster) -> None:
    """Where nowhere is named, and where cron cannot say it; both name the file and the key."""
    every(cluster, 604_800)
    with pytest.raises(pulumi.RunError, match=r"onprem\.yaml: kubernetes\.retraining: got None, expected where"):
        cluster.register()
    cluster.change(kubernetes__retraining=PLACE)
    every(cluster, 5000)
    with pytest.raises(
        pulumi.RunError, match=r"model\.yaml: retraining\.every_seconds: got 5000.*, expected a week \(604800\)"
    ):
        cluster.register()


def test_an_image_that_would_never_run_is_not_made(cluster: Cluster) -> None:
    """Where admission wants a signature, the job needs the key."""
    cluster.change(kubernetes__retraining={**PLACE, "signing_secret": None})
    with pytest.raises(pulumi.RunError, match=r"retraining\.signing_secret where admission is on"):
        cluster.register()


@pytest.mark.parametrize("outcome", ["proposed", "refused"])
def test_the_script_clones_retrains_and_pushes_what_was_proposed(
    scheduled: Cluster, tmp_path: Path, outcome: str
) -> None:
    """Run by a real shell with real git: the branch arrives in the repository; a refused run pushes none and fails."""
    container = pod(scheduled.register())["containers"][0]
    origin, seed, bin_folder = tmp_path / "origin.git", tmp_path / "seed", tmp_path / "programs"
    git = ("git", "-c", "user.name=ada", "-c", "user.email=ada@example.com")
    subprocess.run([*git, "init", "-q", "--bare", "-b", "main", str(origin)], check=True)
    subprocess.run([*git, "clone", "-q", str(origin), str(seed)], check=True, capture_output=True)
    (seed / "file").write_text("1\n")
    (seed / ".gitignore").write_text("/.shipway\n")
    subprocess.run([*git, "-C", str(seed), "add", "."], check=True)
    subprocess.run([*git, "-C", str(seed), "commit", "-qm", "first"], check=True)
    subprocess.run([*git, "-C", str(seed), "push", "-q", "origin", "HEAD:main"], check=True)
    bin_folder.mkdir()
    # A stand-in of our command: what it does is tested elsewhere.
    stand_in = '#!/bin/sh\ntest -d .shipway || exit 9\ngrep -q tokenFile "$KUBECONFIG" || exit 8\n'
    stand_in += "git branch retrain/digits-onprem-0123\n" if outcome == "proposed" else "exit 1\n"
    (bin_folder / "shipway").write_text(stand_in)
    (bin_folder / "shipway").chmod(0o755)
    (tmp_path / "token").write_text("t")
    (tmp_path / "state").mkdir()
    variables = {variable["name"]: variable["value"] for variable in container["env"]} | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "REPOSITORY_URL": origin.as_uri(),
        "REPOSITORY_TOKEN_FILE": str(tmp_path / "token"),
        "PROJECT": str(tmp_path / "clone"),
        "STATE": str(tmp_path / "state"),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
    }
    done = subprocess.run(container["command"], env=variables, capture_output=True, text=True, check=False)
    branches = subprocess.run(["git", "-C", str(origin), "branch"], capture_output=True, text=True, check=True).stdout
    assert (done.returncode == 0) == (outcome == "proposed"), done.stderr
    assert ("retrain/digits-onprem-0123" in branches) == (outcome == "proposed")
    assert json.loads((tmp_path / "kubeconfig").read_text())["users"][0]["user"] == {
        "tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"
    }
