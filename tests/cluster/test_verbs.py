"""The command line on a cluster: the verbs of a laptop, through a real API server, Prometheus and delivery process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipway.cli.main import main
from shipway.contract.metrics import Slot
from shipway.contract.route import Phase
from tests.cluster.control_plane import ControlPlane
from tests.cluster.rollout import Rollout
from tests.components.conftest import Project, project
from tests.components.kubernetes.cluster import FIRST, SECOND, STACK
from tests.shipway.conftest import store
from tests.shipway.delivery.stack import wait_until
from tests.standins.object_store import ObjectStore

__all__ = ["project", "store"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

ENVIRONMENT = "verbs"


@pytest.fixture
def rollout(
    tmp_path: Path, plane: ControlPlane, project: Project, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rollout]:
    """An environment with a version that takes all traffic; the command runs inside its project."""
    folder = tmp_path / "delivery"
    folder.mkdir()
    made = Rollout(ENVIRONMENT, folder, plane, store)
    made.declare(project)
    made.serve()
    try:
        made.start_copy()
        told = {"delivery.json": (folder / "delivery.json").read_text()}
        plane.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "delivery", "namespace": made.platform},
                "data": told,
            }
        )
        stacks = project.root / "stacks"
        document = yaml.safe_load((stacks / f"Pulumi.{STACK}.yaml").read_text())
        environment = document["config"]["shipway:environment"]
        environment["name"] = ENVIRONMENT
        environment["kubernetes"] |= {"kubeconfig": str(plane.kubeconfig), "context": None}
        environment["kubernetes"]["object_storage"].pop("endpoint_url")
        (stacks / f"Pulumi.{ENVIRONMENT}.yaml").write_text(yaml.safe_dump(document))
        releases = project.root / "services" / "digits" / "releases"
        (releases / f"{ENVIRONMENT}.yaml").write_text((releases / f"{STACK}.yaml").read_text())
        monkeypatch.chdir(project.root)
        monkeypatch.setenv("SHIPWAY_ACTOR", "ada")
        made.first_live()
        yield made
    finally:
        made.end()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `shipway` on the environment and returns what it printed."""

    def command(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr("sys.argv", ["shipway", *arguments, "--env", ENVIRONMENT])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert int(ended.value.code or 0) == code, said.err + said.out
        return said.out if code == 0 else said.err

    return command


def test_the_verbs_are_the_same_as_on_a_laptop(rollout: Rollout, run: Any) -> None:
    """Look, plan, promote, roll back, explain and verify; the ledger names the person, the route is what they see."""
    assert "digits" in run("status")
    assert run("status", "digits").splitlines()[-2] == "all 1 slots run"
    assert run("plan", "digits", "--requests-per-second", "100", "--error-ratio", "0").endswith("can be met\n")
    # What is released and not applied yet would not be what is promoted.
    assert "is released into green, which still holds nothing" in run("promote", "digits", code=1)
    rollout.release()
    rollout.wait(lambda state: state.phase is Phase.STEPPING, "the candidate takes its first share")
    (shown,) = json.loads(run("status", "digits", "--json"))["models"]
    assert (shown["live"], shown["candidate"], shown["slots"]["green"]["digest"]) == ("blue", "green", SECOND)
    promoted = json.loads(run("promote", "digits", "--reason", "looked at it", "--json"))
    assert (promoted["action"], promoted["live"], promoted["confirmed"]) == ("override", "green", True)
    assert rollout.state.live is Slot.GREEN
    wait_until(lambda: ("ada", "override") in rollout.actions(), "the process has entered it")
    assert "looked at it" in run("explain", "digits")
    assert json.loads(run("rollback", "digits", "--reason", "errors since noon", "--json"))["live"] == "blue"
    wait_until(lambda: rollout.gateway.weights == {"digits-blue": 100}, "the gateway serves it")
    wait_until(lambda: ("ada", "rolled_back") in rollout.actions(), "the process has entered it")
    assert "errors since noon" in run("ledger", "digits")
    assert json.loads(run("ledger", "verify", "--json"))["damage"] == []
    assert FIRST[7:19] in run("status", "digits", "--at", "2100-01-01")
