"""`shipway check` as a person meets it, where nothing is served."""

import json
from typing import Any

import pytest

from shipway.checks.finding import Finding, Status
from shipway.checks.running import Job
from shipway.contract.check import CheckName
from tests.shipway.cli.project import run
from tests.shipway.delivery.stack import Stack

DIGEST = "sha256:" + "a" * 64


def test_an_empty_digest_is_no_digest(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipeline whose variable stayed empty must not check another version in its place."""
    assert run(monkeypatch, "check", "digits", "--digest", "") == 2
    assert "--digest: got '', expected sha256: and 64 hexadecimal digits" in capsys.readouterr().err


def test_what_is_left_out_reaches_the_checks(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in the result, with a status of its own."""

    def played(job: Job) -> list[Finding]:
        assert job.only == tuple(CheckName)
        return [Finding(check=name, subject="x", status=Status.LEFT_OUT, sentence="y") for name in job.without]

    class Verified:
        model = "digits"

    def verify(*_: Any) -> Verified:
        return Verified()

    monkeypatch.setattr("shipway.checks.running.run", played)
    monkeypatch.setattr("shipway.bundle.store.ArtifactStore.verify", verify)
    words = ("check", "digits", "--digest", DIGEST, "--without", "latency", "--without", "cost", "--json")
    assert run(monkeypatch, *words) == 0
    told = json.loads(capsys.readouterr().out)["findings"]
    assert [(one["check"], one["status"]) for one in told] == [("latency", "left out"), ("cost", "left out")]
