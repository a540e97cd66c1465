"""What is refused before the first resource on a cluster: one clear error each, naming file, key, value and remedy."""

from pathlib import Path
from typing import Any

import pytest

from components.preflight import preflight
from components.services import load_services
from shipway.contract.environment import load_environment
from shipway.contract.errors import SpecError
from tests.components.kubernetes.cluster import FIRST, SECOND, STACK, Cluster


def _check(cluster: Cluster) -> list[str]:
    root = cluster.project.root
    environment = load_environment(root, STACK)
    return preflight(root, environment, load_services(root, STACK), dry_run=False)


def _refused(cluster: Cluster) -> SpecError:
    with pytest.raises(SpecError) as refused:
        _check(cluster)
    return refused.value


def test_the_example_is_fine(cluster: Cluster) -> None:
    """Nothing to refuse and nothing to warn of."""
    assert _check(cluster) == []


def test_an_unknown_gpu_type_of_a_pool(cluster: Cluster) -> None:
    """The known ones are listed."""
    cluster.change(gpu_pools=[{"name": "inference", "gpu_type": "l5", "max_nodes": 1}])
    error = _refused(cluster)
    assert (error.key, error.got) == ("gpu_pools.0.gpu_type", "l5")
    assert error.expected == "one of t4, l4, a10, l40s, a100, h100"


def test_a_gpu_type_that_no_pool_has(cluster: Cluster) -> None:
    """A model asks for a type; the environment's pools are what there is."""
    cluster.resources("flight_delay", gpu_type="h100", gpus=1)
    error = _refused(cluster)
    assert error.path.endswith("services/flight_delay/model.yaml")
    assert (error.key, error.got) == ("resources.gpu_type", "h100")
    assert error.expected.endswith("Pulumi.onprem.yaml has: l4")


def test_more_gpus_than_a_node_has(cluster: Cluster) -> None:
    """A pod cannot span nodes, however many nodes there are."""
    cluster.resources("flight_delay", gpu_type="l4", gpus=2)
    error = _refused(cluster)
    assert (error.key, error.got) == ("resources.gpus", 2)
    assert error.expected == "at most 1: that many l4 are in one node"


def test_more_gpus_than_the_pools_have(cluster: Cluster) -> None:
    """What all models serve with is counted."""
    cluster.resources("digits", gpu_type="l4", gpus=1, min_replicas=3)
    cluster.resources("flight_delay", gpu_type="l4", gpus=1, min_replicas=2, max_replicas=2)
    error = _refused(cluster)
    assert error.path.endswith("services/flight_delay/model.yaml")
    assert error.expected.startswith("flight-delay to fit the pools: 2 replicas need 2, 1 of 4 l4 are free (")


def test_a_model_that_nothing_can_scale(cluster: Cluster) -> None:
    """Only KEDA scales on requests."""
    cluster.resources("digits", requests_per_second=40)
    error = _refused(cluster)
    assert (error.key, error.got) == ("resources.requests_per_second", 40)
    assert error.expected.startswith("nothing, or kubernetes.keda_installed in ")


def test_a_release_that_would_take_the_model_down(cluster: Cluster) -> None:
    """A pool that holds one version of the model and no second one is refused, until its model.yaml allows that."""
    cluster.resources("flight_delay", gpu_type="l4", gpus=1, min_replicas=4)
    error = _refused(cluster)
    assert (error.key, error.got) == ("rollout.drain_and_swap", "refused")
    path = cluster.project.root / "services" / "flight_delay" / "model.yaml"
    path.write_text(path.read_text() + "rollout: {drain_and_swap: allowed}\n")
    assert _check(cluster) == []


def test_the_last_gpu_may_be_used(cluster: Cluster) -> None:
    """A model that fills the pool fits."""
    cluster.resources("flight_delay", gpu_type="l4", gpus=1, min_replicas=2, max_replicas=2)
    assert _check(cluster) == []


def test_no_kubeconfig(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where it was looked for is said."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    error = _refused(cluster)
    assert (error.key, error.got) == ("kubernetes.kubeconfig", None)
    assert error.expected == f"a kubeconfig: there is none at {tmp_path / 'missing'}"


def test_no_kubeconfig_at_its_usual_place(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without KUBECONFIG it is the one in the home folder."""
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert _refused(cluster).expected.endswith(f"at {tmp_path / 'home' / '.kube' / 'config'}")


def test_a_kubeconfig_of_the_project(cluster: Cluster) -> None:
    """A relative path is one in the project."""
    cluster.change(kubernetes__kubeconfig="clusters/onprem.yaml", kubernetes__context=None)
    error = _refused(cluster)
    assert error.got == "clusters/onprem.yaml"
    assert str(cluster.project.root / "clusters" / "onprem.yaml") in error.expected


def test_an_unknown_context(cluster: Cluster) -> None:
    """The kubeconfig's own are listed."""
    cluster.change(kubernetes__context="onperm")
    error = _refused(cluster)
    assert (error.key, error.got) == ("kubernetes.context", "onperm")
    assert error.expected.startswith("one of the kubeconfig's contexts: onprem")


def test_a_tag_instead_of_a_digest(cluster: Cluster) -> None:
    """A release is a digest, on every target."""
    cluster.project.release(cluster.project.root / "services" / "digits", STACK, green="digits:latest")
    error = _refused(cluster)
    assert error.path.endswith("releases/onprem.yaml")
    assert (error.key, error.got) == ("green", "digits:latest")


def test_alerts_that_nobody_hears(cluster: Cluster) -> None:
    """An Alertmanager of the platform's own needs somebody to tell."""
    cluster.change(alerts={"webhook_urls": []})
    assert _refused(cluster).key == "alerts.webhook_urls"


@pytest.mark.parametrize(
    ("tags", "key", "got"),
    [
        ({}, "tags", {}),
        ({"cost-center": "ml platform"}, "tags.cost-center", "ml platform"),
        ({"cost-center": "a", "Team/Name": "b"}, "tags", "Team/Name"),
    ],
)
def test_a_tag_that_cannot_be_a_label(cluster: Cluster, tags: dict[str, str], key: str, got: Any) -> None:
    """Key or value is named; nobody to pay is refused too."""
    cluster.change(tags=tags)
    error = _refused(cluster)
    assert (error.key, error.got) == (key, got)


def test_an_owner_that_cannot_be_a_label(cluster: Cluster) -> None:
    """Locally any text will do; a cluster's labels are narrower."""
    path = cluster.project.root / "services" / "digits" / "model.yaml"
    path.write_text(path.read_text().replace("team: document-reading", "team: Document reading"))
    error = _refused(cluster)
    assert (error.key, error.got) == ("owner.team", "Document reading")


def test_a_release_without_an_image(cluster: Cluster) -> None:
    """A bundle's digest is no image's: the file, the bundle and the command that makes its image are named."""
    path = cluster.project.root / "services" / "digits" / "releases" / f"{STACK}.yaml"
    path.write_text(f"blue: {SECOND}\nimages: {{{FIRST}: {FIRST}}}\n")
    error = _refused(cluster)
    assert (error.path, error.key, error.got) == (str(path), f"images.{SECOND}", None)
    assert f"`shipway build digits {SECOND} --env {STACK} --push`" in error.expected
