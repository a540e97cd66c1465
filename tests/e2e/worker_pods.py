"""The workers' pods as real processes: command, arguments, variables and files are those of the rendered Deployment."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from components.local.providers.rpc import wait_until
from tests.components.conftest import REPOSITORY, make_project
from tests.components.kubernetes.cluster import Cluster, Registered
from tests.e2e.slot_process import free_port, value
from tests.standins.object_store import ObjectStore

__all__ = ["HEARTBEAT", "Pod", "RunningPod", "beats", "rendered"]

HEARTBEAT = "shipway_heartbeat_timestamp_seconds"
# A secret's content is of whoever runs the cluster.
_CREDENTIALS = "[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n"


def rendered(folder: Path) -> Registered:
    """Returns what the program registers for the production cluster, without a model."""
    with pytest.MonkeyPatch.context() as patch:
        return Cluster(make_project(folder, patch)).register()


@dataclass(frozen=True)
class RunningPod:
    """A pod's one process.

    Args:
        process: it.
        port: of its metrics.
        errors: the file of what it says.
    """

    process: subprocess.Popen[bytes]
    port: int
    errors: Path

    @property
    def said(self) -> str:
        return self.errors.read_text()

    def value(self, name: str, **labels: str) -> float | None:
        """Returns a sample of its page, None while there is none."""
        try:
            page = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5, trust_env=False).text
        except httpx.TransportError:
            return None
        return value(page, name, **labels)

    def kill(self) -> None:
        """Ends it and all that it started at once, as a lost node does."""
        for one in (*psutil.Process(self.process.pid).children(recursive=True), self.process):
            one.kill()
        self.process.wait(10)

    def terminate(self) -> int:
        """Tells it to end, as a node that is drained does, and returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        # As long as a pod has.
        return self.process.wait(30)


class Pod:
    """What a Deployment runs, on a disk of its own.

    Args:
        registered: what the program registered.
        job: the worker's.
        home: a folder for its volumes: each mount of the container is a folder below it.
    """

    def __init__(self, registered: Registered, job: str, home: Path) -> None:
        template = registered.one("Deployment", f"{job}-deployment")["spec"]["template"]["spec"]
        (self._container,) = template["containers"]
        self._home = home
        volumes = {one["name"]: one for one in template["volumes"]}
        self._folders = dict[str, str]()
        for mount in self._container["volumeMounts"]:
            folder = home / mount["mountPath"].lstrip("/")
            folder.mkdir(parents=True)
            self._folders[mount["mountPath"]] = str(folder)
            for name, text in _content(registered, job, volumes[mount["name"]]).items():
                (folder / name).write_text(text)

    def command(self, port: int) -> Sequence[str]:
        """Returns the command line, with its metrics on `port`."""
        (exposed,) = (str(int(one["containerPort"])) for one in self._container["ports"])
        words = [*self._container["command"], *self._container["args"]]
        return [str(port) if word == exposed else self._here(word) for word in words]

    def variables(self, store: ObjectStore) -> Mapping[str, str]:
        """Returns the variables: the image's, and those of the container, with `store` for the object storage."""
        image = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
        }
        given = {one["name"]: self._here(one["value"]) for one in self._container["env"]}
        assert given.keys() >= {"AWS_ENDPOINT_URL", "AWS_SHARED_CREDENTIALS_FILE"}
        return {**image, **given, "AWS_ENDPOINT_URL": store.url}

    @contextmanager
    def running(self, store: ObjectStore) -> Iterator[RunningPod]:
        """Runs it; it ends with the block."""
        port, errors = free_port(), self._home / "stderr"
        with errors.open("wb") as stream:
            process = subprocess.Popen(self.command(port), env=dict(self.variables(store)), cwd="/", stderr=stream)
            pod = RunningPod(process, port, errors)
            try:
                yield pod
            finally:
                if process.poll() is None:
                    pod.kill()

    def _here(self, text: str) -> str:
        """Returns a path of the container as it is here; other words stay as they are."""
        mounted = [path for path in self._folders if text == path or text.startswith(f"{path}/")]
        # The longest one counts, as for the kernel.
        path = max(mounted, key=len, default="")
        return self._folders[path] + text.removeprefix(path) if path else text


def _content(registered: Registered, job: str, volume: Mapping[str, Any]) -> Mapping[str, str]:
    """Returns name -> text of a volume's files."""
    if "configMap" in volume:
        assert volume["configMap"]["name"] == job
        found: Mapping[str, str] = registered.one("ConfigMap", f"{job}-config")["data"]
        return found
    return {"credentials": _CREDENTIALS} if "secret" in volume else {}


def beats(pod: RunningPod, job: str, timeout_seconds: float) -> bool:
    """Returns whether its heartbeat is there and goes on."""
    first = list[float]()

    def seen() -> bool:
        if (moment := pod.value(HEARTBEAT, job=job)) is not None:
            first.append(moment)
        return bool(first) and first[-1] > first[0]

    return wait_until(seen, timeout_seconds)
