"""What kubectl tells before anything is changed."""

import json
import os
import shutil
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
    _kubectl(f'echo "$@" > {tmp_path / "asked"}; {_routes()}')
    _check(cluster)
    asked = (tmp_path / "asked").read_text().split()
    assert asked[asked.index("--context") + 1] == "onprem"
    assert asked[asked.index("--namespace") + 1] == "shipway-onprem-models"


def test_a_program_asks_once(cluster: Cluster, tmp_path: Path) -> None:
    """Preflight and the inputs of both models are one answer, and a cluster that is slow is waited for once."""
    _kubectl(f"echo asked >> {tmp_path / 'asked'}; {_routes()}")
    cluster.register()
    assert (tmp_path / "asked").read_text() == "asked\n"


def test_a_cluster_without_routes_serves_nothing(cluster: Cluster) -> None:
    """The first `up` brings the kind of object that is asked for."""
    _kubectl('echo "error: the server doesn\'t have a resource type \\"httproutes\\"" >&2; exit 1')
    assert _check(cluster) == []


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Unable to connect to the server' >&2; exit 1", r"\(Unable to connect to the server\)"),
        ("echo nonsense", "JSONDecodeError"),
        ("echo '{}'", "KeyError"),
    ],
)
def test_a_cluster_that_cannot_be_read(cluster: Cluster, script: str, said: str) -> None:
    """A preview says that it cannot tell; `up` does not start."""
    _kubectl(script)
    (warning,) = _check(cluster, dry_run=True)
    assert warning.startswith("whether a live slot would change is not decidable")
    with pytest.raises(SpecError, match=f"expected a cluster whose routes kubectl can read .*{said}"):
        _check(cluster)


def test_no_kubectl(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its absence is said as what it is."""
    Path(shutil.which("kubectl") or "").unlink()
    monkeypatch.setenv("PATH", str(cluster.project.root) + os.pathsep)
    with pytest.raises(SpecError, match="No such file or directory: 'kubectl'"):
        _check(cluster)
