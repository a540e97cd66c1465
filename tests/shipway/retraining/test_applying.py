"""What a retraining does before it releases: the load tests that are demanded of any release."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shipway.contract.documents import parse
from shipway.contract.environment import load_environment
from shipway.contract.errors import ShipwayError
from shipway.contract.evidence import Judgement
from shipway.contract.layout import LocalLayout
from shipway.contract.loadtest import Profile
from shipway.contract.model import ModelSpec
from shipway.contract.route import RolloutState
from shipway.loadtest.results import FolderResults
from shipway.retraining.applying import Applied, Release, load_tested
from shipway.retraining.outcome import Status
from tests.components.conftest import REPOSITORY
from tests.shipway.labels.logs import MODEL
from tests.shipway.loadtest.results_of import DIGEST, result


class Runs:
    """Plays `shipway loadtest`: keeps a result with `judgement`, None for none, and ends as the command does."""

    def __init__(self, layout: LocalLayout, judgement: Judgement | None) -> None:
        self.kept, self.judgement, self.words = FolderResults(layout.loadtests), judgement, list[Sequence[str]]()

    def __call__(self, root: Path, words: Sequence[str], say: Callable[[str], None]) -> None:
        self.words.append(words[1:])
        if self.judgement is not None:
            profile = Profile(words[words.index("--profile") + 1])
            now = datetime.now(UTC)
            made = {"model": "toy-labels", "profile": profile, "started_at": now, "judgement": self.judgement}
            self.kept.put(result(**made, sentence="misses its objective"))
        if self.judgement is not Judgement.PASS:
            raise ShipwayError("`shipway loadtest toy-labels` ended with status 1")


def release(root: Path, environment: str = "onprem", **loadtest: Any) -> Release:
    return Release(
        LocalLayout(root, environment),
        load_environment(REPOSITORY, environment),
        root,
        parse(ModelSpec, MODEL | {"loadtest": loadtest}, "model.yaml"),
        RolloutState(),
        DIGEST,
        "why",
        "2026-11-27T12:00:00+00:00",
    )


def test_a_new_version_is_tested_before_it_is_proposed(tmp_path: Path) -> None:
    """By the command that a person would use, in the environment that keeps the bundle; once it passed, not again."""
    asked = release(tmp_path)
    runs = Runs(asked.layout, Judgement.PASS)
    assert load_tested(asked, print, runs) is None
    where = ["--env", "onprem", "--from", "onprem"]
    assert runs.words == [["loadtest", "toy-labels", "--digest", DIGEST, "--profile", "load", *where]]
    assert load_tested(asked, print, runs) is None
    assert len(runs.words) == 1


def test_a_version_that_fails_its_load_test_is_refused(tmp_path: Path) -> None:
    """That is a word about the version, so the old one stays and nothing is tried again at once."""
    asked = release(tmp_path)
    refused = load_tested(asked, print, Runs(asked.layout, Judgement.FAIL))
    assert refused == Applied(Status.REFUSED, "load test load: misses its objective")


@pytest.mark.parametrize("judgement", [None, Judgement.INCONCLUSIVE])
def test_a_test_that_says_nothing_is_a_failure_of_the_run(tmp_path: Path, judgement: Judgement | None) -> None:
    """No locust, no slot, a machine that is too busy: the next run tries again."""
    asked = release(tmp_path)
    with pytest.raises(ShipwayError, match="`shipway loadtest toy-labels` ended with status 1"):
        load_tested(asked, print, Runs(asked.layout, judgement))


def test_where_nothing_is_demanded_nothing_is_tested(tmp_path: Path) -> None:
    """On a laptop by default, and wherever model.yaml says so."""
    for asked in (release(tmp_path, "local"), release(tmp_path, required={})):
        runs = Runs(asked.layout, None)
        assert load_tested(asked, print, runs) is None
        assert runs.words == []
