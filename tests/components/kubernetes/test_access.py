"""What kubectl tells before anything is changed."""

import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from components.kubernetes.access import ask
from components.preflight import preflight
from components.services import load_services
from shipway.contract.environment import load_environment
from shipway.contract.errors import ShipwayError, SpecError
from tests.components.kubernetes.cluster import FIRST, SECOND, STACK, Cluster


def _kubectl(script: str) -> None:
    """Replaces the stand-in for kubectl."""
    Path(shutil.which("kubectl") or "").write_text(f"#!/bin/sh\n{script}\n")
    ask.cache_clear()


def _routes(*items: dict[str, Any]) -> str:
    return f"cat <<'END'\n{json.dumps({'items': list(items)})}\nEND"


def _route(model: str, **state: object) -> dict[str, Any]:
    annotations = {"shipway/rollout-state": json.dumps(state)} if state else {}
    return {"metadata": {"name": model, "annotations": annotations}}


def _check(cluster: Cluster, *, dry_run: bool = False) -> list[str]:
    root = cluster.project.root
    return preflight(root, load_environment(root, STACK), load_services(root, STACK), dry_run=dry_run)


def test_the_live_slot_keeps_its_digest(cluster: Cluster) -> None:
    """The state that delivery wrote on the route says what is live."""
    _kubectl(_routes(_route("flight-delay", live="blue", live_digest=SECOND), _route("digits")))
    with pytest.raises(ShipwayError, match="flight-delay: slot blue is live with bbbbbbbbbbbb, expected it unchanged"):
        _check(cluster)
    _kubectl(_routes(_route("flight-delay", live="blue", live_digest=FIRST), _route("digits")))
    assert _check(cluster) == []


def test_the_cluster_that_is_asked_is_the_environments(cluster: Cluster, tmp_path: Path) -> None:
    """Never whatever context is current."""
    _kubectl(f'echo "$@" >> {tmp_path / "asked"}; {_routes()}')
    _check(cluster)
    asked = [line.split() for line in (tmp_path / "asked").read_text().splitlines()]
    assert [words[1] for words in asked] == ["customresourcedefinitions", "httproutes"]
    assert {words[words.index("--context") + 1] for words in asked} == {"onprem"}
    assert asked[1][asked[1].index("--namespace") + 1] == "shipway-onprem-models"


def test_a_program_asks_once(cluster: Cluster, tmp_path: Path) -> None:
    """Preflight and the inputs of both models are one answer, and a cluster that is slow is waited for once."""
    _kubectl(f'echo "$2" >> {tmp_path / "asked"}; {_routes()}')
    cluster.register()
    assert (tmp_path / "asked").read_text().split() == ["customresourcedefinitions", "httproutes"]


def test_a_cluster_without_routes_serves_nothing(cluster: Cluster) -> None:
    """The first `up` brings the kind of object that is asked for."""
    no_routes = 'echo "error: the server doesn\'t have a resource type \\"httproutes\\"" >&2; exit 1'
    _kubectl(f"case $2 in httproutes) {no_routes};; esac")
    assert _check(cluster) == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Unable to connect to the server: dial tcp 192.0.2.1:6443: i/o timeout", "a cluster that answers"),
        ("error: You must be logged in to the server (Unauthorized)", "a credential that the cluster takes"),
        (
            "Unable to connect to the server: getting credentials: exec: exit status 255",
            "a credential that the cluster",
        ),
        ("Error from server (Forbidden): nodes is forbidden", "a credential that may read what is there"),
    ],
)
def test_a_cluster_that_cannot_be_asked(cluster: Cluster, said: str, expected: str) -> None:
    """A preview says that it cannot tell; `up` does not start. An old credential is not taken for a dead cluster."""
    _kubectl(f"echo '{said}' >&2; exit 1")
    (warning,) = _check(cluster, dry_run=True)
    assert warning.startswith("whether the cluster is fit is not decidable, and `up` will refuse: ")
    with pytest.raises(
        SpecError, match=rf"kubernetes.context: got 'onprem', expected {expected}.* \({re.escape(said)}"
    ):
        _check(cluster)


