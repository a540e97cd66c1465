"""Parity on a cluster: logs, bundles and offline values are read in an object store, what was found is kept in one.

A bundle is code, which runs with this process's rights. So it is taken from beside the logs, where the model's own
slots put it, only when the ledger names its whole digest: what nobody released is not run.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from shipway.bundle.manifest import Manifest
from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import parse, parse_json
from shipway.contract.errors import ArtifactError, ShipwayError
from shipway.contract.metrics import PARITY_JOB
from shipway.contract.model import ModelSpec
from shipway.contract.record import MANIFEST_FILE
from shipway.contract.release import short_digest
from shipway.contract.worker_settings import LEDGER, WorkerSettings
from shipway.contract.workers import DESCRIBED, LARGEST_BESIDE_BYTES, DescribedModel, described_bundle, described_file
from shipway.logs.objects import ObjectSource
from shipway.objects.kept import KeptObject
from shipway.objects.live import LiveVersions
from shipway.objects.storage import ObjectStorage
from shipway.parity.keeping import Kept
from shipway.parity.running import Question, asked_of

__all__ = ["StoredStack", "bundle_beside", "kept_object"]


def kept_object(state: ObjectStorage, model: str, name: str) -> KeptObject:
    """Returns what the worker keeps of a model under `name`, below `state`, the folder of all workers' state."""
    return KeptObject(state, f"{PARITY_JOB}/{model}/{name}")


def bundle_beside(storage: ObjectStorage, digest: str, store: ArtifactStore) -> Path:
    """Returns where the bundle `digest` lies in `store`, taken from beside the logs of its model if it is missing.

    Args:
        storage: the model's folder of logs.
        digest: the whole one; every byte is checked against it.
        store: where it goes.

    Raises:
        ArtifactError: when it is not there whole, or is not what the digest says.
        OSError: when the object store does not answer.
    """
    path, version = store.path(digest), short_digest(digest)
    if path.is_dir():
        return path
    name = described_bundle(version, MANIFEST_FILE)
    try:
        manifest = parse(Manifest, parse_json(storage.read(name), storage.where(name)), storage.where(name))
        if manifest.digest != digest:
            raise ArtifactError(f"{storage.where(name)}: found {manifest.digest}, expected {digest}")
        with tempfile.TemporaryDirectory() as scratch:
            for one in manifest.files:
                file = Path(scratch) / one.path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(storage.read(described_file(version, one.path)))
            store.put(Path(scratch), manifest)
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{error}: no such object, expected the bundle {digest}: a slot puts there what is not larger than "
            f"{LARGEST_BESIDE_BYTES // 2**20} MiB"
        ) from None
    return path


class StoredStack:
    """The models whose logs lie in an object store.

    Args:
        settings: where everything is.
        scratch: a folder for bundles and offline values, which lives as long as the pod.
        say: called with one sentence for each thing that is passed over.
        now_seconds: since the epoch.
        endpoint_url: of a store that is not AWS's; by default what the environment's variables say.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        scratch: Path,
        say: Callable[[str], None],
        now_seconds: float,
        endpoint_url: str | None = None,
    ) -> None:
        self._settings, self._scratch, self._say, self._now = settings, scratch, say, now_seconds
        self._endpoint_url = endpoint_url
        self._state = self._storage(settings.state)
        self._ledger = LiveVersions(self._storage(f"{settings.records}/{LEDGER}"))
        self._store = ArtifactStore(scratch / "artifacts")

    def models(self) -> Sequence[str]:
        self._storage(f"{self._settings.state}/{PARITY_JOB}").check_replacing()
        logs, found = self._storage(self._settings.predictions), list[str]()
        for model in logs.folders():
            if logs.entries(f"{model}/{DESCRIBED}"):
                found.append(model)
            else:
                self._say(f"{logs.where(f'{model}/{DESCRIBED}')}: no such object, so nothing is compared of its logs")
        return found

    def spec(self, model: str) -> ModelSpec:
        logs = self._logs(model)
        where = logs.where(DESCRIBED)
        return parse(DescribedModel, parse_json(logs.read(DESCRIBED), where), where).spec

    def source(self, model: str) -> ObjectSource:
        return ObjectSource(self._logs(model), self._say, lambda: self._now)

    def kept(self, model: str, name: str) -> Kept:
        return kept_object(self._state, model, name)

    def question(self, spec: ModelSpec, version: str) -> Question:
        digests = {short_digest(one): one for one in self._ledger.named(spec.name)}
        if version not in digests:
            raise ShipwayError(
                f"{spec.name} {version}: no entry of the ledger names its bundle, expected one: what nobody released "
                "is not run"
            )
        bundle = bundle_beside(self._logs(spec.name), digests[version], self._store)
        return asked_of(spec, version).model_copy(
            update={
                "bundle": str(bundle),
                "cache": str(self._scratch / "cache" / spec.package),
                "features": self._settings.features,
                "features_endpoint_url": self._endpoint_url,
            }
        )

    def _logs(self, model: str) -> ObjectStorage:
        return self._storage(f"{self._settings.predictions}/{model}")

    def _storage(self, url: str) -> ObjectStorage:
        return ObjectStorage(url, endpoint_url=self._endpoint_url)
