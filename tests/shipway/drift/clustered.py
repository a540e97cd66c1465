"""The toy of drift on a cluster: what its slot and delivery put into an object store."""

import json
from collections.abc import Callable
from pathlib import Path

from shipway.contract.drift import WindowName
from shipway.contract.environment import Tier
from shipway.contract.ledger import entry_name
from shipway.contract.worker_settings import WorkerSettings
from shipway.contract.workers import DESCRIBED, DescribedModel, described_bundle
from shipway.drift.process import stored
from shipway.drift.rounds import Rounds
from tests.shipway.drift.test_detector import CALIBRATION, spec_of
from tests.shipway.drift.toy import NAME, Toy
from tests.standins.object_store import ObjectStore

__all__ = ["COUNTS", "SETTINGS", "VERDICTS", "Clustered"]

SETTINGS = WorkerSettings(
    environment="dev",
    tier=Tier.NONPROD,
    predictions="s3://bucket/logs",
    records="s3://bucket/records",
    features="s3://bucket/features",
    state="s3://bucket/workers",
)
COUNTS, VERDICTS = f"workers/drift/{NAME}/counts.sqlite.gz", f"workers/drift/{NAME}/verdicts.jsonl"


class Clustered:
    """A toy whose files lie in `store`, and what is said of them at `seconds` since the epoch."""

    def __init__(self, toy: Toy, store: ObjectStore, seconds: float) -> None:
        self.toy, self.store, self.seconds, self.said = toy, store, seconds, list[str]()
        store.page = 1000
        spec = spec_of(toy, windows=(WindowName.DAY,)).model_copy(update={"segments": ()})
        self.put(DESCRIBED, DescribedModel(spec=spec).model_dump_json().encode())
        bundle = toy.layout.bundle(toy.digest)
        self.put(described_bundle(toy.version, "manifest.json"), (bundle / "manifest.json").read_bytes())
        self.put(described_bundle(toy.version, "reference.json"), (bundle / "files" / "reference.json").read_bytes())

    def put(self, name: str, content: bytes) -> None:
        """Puts an object beside the logs."""
        self.store.objects[f"logs/{NAME}/{name}"] = content

    def ship(self) -> None:
        """Sends the logs there."""
        for path in self.toy.logs.rglob("*.parquet"):
            self.put(str(path.relative_to(self.toy.logs)), path.read_bytes())

    def enter(self, number: int, live: str, generation: int | None = 1) -> None:
        """Enters into the ledger what is live."""
        entry = {
            "number": number,
            "previous": "0" * 64,
            "time": "2013-05-06T00:00:00+00:00",
            "actor": "ada",
            "action": "promoted",
            "model": NAME,
            "digests": {"live": live} if live else {},
            "reason": "",
            "generation": generation,
        }
        self.store.objects[f"records/ledger/{entry_name(number)}"] = json.dumps(entry).encode()

    def rounds(self, scratch: Path, now: Callable[[], float] | None = None) -> Rounds:
        """Returns the rounds of a pod with an empty disk."""
        clock = now or (lambda: self.seconds)
        place, keeper = stored(SETTINGS, scratch, self.said.append, clock)
        return Rounds(place, keeper, SETTINGS.tier, self.said.append, clock, CALIBRATION, settle_seconds=0)

    def verdicts(self, feature: str = "x") -> list[str]:
        """Returns day and status of the verdicts that are kept, of all rows."""
        lines = [json.loads(line) for line in self.store.objects.get(VERDICTS, b"").decode().splitlines()]
        return [
            f"{one['window']['start'][8:10]} {one['status']}"
            for one in lines
            if (one["feature"], one["segment"], one["window"]["name"]) == (feature, "", "day")
        ]