@pytest.mark.parametrize(("answer", "said"), [("nonsense", "JSONDecodeError"), ("{}", "KeyError")])
def test_routes_that_cannot_be_read(cluster: Cluster, answer: str, said: str) -> None:
    """What is live is then unknown, and not nothing."""
    _kubectl(f"echo '{answer}'")
    (warning,) = _check(cluster, dry_run=True)
    assert warning.startswith("whether a live slot would change is not decidable")
    with pytest.raises(SpecError, match=f"expected a cluster whose routes kubectl can read .*{said}"):
        _check(cluster)


GATEWAY = {"class_name": "envoy", "namespace": "gateways"}


def _cluster_with(kinds: Sequence[str] = (), classes: Sequence[str] = (), nodes: Sequence[object] = ()) -> None:
    listed = "\n".join(f"customresourcedefinition.apiextensions.k8s.io/{kind}" for kind in kinds)
    named = "\n".join(f"gatewayclass.gateway.networking.k8s.io/{name}" for name in classes)
    found = json.dumps({"items": [*nodes]})
    _kubectl(f"""case $2 in
    customresourcedefinitions) echo '{listed}';;
    gatewayclasses) echo '{named}';;
    nodes) echo '{found}';;
    *) echo '{{"items": []}}';;
    esac""")


def _refused(cluster: Cluster) -> tuple[str, Any, str]:
    """Returns key, value and what was expected instead; a preview refuses it as `up` does."""
    with pytest.raises(SpecError) as at_preview:
        _check(cluster, dry_run=True)
    with pytest.raises(SpecError) as at_up:
        _check(cluster)
    assert str(at_preview.value) == str(at_up.value)
    return at_up.value.key, at_up.value.got, at_up.value.expected


def test_an_operator_that_is_said_to_be_there_and_is_not(cluster: Cluster) -> None:
    """Its first object would fail in the middle of a deployment."""
    cluster.change(kubernetes__gateway__installed=GATEWAY)
    known = ["gatewayclasses.gateway.networking.k8s.io", "gateways.gateway.networking.k8s.io"]
    _cluster_with(kinds=known)
    lacks = "a cluster that knows httproutes.gateway.networking.k8s.io"
    assert _refused(cluster) == ("kubernetes.gateway.installed", "installed", lacks)


def test_a_cluster_without_the_gateway_class(cluster: Cluster) -> None:
    """Those there are get listed."""
    cluster.change(kubernetes__gateway__installed=GATEWAY)
    known = [f"{name}.gateway.networking.k8s.io" for name in ("gatewayclasses", "gateways", "httproutes")]
    for classes, said in (([], "it has none"), (["cilium", "istio"], "cilium, istio")):
        _cluster_with(kinds=known, classes=classes)
        key = "kubernetes.gateway.installed.class_name"
        assert _refused(cluster) == (key, "envoy", f"one of its classes: {said}")
    _cluster_with(kinds=known, classes=["envoy"])
    assert _check(cluster) == []


def test_a_pool_without_nodes(cluster: Cluster) -> None:
    """Where the operator labels nodes already, the least number of each pool must be there."""
    cluster.change(kubernetes__gpu_operator_installed=True)
    taints = [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]
    fit = {"metadata": {"name": "gpu-1"}, "spec": {"taints": taints}}
    _cluster_with(nodes=[fit])
    expected = "as many nodes labelled nvidia.com/gpu.product=NVIDIA-L4, there are 1"
    assert _refused(cluster) == ("gpu_pools.0.min_nodes", 2, expected)
    _cluster_with(nodes=[fit, fit])
    assert _check(cluster) == []


def test_a_pool_that_anybody_may_use(cluster: Cluster) -> None:
    """Without the taint pods that need no GPU would fill its nodes."""
    cluster.change(kubernetes__gpu_operator_installed=True)
    _cluster_with(nodes=[{"metadata": {"name": f"gpu-{number}"}, "spec": {}} for number in range(2)])
    expected = "nodes tainted nvidia.com/gpu=present:NoSchedule, gpu-0 is not"
    assert _refused(cluster) == ("gpu_pools.0.gpu_type", "l4", expected)


def test_no_kubectl(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its absence is said as what it is."""
    Path(shutil.which("kubectl") or "").unlink()
    monkeypatch.setenv("PATH", str(cluster.project.root) + os.pathsep)
    with pytest.raises(SpecError, match="No such file or directory: 'kubectl'"):
        _check(cluster)
