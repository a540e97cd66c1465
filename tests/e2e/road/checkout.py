"""A copy of this checkout with a platform of its own, driven as a person drives one: by make, shipway and pulumi."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from components.local.providers.rpc import SupervisorClient
from shipway.contract.layout import PROCESS_MARKER, LocalLayout
from tests.e2e.machine import free_base, listening
from tools.copies import copy_checkout
from tools.programs import CACHE_VARIABLE, cache_folder

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = "local"
ACTOR = "road-test"

# Longer than any one command takes on a busy machine.
COMMAND_SECONDS = 400

# What a shell has that sourced another checkout's .shipway/env, or that runs below another make or pytest.
_FOREIGN = ("ENV", "GNUMAKEFLAGS", "MAKE", "MFLAGS", "ONLY", "PULUMI_", "PYTEST_", "PYTHON", "SHIPWAY_", "VIRTUAL_ENV")

# What Pulumi and delivery write; logs and pid files are not among it.
_RENDERED = (".conf", ".json", ".yaml", ".yml")


@dataclass(frozen=True)
class Done:
    """A command that ended as it was expected to."""

    stdout: str
    stderr: str

    @property
    def result(self) -> Any:
        """The last line of standard output, which is JSON."""
        return json.loads(self.stdout.strip().splitlines()[-1])


class Checkout:
    """The project at `root`, its gateway on port `base`, used by a person whose home and temporary files are `person`.

    Its tools come from the cache, its Python environment is its own.
    """

    def __init__(self, root: Path, base: int, person: Path) -> None:
        self.root, self.base = root, base
        self.home, self.temporary = person / "home", person / "tmp"
        self.layout = LocalLayout(root, ENVIRONMENT)
        # The interpreter behind this one: an environment made from an environment would depend on it.
        self.python = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"

    @property
    def variables(self) -> dict[str, str]:
        """Those of a person's shell that has sourced nothing."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        path = [entry for entry in os.environ["PATH"].split(os.pathsep) if not entry.startswith(str(ROOT))]
        return kept | {
            "PATH": os.pathsep.join(path),
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            CACHE_VARIABLE: str(cache_folder(os.environ)),
            "SHIPWAY_ACTOR": ACTOR,
        }

    def set_up(self) -> None:
        """Runs `make setup`, with the person's own settings of package indexes and no Pulumi account."""
        real = {name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ}
        self.run("make", "setup", f"PYTHON={self.python}", env=real | {"PULUMI_HOME": str(self.home)})

    def make(self, *words: str) -> Done:
        """Runs one of the project's verbs."""
        return self.run("make", "-s", *words, f"PYTHON={self.python}")

    def shell(self, *words: str, code: int | None = 0) -> Done:
        """Runs a command in a shell that sourced .shipway/env."""
        return self.run("sh", "-c", '. .shipway/env && exec "$@"', "sh", *words, code=code)

    def pulumi(self, *words: str, code: int | None = 0) -> Done:
        """Runs a command of the engine on the stack."""
        options = ("--yes", "--skip-preview") if words[0] in ("up", "refresh") and "--preview-only" not in words else ()
        return self.shell("pulumi", *words, "-s", ENVIRONMENT, "--non-interactive", *options, code=code)

    def run(self, *words: str, code: int | None = 0, env: dict[str, str] | None = None) -> Done:
        """Runs a command in the project and expects its exit status, None for any but 0."""
        process = subprocess.Popen(
            words,
            cwd=self.root,
            env=self.variables | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            stdout, stderr = process.communicate(timeout=COMMAND_SECONDS)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        said = f"{' '.join(words)}\n{stdout}\n{stderr}"
        expected = process.returncode != 0 if code is None else process.returncode == code
        assert expected, f"exit status {process.returncode}: {said}"
        assert "Traceback" not in stdout + stderr, said
        return Done(stdout, stderr)

    def preview(self) -> dict[str, str]:
        """Returns resource -> operation of all that `pulumi up` would do."""
        return operations(self.pulumi("preview", "--json").stdout)

    def status(self, model: str) -> dict[str, Any]:
        """Returns what `shipway status` says of one model."""
        return dict(self.shell("shipway", "status", model, "--json").result["models"][0])

    def train(self, model: str, *settings: str) -> str:
        """Trains a version and returns its digest."""
        return str(self.shell("shipway", "train", model, *settings, "--json").result["digest"])

    def service(self, model: str) -> Path:
        """Returns the folder of a model's service."""
        return self.root / "services" / model.replace("-", "_")

    def request(self, model: str) -> bytes:
        """Returns the example request of a model."""
        return (self.service(model) / "tests" / "request.json").read_bytes()

    def ask(self, model: str) -> httpx.Response | None:
        """Returns the gateway's answer to a model's example request, None when nobody listens."""
        url = f"http://127.0.0.1:{self.base}/{model}/predict"
        try:
            return httpx.post(
                url, content=self.request(model), headers={"content-type": "application/json"}, trust_env=False
            )
        except httpx.TransportError:
            return None

    def answers(self, model: str) -> bool:
        """Returns whether a model's example request gets a prediction."""
        answer = self.ask(model)
        return answer is not None and answer.status_code == 200

    def pids(self) -> dict[str, int]:
        """Returns process -> its id, for all that supervisord runs."""
        client = SupervisorClient(self.layout.supervisor_socket)
        names = [path.stem for path in (self.layout.supervisor / "conf.d").glob("*.conf")]
        return {name: int((client.info(name) or {"pid": 0})["pid"]) for name in names}

    def world(self) -> dict[str, object]:
        """Returns what a refused deployment must leave alone: processes, routes and rendered files."""
        folders = (self.layout.routes, self.layout.envoy, self.layout.prometheus / "rules", self.layout.supervisor)
        files = [path for folder in folders for path in folder.rglob("*") if path.suffix in _RENDERED]
        return {"pids": self.pids(), **{str(path): _content(path) for path in files}}

    def files(self) -> set[str]:
        """Returns every file of the project outside .shipway."""
        found = {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}
        return {name for name in found if not name.startswith(".shipway/")}

    def left_over(self) -> list[str]:
        """Returns every process and open port of the stack, and every file the person did not have before."""
        folders = (self.home, self.temporary, self.layout.sockets)
        found = [str(path) for folder in folders for path in folder.rglob("*")]
        for process in psutil.process_iter():
            try:
                words, variables = process.cmdline(), process.environ()
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
            ours = variables.get(PROCESS_MARKER) == str(self.layout.state) or variables.get("HOME") == str(self.home)
            if ours or any(str(self.root) in word for word in words):
                found.append(" ".join(words))
        return found + listening(self.base)


def _content(path: Path) -> bytes:
    """Returns what a file says; of a route that is guarded, all but what delivery has counted so far."""
    if path.name != "rds.json":
        return path.read_bytes()
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["version_info"]
    for route in document["resources"][0]["virtual_hosts"][0]["routes"]:
        carried = route.get("metadata", {}).get("filter_metadata", {}).get("shipway")
        if carried is not None:
            carried["state"] = json.loads(carried["state"]) | {"progress": None}
    return json.dumps(document, sort_keys=True).encode()


def operations(preview: str) -> dict[str, str]:
    """Returns resource -> operation of a preview's JSON."""
    return {step["urn"].rpartition("::")[2]: step["op"] for step in json.loads(preview)["steps"]}


@contextmanager
def own_checkout() -> Iterator[Checkout]:
    """Yields a copy of what git would commit now, set up, and takes its platform down and it away afterwards."""
    cache = ROOT / ".shipway" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    # Beside the packages, so that they are linked and not copied; sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="road-", dir=cache) as folder, tempfile.TemporaryDirectory() as person:
        made = Checkout(Path(folder), free_base(), Path(person))
        made.home.mkdir()
        made.temporary.mkdir()
        copy_checkout(ROOT, made.root, made.base)
        made.set_up()
        try:
            yield made
        finally:
            made.make("down")
