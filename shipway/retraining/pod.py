"""The job of a model on a cluster: one look, from a pod with a volume, an identity and a token of the repository."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from shipway.contract.errors import Retryable
from shipway.contract.layout import LocalLayout
from shipway.contract.retrainer_settings import RetrainerSettings, read_retrainer_settings
from shipway.delivery.cluster.client import served
from shipway.delivery.cluster.connect import connect
from shipway.retraining.checkout import Checkout
from shipway.retraining.memory import Planned
from shipway.retraining.schedule import needs_slot
from shipway.retraining.stored import StoredModel
from shipway.retraining.waking import Wake

__all__ = ["Pod", "wake"]


@dataclass(frozen=True)
class Pod:
    """What the job finds in its pod.

    Args:
        config: the file of its settings.
        volume: the folder that outlives the pod.
        repository_token: the file with the repository's token.
        api_server: where the API server answers.
        identity: the folder with the ServiceAccount's `token` and the API server's `ca.crt`.
    """

    config: Path
    volume: Path
    repository_token: Path
    api_server: str
    identity: Path


def wake(pod: Pod) -> int:
    """Looks at the model once and returns the exit status: 1 when a run failed, or could not be carried out.

    Raises:
        ShipwayError, OSError: see `Wake.look`.
    """
    settings = read_retrainer_settings(pod.config)
    lock = FileLock(pod.volume / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _say(f"{settings.model}: another job of it is under way on this volume; this one does nothing")
        return 0
    try:
        return 0 if _look(pod, settings) else 1
    finally:
        lock.release()


def _look(pod: Pod, settings: RetrainerSettings) -> bool:
    kubeconfig = _kubeconfig(pod, settings)
    layout = LocalLayout(pod.volume, settings.environment)

    def rolls_out() -> bool:
        # Where the routes cannot be read the run finds out, and says why it failed.
        try:
            found = served(connect(kubeconfig, settings.context), settings.models_namespace).get(settings.model)
        except Retryable as error:
            _say(f"{settings.model}: {error}")
            return False
        return found is not None and needs_slot(found.state)

    def run(project: Path, planned: Planned) -> str:
        if settings.kubeconfig is not None:
            named = project / settings.kubeconfig
            named.parent.mkdir(parents=True, exist_ok=True)
            named.write_bytes(kubeconfig.read_bytes())
        return _run(project, settings, planned, kubeconfig)

    look = Wake(
        settings,
        StoredModel(settings.state, settings.model, settings.rule, _say),
        layout,
        Checkout(pod.volume / "project", settings.repository_url, pod.repository_token),
        run,
        rolls_out,
        _say,
        time.time,
    )
    return look.look()


def _kubeconfig(pod: Pod, settings: RetrainerSettings) -> Path:
    """Writes what leads to the API server as the pod's ServiceAccount, whose token is read from its file each time."""
    name = settings.context
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {
                "name": name,
                "cluster": {"server": pod.api_server, "certificate-authority": str(pod.identity / "ca.crt")},
            }
        ],
        "users": [{"name": name, "user": {"tokenFile": str(pod.identity / "token")}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    path = pod.volume / "kubeconfig"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _run(project: Path, settings: RetrainerSettings, planned: Planned, kubeconfig: Path) -> str:
    """Carries out a run as a process of its own; returns how it ended where it said so itself, and empty otherwise."""
    command = [sys.executable, "-m", "shipway.retraining", "run", "--root", str(project)]
    command += ["--env", settings.environment, "--model", settings.model]
    command += ["--run", planned.run, "--reason", planned.reason]
    last = ""
    with subprocess.Popen(
        command,
        cwd=project,
        env=os.environ | {"KUBECONFIG": str(kubeconfig)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            last = line.strip() or last
            _say(line.rstrip("\n"))
    return f"its run ended with status {process.returncode}: {last}" if process.returncode > 0 else ""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
