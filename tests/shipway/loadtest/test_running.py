"""A load test from start to end, against a sender that plays a server of a known capacity."""

import json
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from shipway.bundle.canonical import canonical_json
from shipway.bundle.manifest import Manifest, covered_files
from shipway.bundle.served import served_model
from shipway.bundle.store import ArtifactStore
from shipway.contract.check import Application
from shipway.contract.documents import parse
from shipway.contract.errors import ArtifactError, ShipwayError, SpecError
from shipway.contract.evidence import Judgement
from shipway.contract.loadtest import LoadTestResult, Profile
from shipway.contract.model import ModelSpec
from shipway.contract.release import short_digest
from shipway.loadtest import running
from shipway.loadtest.running import Order, run
from shipway.loadtest.sending import Address
from shipway.loadtest.stages import Planned, Sent
from tests.shipway.labels.logs import MODEL
from tests.shipway.loadtest.results_of import NOW

SCHEMA = """
from shipway.contract.schema import FieldKind, FieldSpec, Schema

SCHEMA = Schema(fields=(FieldSpec(name="age", kind=FieldKind.INTEGER, minimum=0, maximum=120),))
"""


class Server:
    """Answers within the objective up to its capacity, as the version `version`."""

    def __init__(self, version: str, capacity: float = 1e9, fails: str = "", answers: bool = True) -> None:
        self.version, self.capacity, self.fails, self.answers = version, capacity, fails, answers
        self.rates: list[float] = []
        self.bodies: list[str] = []
        self.address: Address | None = None

    @contextmanager
    def sender(
        self, address: Address, bodies: Sequence[str], units: str, say: Callable[[str], None]
    ) -> Generator["Server"]:
        assert units == "loadtest-1"
        self.address, self.bodies = address, list(bodies)
        yield self

    def send(self, planned: Planned, seed: int) -> Sent:
        self.rates.append(planned.requests_per_second)
        requests = round(planned.requests_per_second * planned.seconds)
        versions = frozenset({self.version}) if self.answers else frozenset[str]()
        if self.fails:
            return Sent(failed_by=Counter({self.fails: requests}), versions=versions)
        seconds = 0.01 if planned.requests_per_second <= self.capacity else 5.0
        return Sent([seconds] * requests, [0.0] * requests, versions=versions)


class World:
    """A store with one bundle, and what is asked of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **loadtest: Any) -> None:
        self.monkeypatch, self.said = monkeypatch, list[str]()
        self.spec = parse(ModelSpec, MODEL | {"loadtest": loadtest}, "model.yaml")
        files = folder / "files"
        (files / "src" / "toy_labels").mkdir(parents=True)
        (files / "src" / "toy_labels" / "__init__.py").write_text("")
        (files / "src" / "toy_labels" / "schema.py").write_text(SCHEMA)
        (files / "model.json").write_bytes(canonical_json(served_model(self.spec).document()))
        manifest = Manifest(model=self.spec.name, service="toy_labels.service:Toy", files=covered_files(files))
        self.artifacts = folder / "artifacts"
        self.digest = ArtifactStore(self.artifacts).put(files, manifest)
        self.version = short_digest(self.digest)

    def order(self, profile: Profile, **changes: Any) -> Order:
        values: dict[str, Any] = {
            "spec": self.spec,
            "digest": self.digest,
            "artifacts": self.artifacts,
            "features": None,
            "logged": (),
            "profile": profile,
            "environment": "local",
            "seed": 1,
            "address": ("http://127.0.0.1:1", "/predict"),
        }
        return Order(**values | changes)

    def test(self, server: Server, profile: Profile = Profile.LOAD, **changes: Any) -> LoadTestResult:
        self.monkeypatch.setattr(running, "sender", server.sender)
        clock = (NOW + timedelta(seconds=second) for second in count())
        return run(self.order(profile, **changes), self.said.append, lambda: next(clock))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_good_version_passes_and_its_warm_up_does_not_count(world: World) -> None:
    """Its stages come in order, at multiples of the rate; requests are the bundle's own."""
    server = Server(world.version)
    result = world.test(server)
    assert (result.judgement, result.whole, result.requests, result.seed) == (Judgement.PASS, False, 1200, 1)
    assert server.rates == [10, 20]
    assert server.address == Address("http://127.0.0.1:1", "/predict", timeout_seconds=11.0)
    assert all(0 <= json.loads(body)["rows"][0]["age"] <= 120 for body in server.bodies)
    assert (result.digest, result.objective_latency_seconds, result.memory_before_bytes) == (world.digest, 0.3, None)
    assert (result.throughput_at_slo_per_second, result.break_point_per_second) == (None, None)


def test_a_version_that_cannot_stand_its_rate_fails(world: World) -> None:
    """All answers came, and all of them too late."""
    result = world.test(Server(world.version, capacity=15))
    assert result.judgement is Judgement.FAIL
    assert "1,200 of 1,200 answers took more than 300 ms" in result.sentence


def test_a_slow_rate_has_enough_requests_for_the_budget_of_the_application(world: World) -> None:
    """`shipway check` asks for two hundred: the profile that it names lasts until they have come."""
    spec = world.spec.model_copy(update={"application": Application.SEARCH})
    for application, requests in ((spec, 200), (world.spec, 60)):
        result = world.test(Server(world.version), spec=application, requests_per_second=1.0)
        assert requests <= result.requests < requests * 1.5


