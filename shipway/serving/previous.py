"""The version before, in the same process: loaded from the artifact store, verified first, isolated from this one.

It answers when this version cannot, so it must not share its fate: its code is its own, its threads are its own, and
whatever is wrong with it is said and costs this version nothing. The other slot is never asked.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.isolated import forget, import_isolated
from shipway.bundle.manifest import Manifest
from shipway.bundle.served import ServedModel
from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import parse, read_json
from shipway.contract.errors import ArtifactError, ShipwayError
from shipway.contract.release import short_digest
from shipway.contract.route import RolloutState, read_rollout_states
from shipway.contract.serving import FeatureRead, ServingSpec
from shipway.serving.features import FeatureStatus, ServedFeature, described
from shipway.serving.model_files import ModelFiles
from shipway.serving.outputs import checked, example_row

__all__ = ["Before", "Previous", "load_before", "version_before"]

_LOGGER = logging.getLogger("shipway.serving")

# How often files that cannot be read are tried: a disk or a table of descriptors may be full for a moment.
_MOST_TRIES = 5


def version_before(state: RolloutState | None, digest: str) -> str:
    """Returns the digest of the version before `digest`, empty where there is none.

    To a candidate that is the live version, to the live one what was live before it; never one that was rolled back.
    """
    if state is None:
        return ""
    found = state.live_digest if state.live_digest != digest else state.previous_digest
    return "" if found == digest or found in state.rejected_digests else found


@dataclass(frozen=True)
class Before:
    """A version that is loaded beside the served one.

    Args:
        version: its short digest.
        package: of its code.
        model: the loaded service; `schema` and `predict` of it are used.
        reads: the features that it was trained with, and its own defaults.
    """

    version: str
    package: str
    model: Any
    reads: Sequence[FeatureRead]

    def rows(
        self, rows: Sequence[Mapping[str, Any]], features: Sequence[Sequence[ServedFeature]]
    ) -> list[dict[str, Any]] | str:
        """Returns the rows as this version knows them, or why they are none to it."""
        known = [{name: row[name] for name in self.model.schema.names if name in row} for row in rows]
        if found := self.model.schema.check(known):
            # The field's own name is the schema's; its value stays where it is.
            return f"{self.version} does not take the request: {found[0].field} breaks its rule {found[0].rule}"
        served = [{one.name: one for one in values} for values in features] or [{}] * len(rows)
        return [
            {**row, **{read.name: _value(read, values.get(read.name)) for read in self.reads}}
            for row, values in zip(known, served, strict=True)
        ]


def _value(read: FeatureRead, served: ServedFeature | None) -> float:
    """Returns what was served of a feature, where it is fresh by this version's own ttl, else its own default."""
    if served is None or served.status is not FeatureStatus.FRESH or (served.age_seconds or 0.0) > read.ttl_seconds:
        return read.default
    return served.value


def load_before(digest: str, model: str, artifacts: Path) -> Before:
    """Returns the version `digest` of `model`, ready to answer; nothing of it runs before all of it is verified.

    Raises:
        ShipwayError: when the bundle is not what its digest says, or cannot be held beside another version.
    """
    store = ArtifactStore(artifacts)
    manifest = store.verify(digest)
    files = store.path(digest) / "files"
    described_model = parse(ServedModel, read_json(files / "model.json"), files / "model.json")
    package, _, module = manifest.service.partition(":")[0].partition(".")
    _admit(manifest, described_model, model, package)
    suffix = short_digest(digest)
    imported = import_isolated(files / "src", package, module, suffix)
    try:
        service = getattr(imported, manifest.service.partition(":")[2])
        loaded = service.inner.beside()
        loaded.load(ModelFiles(files / "model", package, manifest.trusted_types))
        before = Before(suffix, package, loaded, described_model.features.reads)
        rows = before.rows([example_row(loaded.schema)], [])
        if isinstance(rows, str):
            raise ArtifactError(f"{files}: the example of its schema is no valid row: {rows}")
        output, problem = checked(loaded.predict(rows), 1)
        if output is None:
            raise ArtifactError(f"{files}: its warm-up prediction failed: {problem}")
    except BaseException:
        forget(package, suffix)
        raise
    return before


def _admit(manifest: Manifest, served: ServedModel, model: str, package: str) -> None:
    if served.name != model:
        raise ArtifactError(f"the version before is of model {served.name!r}, expected {model!r}")
    if served.faults is not None:
        raise ArtifactError(f"the version before rehearses faults ({served.faults.shown()}), expected one without any")
    if own := [kind for kind in manifest.trusted_types if kind.startswith(f"{package}.")]:
        raise ArtifactError(
            f"the version before holds {own[0]} in its model's file, a type of its own package, "
            "which a process can know once only"
        )


