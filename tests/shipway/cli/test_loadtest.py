"""`shipway loadtest` as a person meets it, with a test that is played."""

import json
from datetime import datetime
from typing import Any

import pytest

from shipway.contract.errors import ShipwayError
from shipway.contract.evidence import Judgement
from shipway.contract.loadtest import LoadTestResult, Profile
from shipway.loadtest.results import FolderResults
from shipway.loadtest.running import Order
from tests.shipway.cli.project import run
from tests.shipway.delivery.stack import Stack
from tests.shipway.loadtest.results_of import DIGEST, result, stage


class Played:
    """Stands in for the test itself, and keeps what was ordered."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self.order: Order | None = None

    def __call__(self, order: Order, say: Any, now: Any) -> LoadTestResult:
        self.order = order
        assert isinstance(now(), datetime)
        assert now().tzinfo is not None
        return result(digest=order.digest, profile=order.profile, whole=order.whole, **self.changes)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    made = Played(stages=(stage(), stage(judged=False, latency=None)), failed_by={"status 503": 2})
    monkeypatch.setattr("shipway.loadtest.running.run", made)
    return made


def test_a_result_is_printed_and_kept_under_its_digest(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], played: Played
) -> None:
    """Progress goes to standard error, so that standard output is the result alone."""
    assert run(monkeypatch, "loadtest", "digits", "--digest", DIGEST, "--profile", "smoke", "--seed", "7") == 0
    said = capsys.readouterr()
    assert said.out == (
        "REQUESTS/S  SECONDS  REQUESTS  FAILED  P50 MS  P95 MS  P99 MS  OBJECTIVE\n"
        "20          60       1,200     0       10.0    30.0    40.0    met\n"
        "20          60       1,200     0       -       -       -       not judged\n"
        "failed: 2 status 503\n"
        "PASS: digits meets its objective\n"
    )
    assert said.err.startswith("load test smoke of digits aaaaaaaaaaaa for 20 requests/s\n")
    assert f"kept in {(project.layout.loadtests / 'digits').relative_to(project.root)}" in said.err
    [kept] = FolderResults(project.layout.loadtests).of("digits")
    assert (kept.digest, kept.profile) == (DIGEST, Profile.SMOKE)
    assert played.order is not None
    assert (played.order.seed, played.order.features, played.order.address) == (7, None, None)


def test_the_result_as_json_is_the_document_that_is_kept(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], played: Played
) -> None:
    """One line, and nothing else on standard output."""
    assert run(monkeypatch, "loadtest", "digits", "--digest", DIGEST, "--json") == 0
    [kept] = FolderResults(project.layout.loadtests).of("digits")
    assert json.loads(capsys.readouterr().out) == json.loads(kept.to_json())


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--duration-seconds", "5", "not kept: it was shortened to 5 s"),
        ("--rate", "2", "not kept: it was made for 2 requests/s, and model.yaml demands 20"),
        ("--url", "http://127.0.0.1:8080/digits", "not kept: what answers at an address may be many replicas"),
    ],
)
def test_what_is_no_evidence_is_not_kept(
    project: Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    played: Played,
    option: str,
    value: str,
    why: str,
) -> None:
    """A short look must not take the place of a whole test; it is printed all the same."""
    assert run(monkeypatch, "loadtest", "digits", "--digest", DIGEST, option, value) == 0
    assert why in capsys.readouterr().err
    assert FolderResults(project.layout.loadtests).of("digits") == []


@pytest.mark.parametrize(
    ("more", "profiles"),
    [
        ("", ["smoke", "load"]),
        ("loadtest: {required: {prod: [soak]}}", ["soak"]),
        ("application: ads", ["smoke", "load"]),
        ("application: ads\nloadtest: {required: {}}", ["load"]),
        ("checks: {usd_per_1000_predictions: 0.01}", ["smoke", "load", "scalability"]),
        ("checks: {usd_per_1000_predictions: 0.01}\napplication: batch\nloadtest: {required: {}}", ["scalability"]),
        ("loadtest: {required: {}}", []),
    ],
)
def test_what_is_required_runs_one_after_the_other(
    project: Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    played: Played,
    more: str,
    profiles: list[str],
) -> None:
    """Of every tier and for the checks that need evidence; what nobody asks for does not run."""
    path = project.root / "services" / "digits" / "model.yaml"
    path.write_text(f"{path.read_text()}{more}\n")
    words = ("loadtest", "digits", "--digest", DIGEST, "--required")
    assert run(monkeypatch, *words, "--json") == 0
    assert [one["profile"] for one in json.loads(capsys.readouterr().out)] == profiles
    kept = FolderResults(project.layout.loadtests).of("digits")
    assert {one.profile for one in kept} == set(profiles)
    played.changes = {"judgement": Judgement.FAIL}
    assert run(monkeypatch, *words) == (1 if profiles else 0)
    said = capsys.readouterr().out
    assert said.count("FAIL: ") == min(len(profiles), 1), "the first that fails is enough"
    assert profiles or said == "model.yaml of digits demands no load test\n"


@pytest.mark.parametrize("judgement", [Judgement.FAIL, Judgement.INCONCLUSIVE])
def test_all_but_a_pass_ends_with_one(
    project: Stack, monkeypatch: pytest.MonkeyPatch, played: Played, judgement: Judgement
) -> None:
    """It is kept too: the newest word about a version counts."""
    played.changes = {"judgement": judgement}
    assert run(monkeypatch, "loadtest", "digits", "--digest", DIGEST) == 1
    [kept] = FolderResults(project.layout.loadtests).of("digits")
    assert kept.judgement is judgement


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["digits", "--profile", "loud"], 2, "--profile: got 'loud', expected one of smoke, load, stress, spike"),
        (["digits", "--digest", ""], 2, "--digest: got '', expected sha256: and 64 hexadecimal digits"),
        (["digits", "--required", "--profile", "load"], 2, "--profile: got 'load', expected no such option beside"),
        (["digits", "--digest", "latest"], 2, "--digest: got 'latest', expected sha256: and 64 hexadecimal digits"),
        (["digits"], 1, "no version of digits in test; `shipway train digits` makes one"),
        (["digit"], 1, "did you mean 'digits'?"),
        (["digits", "--url", "http://example.com/digits"], 2, "--url: got 'example.com', expected this machine"),
        (["digits", "--from", "dev"], 2, "--from: got 'dev', expected no such option: test runs on no cluster"),
    ],
)
def test_what_cannot_be_tested_is_refused(
    project: Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    played: Played,
    words: list[str],
    code: int,
    said: str,
) -> None:
    """One line that names the option, what was given and what would do; nothing is sent."""
    assert run(monkeypatch, "loadtest", *words) == code
    assert said in capsys.readouterr().err
    assert played.order is None


def test_a_test_that_measured_nothing_keeps_what_was_known(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An outage is no word about the version."""
    before = result()
    FolderResults(project.layout.loadtests).put(before)

    def ends(*_: Any) -> LoadTestResult:
        raise ShipwayError("the slot ended before it was ready: error: x")

    monkeypatch.setattr("shipway.loadtest.running.run", ends)
    assert run(monkeypatch, "loadtest", "digits", "--digest", DIGEST) == 1
    assert capsys.readouterr().err.endswith("error: the slot ended before it was ready: error: x\n")
    assert FolderResults(project.layout.loadtests).of("digits") == [before]
