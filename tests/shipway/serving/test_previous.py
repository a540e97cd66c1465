"""The version before answers with its own code, or is skipped and says why; it costs the served version nothing."""

import asyncio
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shipway.bundle.served import FaultsSpec
from shipway.bundle.store import ArtifactStore
from shipway.contract.errors import ArtifactError
from shipway.contract.metrics import Slot
from shipway.contract.release import short_digest
from shipway.contract.route import RolloutState
from shipway.contract.serving import FeatureRead, ServingSpec
from shipway.serving.features import FeatureStatus, ServedFeature
from shipway.serving.previous import Previous, load_before, version_before
from tests.shipway.serving.breakage import KINDS, break_bundle
from tests.shipway.serving.echo import READ, SERVICE, put_echo, row, write_routes

OWN, A, B, C = (f"sha256:{letter * 64}" for letter in "abcd")
FEATURE = FeatureRead(name=READ, default=7.0, ttl_seconds=60)
SPEC = ServingSpec(previous_timeout_seconds=0.2, max_concurrency=2)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Callable[[str], Previous]]:
    """Makes one that knows the version before by the served routes; closed at the end."""
    made: list[Previous] = []

    def make(digest: str) -> Previous:
        routes = tmp_path / "rds.json"
        write_routes(routes, live=OWN, previous=digest)
        made.append(Previous("echo", OWN, routes, tmp_path / "artifacts", SPEC))
        made[-1].follow()
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert not [name for name in sys.modules if name.startswith("echo__")]


def ask(previous: Previous, *rows: dict[str, Any], features: list[tuple[ServedFeature, ...]] | None = None) -> Any:
    found = asyncio.run(previous.answer(rows or (row(),), features or []))
    return found if isinstance(found, str) else found.tolist()


@pytest.mark.parametrize(
    ("state", "before"),
    [
        (None, ""),
        (RolloutState(), ""),
        (RolloutState(live=Slot.BLUE, live_digest=A), A),
        (RolloutState(live=Slot.BLUE, live_digest=A, previous_digest=B), A),
        (RolloutState(live=Slot.BLUE, live_digest=OWN), ""),
        (RolloutState(live=Slot.BLUE, live_digest=OWN, previous_digest=B), B),
        (RolloutState(live=Slot.BLUE, live_digest=OWN, previous_digest=OWN), ""),
        (RolloutState(live=Slot.BLUE, live_digest=OWN, previous_digest=B, rejected_digests=(B,)), ""),
        (RolloutState(live=Slot.BLUE, live_digest=A, rejected_digests=(OWN,)), A),
    ],
)
def test_the_version_before_is_live_to_a_candidate_and_its_predecessor_to_live(
    state: RolloutState | None, before: str
) -> None:
    """Never itself, and never one that was rolled back."""
    assert version_before(state, OWN) == before


def test_it_answers_with_its_own_code(store: ArtifactStore, follow: Callable[[str], Previous]) -> None:
    """Two versions of one package in a process: each adds its own offset, imported at the top and inside a function."""
    previous = follow(put_echo(store, 10.0, obeys=False))
    assert previous.ready
    assert ask(previous, row(), row(amount=4)) == [12.5, 14.0]
    assert ask(previous, row(does="raise")) == [12.5]
    assert "echo" not in sys.modules