class Previous:
    """Follows which version was before this one, keeps it loaded, and asks it.

    Args:
        model, digest: this slot's own.
        routes: the served routes, which say what is live and what was; None where they are not handed over.
        artifacts: the artifact store; None likewise.
        spec: the deadline, and how many requests may be in it at once.
    """

    def __init__(self, model: str, digest: str, routes: Path | None, artifacts: Path | None, spec: ServingSpec) -> None:
        self._model, self._digest, self._routes, self._artifacts = model, digest, routes, artifacts
        self._spec = spec
        self._threads = ThreadPoolExecutor(spec.max_concurrency, thread_name_prefix="previous")
        self._busy = 0
        self._mark = (0, 0)
        self._wanted: str | None = None
        self._tries = 0
        self._before: Before | None = None
        self._why = "the version before is not known yet"

    @property
    def ready(self) -> bool:
        """Whether a version is loaded."""
        return self._before is not None

    def follow(self) -> None:
        """Loads the version before this one when it is another than last time; blocks for as long as loading takes.

        It never raises: a version that cannot be loaded is said once, and is not there. One whose files cannot be read
        is tried again, a few times.
        """
        wanted = self._asked()
        if wanted is None or wanted == self._wanted:
            return
        self._wanted, replaced = wanted, self._before
        self._before, self._why = None, "there is no version before this one"
        if replaced is not None:
            forget(replaced.package, replaced.version)
        if wanted and self._artifacts is not None:
            try:
                self._before = load_before(wanted, self._model, self._artifacts)
                self._tries = 0
                _LOGGER.info("fallback previous: %s is loaded", self._before.version)
                return
            except OSError as error:
                self._why = f"{short_digest(wanted)} cannot be read"
                _LOGGER.error("fallback previous is skipped: %s", error)
                self._tries += 1
                if self._tries < _MOST_TRIES:
                    self._wanted, self._mark = None, (0, 0)
                return
            except ShipwayError as error:
                self._why = f"{short_digest(wanted)} cannot be loaded"
                _LOGGER.error("fallback previous is skipped: %s", error)
            except Exception as error:  # noqa: BLE001 - the old code may raise anything, and this version serves on
                self._why = f"{short_digest(wanted)} cannot be loaded"
                _LOGGER.error("fallback previous is skipped: %s raised %s", short_digest(wanted), described(error))
        else:
            _LOGGER.info("fallback previous is skipped: %s", self._why)

    async def answer(
        self, rows: Sequence[Mapping[str, Any]], features: Sequence[Sequence[ServedFeature]]
    ) -> NDArray[np.float64] | str:
        """Returns the predictions of the version before, or why there are none."""
        before = self._before
        if before is None:
            return self._why
        asked = before.rows(rows, features)
        if isinstance(asked, str):
            return asked
        if self._busy >= self._spec.max_concurrency:
            return f"{self._spec.max_concurrency} requests are in {before.version}, its limit"
        self._busy += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, before.model.predict, asked)
        future.add_done_callback(self._finished)
        try:
            raw = cast(object, await asyncio.wait_for(asyncio.shield(future), self._spec.previous_timeout_seconds))
        except TimeoutError:
            return f"{before.version} took longer than {self._spec.previous_timeout_seconds:g} s"
        except Exception as error:  # noqa: BLE001 - whatever it raises, the next of the chain is asked
            _LOGGER.error("fallback previous: %s raised %s", before.version, described(error))
            return f"{before.version} raised {type(error).__name__}"
        values, problem = checked(raw, len(rows))
        return f"{before.version}: {problem}" if values is None else values

    def close(self) -> None:
        """Lets go of the threads and of the code."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._before is not None:
            forget(self._before.package, self._before.version)

    def _asked(self) -> str | None:
        """Returns the digest that should be loaded, None while nothing new is known of it."""
        if self._routes is None or self._artifacts is None:
            if self._mark == (0, 0):
                self._mark = (-1, -1)
                self._why = "no served routes and no artifact store are handed over"
                _LOGGER.info("fallback previous is skipped: %s", self._why)
            return None
        try:
            found = self._routes.stat()
            if (found.st_ino, found.st_mtime_ns) == self._mark:
                return None
            wanted = version_before(read_rollout_states(self._routes).get(self._model), self._digest)
            self._mark = (found.st_ino, found.st_mtime_ns)
        except (ShipwayError, OSError):
            # Torn or not there yet: the next one that is written is another file.
            return None
        return wanted

    def _finished(self, future: "asyncio.Future[Any]") -> None:
        self._busy -= 1
        if not future.cancelled():
            future.exception()
