"""`shipway check` as a person meets it, where nothing is served."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipway.checks.finding import Finding, Status
from shipway.checks.running import Job
from shipway.contract.check import CheckName
from tests.shipway.cli.project import run
from tests.shipway.delivery.stack import Stack

DIGEST = "sha256:" + "a" * 64


class Verified:
    """The manifest of a bundle that is there."""

    model = "digits"


def play(monkeypatch: pytest.MonkeyPatch, played: Callable[[Job], list[Finding]]) -> None:
    """Has `played` in the place of all checks, of a bundle that is there."""

    def verify(*_: Any) -> Verified:
        return Verified()

    monkeypatch.setattr("shipway.checks.running.run", played)
    monkeypatch.setattr("shipway.bundle.store.ArtifactStore.verify", verify)


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

    play(monkeypatch, played)
    words = ("check", "digits", "--digest", DIGEST, "--without", "latency", "--without", "cost", "--json")
    assert run(monkeypatch, *words) == 0
    told = json.loads(capsys.readouterr().out)["findings"]
    assert [(one["check"], one["status"]) for one in told] == [("latency", "left out"), ("cost", "left out")]


def test_a_table_that_cannot_be_written_takes_no_finding_with_it(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Minutes of checking are told before the file is tried; that it could not be written is a failure of its own."""
    found = Finding(check=CheckName.SCHEMA, subject="x", status=Status.PASSED, sentence="y")
    play(monkeypatch, lambda job: [found])
    (tmp_path / "taken").mkdir()
    words = ("check", "digits", "--digest", DIGEST, "--only", "schema", "--json")
    assert run(monkeypatch, *words, "--markdown", str(tmp_path / "taken")) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["passed"] is True
    assert "taken" in said.err


def test_a_build_server_that_gives_up_ends_what_was_started(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGTERM unwinds the checks, so that the process that serves the bundle ends with them."""
    ended: list[str] = []

    def played(job: Job) -> list[Finding]:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            ended.append("the child")
        return []

    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        play(monkeypatch, played)
        assert run(monkeypatch, "check", "digits", "--digest", DIGEST) == 143
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended == ["the child"]