def test_features_are_fresh_by_its_own_ttl_or_its_own_default(
    store: ArtifactStore, follow: Callable[[str], Previous]
) -> None:
    """What the served version got as a default, or what is too old for the version before, is that one's default."""
    previous = follow(put_echo(store, 0.0, reads=(FEATURE,)))
    at = datetime(2013, 5, 1, tzinfo=UTC)
    fresh = ServedFeature(READ, 3.0, FeatureStatus.FRESH, at, 59.0)
    old = ServedFeature(READ, 3.0, FeatureStatus.FRESH, at, 61.0)
    stale = ServedFeature(READ, 1.0, FeatureStatus.STALE, at, 1.0)
    assert ask(previous, *[row()] * 4, features=[(fresh,), (old,), (stale,), ()]) == [3.0, 7.0, 7.0, 7.0]
    assert ask(previous) == [7.0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_bundle_is_refused_before_anything_of_it_runs(
    store: ArtifactStore, tmp_path: Path, kind: str, follow: Callable[[str], Previous], caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once which file is wrong; the chain goes on without it, and takes the next good one."""
    digest = put_echo(store, 10.0)
    named = break_bundle(store.path(digest), kind, tmp_path / "ran")
    previous = follow(digest)
    previous.follow()
    assert not (tmp_path / "ran").exists()
    assert (previous.ready, ask(previous)) == (False, f"{short_digest(digest)} cannot be loaded")
    (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said.startswith(f"fallback previous is skipped: {named}: found ")
    good = put_echo(store, 20.0)
    write_routes(tmp_path / "rds.json", live=OWN, previous=good)
    previous.follow()
    assert ask(previous) == [22.5]


@pytest.mark.parametrize(
    ("bundle", "message"),
    [
        ({"name": "other"}, "the version before is of model 'other', expected 'echo'"),
        (
            {"faults": FaultsSpec(nan_ratio=1.0)},
            r"rehearses faults \(fault\.nan_ratio=1\.0\), expected one without any",
        ),
        ({"trusted_types": ("echo.inputs.Tree",)}, r"holds echo\.inputs\.Tree in its model's file, a type of its own"),
        (
            {"service": SERVICE.replace("float) +", "float) * np.nan +")},
            "warm-up prediction failed: the model returned",
        ),
    ],
)
def test_what_cannot_stand_beside_another_version_is_refused(
    store: ArtifactStore, tmp_path: Path, bundle: dict[str, Any], message: str
) -> None:
    """Each with its reason; nothing of it stays among the modules."""
    digest = put_echo(store, **bundle)
    with pytest.raises(ArtifactError, match=message):
        load_before(digest, "echo", tmp_path / "artifacts")
    assert not [name for name in sys.modules if name.startswith("echo__")]


def test_code_that_raises_is_named_by_type_and_place(
    store: ArtifactStore, follow: Callable[[str], Previous], caplog: pytest.LogCaptureFixture
) -> None:
    """Also while it is imported; its own words, which may hold anything, are not repeated."""
    previous = follow(put_echo(store, service="raise LookupError('N14228')"))
    assert ask(previous).endswith("cannot be loaded")
    assert re.search(r"previous is skipped: [0-9a-f]{12} raised LookupError at .*/echo/service\.py:1", caplog.text)
    assert "N14228" not in caplog.text


def test_a_request_it_does_not_know_goes_to_the_next(store: ArtifactStore, follow: Callable[[str], Previous]) -> None:
    """The older schema judges too; fields it never had are left out."""
    digest = put_echo(store)
    previous = follow(digest)
    assert (
        ask(previous, row(amount=101))
        == f"{short_digest(digest)} does not take the request: amount breaks its rule range"
    )
    assert ask(previous, {**row(), "new_field": 1}) == [2.5]


def test_it_may_raise_answer_nonsense_or_hang(
    store: ArtifactStore, follow: Callable[[str], Previous], caplog: pytest.LogCaptureFixture
) -> None:
    """The reason is a sentence without the request; a thread that hangs keeps its place of the bulkhead."""
    released = threading.Event()
    sys.modules["echo_released"] = released  # type: ignore[assignment]
    waits = SERVICE.replace("time.sleep(30)", "__import__('echo_released').wait(10)")
    digest = put_echo(store, service=waits)
    previous, version = follow(digest), short_digest(digest)
    assert ask(previous, row(does="raise", who="Ada Lovelace")) == f"{version} raised RuntimeError"
    assert "Lovelace" not in caplog.text
    assert ask(previous, row(does="nan")) == f"{version}: the model returned a number that is not finite"

    async def hangs() -> list[object]:
        asked = [await previous.answer([row(does="hang")], []) for _ in range(3)]
        released.set()
        return asked

    began = time.monotonic()
    assert asyncio.run(hangs()) == [
        *[f"{version} took longer than 0.2 s"] * 2,
        f"2 requests are in {version}, its limit",
    ]
    assert time.monotonic() - began < 5
    del sys.modules["echo_released"]


def test_it_is_loaded_when_it_becomes_known_and_once(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stack that comes up anew has no live version yet; a route written again changes nothing."""
    loads: list[str] = []

    def load(digest: str, *others: Any) -> Any:
        loads.append(digest)
        return load_before(digest, *others)

    monkeypatch.setattr("shipway.serving.previous.load_before", load)
    routes, digest = tmp_path / "rds.json", put_echo(store)
    previous = Previous("echo", OWN, routes, tmp_path / "artifacts", SPEC)
    previous.follow()
    assert ask(previous) == "the version before is not known yet"
    routes.write_text("{torn")
    previous.follow()
    assert ask(previous) == "the version before is not known yet"
    write_routes(routes, live=OWN)
    previous.follow()
    assert ask(previous) == "there is no version before this one"
    for _ in range(3):
        write_routes(routes, live=OWN, previous=digest)
        previous.follow()
        previous.follow()
    assert (loads, ask(previous)) == ([digest], [2.5])
    previous.close()


def test_files_that_cannot_be_read_for_a_moment_are_tried_again(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the routes stay as they are; what is never readable is given up."""
    left = [2]

    def load(digest: str, *others: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(24, "Too many open files")
        return load_before(digest, *others)

    monkeypatch.setattr("shipway.serving.previous.load_before", load)
    routes, digest = tmp_path / "rds.json", put_echo(store)
    write_routes(routes, live=OWN, previous=digest)
    previous = Previous("echo", OWN, routes, tmp_path / "artifacts", SPEC)
    previous.follow()
    assert ask(previous) == f"{digest[7:19]} cannot be read"
    for _ in range(5):
        previous.follow()
    assert (left[0], ask(previous)) == (-1, [2.5])
    previous.close()
    left[0] = 100
    never = Previous("echo", OWN, routes, tmp_path / "artifacts", SPEC)
    for _ in range(20):
        never.follow()
    assert left[0] == 95
    never.close()


def test_without_routes_there_is_none_and_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A pod holds its own bundle alone; whoever reads the log learns that `previous` will never answer."""
    caplog.set_level(logging.INFO, "shipway.serving")
    previous = Previous("echo", OWN, None, None, SPEC)
    for _ in range(3):
        previous.follow()
    assert ask(previous) == "no served routes and no artifact store are handed over"
    assert caplog.messages == ["fallback previous is skipped: no served routes and no artifact store are handed over"]
    previous.close()