def test_answers_of_a_fallback_are_failures(world: World) -> None:
    """They hide that the model did not answer; why is told with the numbers."""
    result = world.test(Server(world.version, fails="answered by constant"))
    assert (result.judgement, result.failures, result.latency) == (Judgement.FAIL, 1200, None)
    assert result.failed_by == {"answered by constant": 1250}


def test_a_stress_test_finds_what_it_stands_and_where_it_breaks(world: World) -> None:
    """The sentence says both, and missing the objective beyond the demanded rate is no failure."""
    result = world.test(Server(world.version, capacity=60), Profile.STRESS)
    assert result.judgement is Judgement.PASS
    assert result.throughput_at_slo_per_second is not None
    assert result.break_point_per_second is not None
    assert result.throughput_at_slo_per_second <= 60 < result.break_point_per_second
    stands, breaks = result.throughput_at_slo_per_second, result.break_point_per_second
    assert result.sentence.endswith(f"stands {stands:.4g} requests/s, breaks at {breaks:.4g}")


def test_a_search_stays_within_its_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rate and no number of requests beyond what model.yaml allows; the sentence says that none broke it."""
    limited = World(tmp_path, monkeypatch, max_requests_per_second=50, max_requests=900)
    server = Server(limited.version)
    result = limited.test(server, Profile.STRESS)
    assert server.rates == [10, 20, 30]
    assert result.sentence.endswith("stands 30 requests/s, no break point was reached")


def test_a_test_beyond_its_limits_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that stands in its way is named."""
    limited = World(tmp_path, monkeypatch, max_requests=1000, max_requests_per_second=50)
    for changes, said in (
        ({}, r"loadtest.max_requests: got 1000, expected at least the 1,250 of this test"),
        ({"requests_per_second": 60.0, "duration_seconds": 3.0}, r"loadtest.max_requests_per_second: got 50"),
    ):
        server = Server(limited.version)
        with pytest.raises(SpecError, match=said):
            limited.test(server, **changes)
        assert server.rates == []


@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        ({"duration_seconds": 64.0}, False),
        ({"duration_seconds": 130.0}, True),
        ({"requests_per_second": 19.0}, False),
        ({"requests_per_second": 40.0}, True),
    ],
)
def test_a_shortened_or_slower_test_is_no_evidence(world: World, changes: dict[str, Any], whole: bool) -> None:
    """A longer or harder one is, but of an address never: many replicas may answer there."""
    assert world.order(Profile.LOAD, address=None, **changes).whole is whole
    assert world.test(Server(world.version), **changes).whole is False


def test_another_version_at_the_address_ends_the_test(world: World) -> None:
    """Numbers of one version must never stand under the digest of another."""
    said = rf"http://127.0.0.1:1 answered as version bbbbbbbbbbbb, expected {world.version}; nothing was kept"
    with pytest.raises(ShipwayError, match=said):
        world.test(Server("bbbbbbbbbbbb"))


def test_an_address_where_nobody_answers_ends_the_test(world: World) -> None:
    """That is no result about the version."""
    server = Server(world.version, fails="ConnectionRefusedError", answers=False)
    with pytest.raises(ShipwayError, match=rf"gave no answer of {world.version} at all \(ConnectionRefusedError\)"):
        world.test(server)
    assert server.rates == [10]


def test_an_unknown_or_foreign_bundle_ends_the_test(world: World) -> None:
    """Before anything is sent."""
    with pytest.raises(ArtifactError, match=r"no bundle sha256:0+ in this store"):
        world.test(Server(world.version), digest="sha256:" + "0" * 64)
    other = world.spec.model_copy(update={"name": "other"})
    with pytest.raises(ArtifactError, match=r"is a bundle of 'toy-labels', expected one of 'other'"):
        world.test(Server(world.version), spec=other)


@pytest.mark.parametrize(
    ("profile", "judged"), [(Profile.SMOKE, [82.1]), (Profile.LOAD, [60.0]), (Profile.SPIKE, [82.1, 82.1])]
)
def test_a_low_rate_is_asked_for_longer(world: World, profile: Profile, judged: list[float]) -> None:
    """A judged stage lasts until there are requests enough to say something, and the test is evidence."""
    result = world.test(Server(world.version), profile, requests_per_second=1.0)
    found = [stage for stage in result.stages if stage.judged]
    assert [round(stage.seconds, 1) for stage in found] == judged
    assert [stage.objective_met for stage in found] == [True] * len(judged)
    assert next(stage.seconds for stage in result.stages if not stage.judged) <= 5


def test_a_test_that_is_shortened_stays_short(world: World) -> None:
    """Whoever asks for three seconds gets three, and hears that they say nothing and what would help."""
    result = world.test(Server(world.version), Profile.SMOKE, requests_per_second=1.0, duration_seconds=3.0)
    assert sum(stage.seconds for stage in result.stages) == pytest.approx(3)
    assert result.judgement is Judgement.INCONCLUSIVE
    assert "1 requests are too few for a quantile of 0.95, at least 20 are needed" in result.sentence


def test_a_search_at_low_rates_says_something_at_each(world: World) -> None:
    """A step is longer where its rate would bring too few requests, so that the break point is found there too."""
    result = world.test(Server(world.version, capacity=2), Profile.STRESS, requests_per_second=1.0)
    steps = [stage for stage in result.stages if stage.searched]
    assert steps
    assert None not in [stage.objective_met for stage in steps]
    assert result.break_point_per_second is not None
    assert 2 < result.break_point_per_second < 3
