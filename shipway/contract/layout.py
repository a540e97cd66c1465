"""Where a local stack keeps its files: everything below `.shipway/`, sockets in a short private folder."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from shipway.contract.errors import SpecError
from shipway.contract.metrics import Slot

__all__ = ["PROCESS_MARKER", "LocalLayout", "find_root", "services"]

# Environment variable that every process of a local stack carries, so that strays can be found after a crash.
PROCESS_MARKER = "SHIPWAY_STACK"

# Not what TMPDIR says: it differs from shell to shell, and a stack has to be found from all of them.
_SHORT = Path("/tmp")  # noqa: S108 - whoever makes a folder in it makes sure that nobody else may enter


@dataclass(frozen=True)
class LocalLayout:
    """Paths of the local stack `environment` in the project at `root` (absolute)."""

    root: Path
    environment: str

    @property
    def state(self) -> Path:
        return self.root / ".shipway" / self.environment

    @property
    def supervisor(self) -> Path:
        return self.state / "supervisor"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def envoy(self) -> Path:
        return self.state / "envoy"

    @property
    def served_routes(self) -> Path:
        return self.envoy / "dynamic" / "rds.json"

    @property
    def routes(self) -> Path:
        return self.state / "routes"

    @property
    def prometheus(self) -> Path:
        return self.state / "prometheus"

    @property
    def delivery(self) -> Path:
        return self.state / "delivery"

    @property
    def history(self) -> Path:
        """Every look at every rollout: `<model>/<rollout>.jsonl`, one `contract.rollout.Look` a line."""
        return self.delivery / "history"

    @property
    def rollout_targets(self) -> Path:
        """Slots that Prometheus scrapes often while their rollout is judged; delivery writes them."""
        return self.prometheus / "rollout"

    @property
    def alertmanager(self) -> Path:
        return self.state / "alertmanager"

    @property
    def alerts(self) -> Path:
        """Every notification the local receiver got, one JSON object a line."""
        return self.state / "alerts" / "alerts.jsonl"

    @property
    def dashboards(self) -> Path:
        """What Grafana is given: a file for each dashboard."""
        return self.state / "dashboards"

    @property
    def ledger(self) -> Path:
        return self.state / "ledger"

    @property
    def artifacts(self) -> Path:
        return self.state / "artifacts"

    @property
    def images(self) -> Path:
        """Layers and configurations of images, by digest, until they are sent."""
        return self.state / "images"

    @property
    def registry(self) -> Path:
        return self.state / "registry" / "mlflow.db"

    @property
    def features(self) -> Path:
        return self.state / "features"

    @property
    def predictions(self) -> Path:
        return self.state / "predictions"

    @property
    def drift(self) -> Path:
        """What was counted of each model's predictions and labels, and the verdicts: `<model>/verdicts.jsonl`."""
        return self.state / "drift"

    @property
    def labels(self) -> Path:
        """What late labels say: verdicts in `<model>/quality.jsonl`, all of it as of now in `<model>/quality.json`."""
        return self.state / "labels"

    @property
    def parity(self) -> Path:
        """What is compared live: `<model>/waiting.parquet`, and the worst rows in `<model>/worst.jsonl`."""
        return self.state / "parity"

    @property
    def retraining(self) -> Path:
        """What the scheduler of retrainings remembers, and what each run said: a folder for each model."""
        return self.state / "retraining"

    @property
    def loadtests(self) -> Path:
        """Results of load tests, each below it as `contract.loadtest.result_name` says."""
        return self.state / "loadtests"

    @property
    def sockets(self) -> Path:
        """A short private folder: a Unix socket's path ends at 107 bytes, and a checkout may lie deep."""
        name = hashlib.sha256(str(self.state).encode()).hexdigest()[:12]
        return _SHORT / f"shipway-{os.getuid()}-{name}"

    @property
    def supervisor_socket(self) -> Path:
        return self.sockets / "supervisor.sock"

    @property
    def delivery_socket(self) -> Path:
        return self.sockets / "delivery.sock"

    def bundle(self, digest: str) -> Path:
        """Returns where the bundle `digest` lies in the artifact store."""
        return self.artifacts / digest.replace(":", "/")

    def slot(self, model: str, slot: Slot) -> Path:
        """Returns the scratch folder of one slot's process."""
        return self.state / "slots" / f"{model}-{slot}"

    def process(self, model: str, slot: Slot) -> str:
        """Returns the supervisor's name of one slot's process."""
        return f"{model}-{slot}"


def find_root(start: Path) -> Path:
    """Returns the project that holds `start`: the nearest folder upward with a Pulumi.yaml.

    Raises:
        SpecError: when there is none.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / "Pulumi.yaml").exists():
            return folder
    raise SpecError(start, "", "no Pulumi.yaml here or above", "a folder inside a Shipway project")


def services(root: Path) -> list[Path]:
    """Returns the folder of every model service of the project at `root`, sorted."""
    return sorted(path.parent for path in (root / "services").glob("*/model.yaml"))
