"""The shop on a cluster: what its slot and delivery put into an object store, and what is published from there."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from shipway.contract.documents import read_json
from shipway.contract.ledger import entry_name
from shipway.contract.model import load_model
from shipway.contract.workers import DESCRIBED, DescribedModel, described_bundle, described_file
from tests.shipway.parity.shop import Frames, Shop
from tests.standins.object_store import ObjectStore

__all__ = ["NAME", "TRAIN_WITHOUT_OFFLINE", "ClusteredShop"]

NAME = "parity-shop"


class ClusteredShop:
    """The objects of the shop below `prefix` in `store`.

    Args:
        shop: the service and its bundle.
        store: where they go.
        prefix: of everything, such as `onprem/`.
    """

    def __init__(self, shop: Shop, store: ObjectStore, prefix: str = "") -> None:
        self.shop, self.store, self._prefix = shop, store, prefix
        store.page = 1000
        self.describe()
        manifest = shop.bundle / "manifest.json"
        self.put(described_bundle(shop.version, "manifest.json"), manifest.read_bytes())
        for one in read_json(manifest)["files"]:
            name = described_file(shop.version, one["path"])
            self.put(name, (shop.bundle / "files" / one["path"]).read_bytes())

    @property
    def digest(self) -> str:
        return f"sha256:{self.shop.bundle.name}"

    def describe(self) -> None:
        """Puts model.yaml beside the logs, as the service says it now."""
        spec = load_model(self.shop.service / "model.yaml")
        self.put(DESCRIBED, DescribedModel(spec=spec).model_dump_json().encode())

    def put(self, name: str, content: bytes) -> None:
        """Puts an object beside the logs."""
        self.store.objects[f"{self._prefix}predictions/{NAME}/{name}"] = content

    def enter(self, number: int, **digests: str) -> None:
        """Enters digests into the ledger."""
        entry = {
            "number": number,
            "previous": "0" * 64,
            "time": "2013-05-06T00:00:00+00:00",
            "actor": "ada",
            "action": "released",
            "model": NAME,
            "digests": digests,
            "reason": "",
        }
        self.store.objects[f"{self._prefix}ledger/{entry_name(number)}"] = json.dumps(entry).encode()

    def publish(self, offline: Frames) -> None:
        """Puts the offline values there, from which the job fills the online store."""
        for view, rows in offline.items():
            sink = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), sink)
            self.store.objects[f"{self._prefix}features/data/{view}.parquet"] = sink.getvalue().to_pybytes()

    def log(self, records: pa.Table, name: str) -> None:
        """Logs predictions as a slot does, in the folders of their hours."""
        rows = records.to_pylist()
        for hour in sorted({row["event_time"].strftime("%Y-%m-%dT%H") for row in rows}):
            mine = [row for row in rows if row["event_time"].strftime("%Y-%m-%dT%H") == hour]
            sink = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(mine, schema=records.schema), sink)
            self.put(f"predictions/{hour}/{name}.parquet", sink.getvalue().to_pybytes())

    def kept(self, name: str) -> bytes:
        """Returns what the worker has kept, nothing where it has not yet."""
        return self.store.objects.get(f"{self._prefix}workers/parity/{NAME}/{name}", b"")


# A train.py that does not say where training joins from.
TRAIN_WITHOUT_OFFLINE = '''"""What is answered."""

TRUSTED_TYPES = ()


def predict(estimator, rows):
    return estimator.predict(rows[["amount", "weather_v1:humidity", "kind_v1:code"]].to_numpy())
'''
