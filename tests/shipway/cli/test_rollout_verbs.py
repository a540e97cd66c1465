"""`shipway approve`, `promote`, `release --retry` and `--supersede`: what each asks of the delivery process."""

from typing import Any

import pytest

from shipway.contract.metrics import Slot
from shipway.contract.release import Release, load_release, save_release
from shipway.contract.route import Phase, RolloutState
from shipway.delivery.control import Command
from tests.shipway.cli.project import run, serve
from tests.shipway.cli.test_release import bundle, release_file
from tests.shipway.delivery.stack import Stack


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """The commands that reached the delivery process; each is granted."""
    commands: list[Command] = []

    def act(_layout: object, _port: int, _admin: int, command: Command) -> dict[str, Any]:
        commands.append(command)
        return {"action": command.verb, "message": f"did {command.verb}", "state": {"live": "blue"}}

    monkeypatch.setattr("shipway.delivery.client.act", act)
    return commands


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["approve", "digits"], {"verb": "approve"}),
        (["promote", "digits"], {"verb": "promote"}),
        (["promote", "digits", "--fix-forward"], {"verb": "promote", "fix_forward": True}),
        (["promote", "digits", "--retry"], {"verb": "promote", "retry": True}),
        (["rollback", "digits"], {"verb": "rollback"}),
    ],
)
def test_each_verb_is_one_command(
    project: Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: list[Command],
    arguments: list[str],
    expected: dict[str, Any],
) -> None:
    """Who asks, why, and the flags arrive as they were given; the answer is printed."""
    assert run(monkeypatch, *arguments, "--reason", "why") == 0
    assert asked == [Command(model="digits", actor="ada", reason="why", **expected)]
    assert capsys.readouterr().out == f"did {expected['verb']}\n"


def test_a_rejected_digest_is_released_only_with_retry(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: list[Command]
) -> None:
    """A digest that was rolled back is refused and named; --retry asks delivery for it first, then writes the file."""
    live, bad = bundle(project, "one"), bundle(project, "two")
    state = RolloutState(live=Slot.BLUE, live_digest=live, rejected_digests=(bad,))
    serve(project.layout, state, live, "")
    assert run(monkeypatch, "release", "digits", bad, "--reason", "again") == 1
    expected = f"error: {bad} of digits was rolled back or failed before; release another, or this with --retry\n"
    assert capsys.readouterr().err == expected
    assert not release_file(project).exists()
    assert run(monkeypatch, "release", "digits", bad, "--reason", "again", "--retry") == 0
    assert asked == [Command(verb="retry", model="digits", actor="ada", reason="again", digest=bad)]
    assert load_release(release_file(project)).green == bad
    assert "released into green; did retry" in capsys.readouterr().out


@pytest.mark.parametrize("phase", [Phase.STEPPING, Phase.PAUSED])
def test_supersede_drains_the_old_candidate_first(
    project: Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: list[Command],
    phase: Phase,
) -> None:
    """During a rollout a release is refused; with --supersede the candidate is rolled back before the file changes."""
    live, old, new = bundle(project, "one"), bundle(project, "two"), bundle(project, "three")
    state = RolloutState(
        live=Slot.BLUE, live_digest=live, candidate=Slot.GREEN, candidate_digest=old, phase=phase, weight_percent=5
    )
    serve(project.layout, state, live, old)
    assert run(monkeypatch, "release", "digits", new, "--reason", "better") == 1
    assert "pass --supersede" in capsys.readouterr().err
    assert run(monkeypatch, "release", "digits", new, "--reason", "better", "--supersede") == 0
    assert [(command.verb, command.reason) for command in asked] == [("rollback", f"superseded by {new[7:19]}")]
    assert load_release(release_file(project)).green == new


def test_supersede_never_rolls_back_what_is_live(
    project: Stack, monkeypatch: pytest.MonkeyPatch, asked: list[Command]
) -> None:
    """During a guard there is no candidate: the live version stays live, only its way back is given up."""
    before, live, new = bundle(project, "one"), bundle(project, "two"), bundle(project, "three")
    state = RolloutState(live=Slot.GREEN, live_digest=live, previous_digest=before, phase=Phase.GUARDING)
    serve(project.layout, state, before, live)
    assert run(monkeypatch, "release", "digits", new, "--reason", "better", "--supersede") == 0
    assert asked == []
    assert load_release(release_file(project)).blue == new


def test_retry_of_what_was_never_rolled_back_says_so(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: list[Command]
) -> None:
    """A flag that does nothing is no silent one."""
    digest = bundle(project, "one")
    assert run(monkeypatch, "release", "digits", digest, "--reason", "start", "--retry") == 0
    assert capsys.readouterr().err == f"{digest[7:19]} was never rolled back; --retry changes nothing\n"
    assert asked == []


def test_a_release_that_was_written_meanwhile_stays(project: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a promotion waits for its candidate, the next version is released: its line is not taken back."""
    before, after = Release(blue=bundle(project, "one")), bundle(project, "two")
    save_release(release_file(project), before)

    def act(*_: object) -> dict[str, Any]:
        save_release(release_file(project), before.model_copy(update={"green": after, "reason": "the next one"}))
        return {"action": "promote", "message": "did promote", "state": {"live": "blue"}}

    monkeypatch.setattr("shipway.delivery.client.act", act)
    assert run(monkeypatch, "promote", "digits") == 0
    written = load_release(release_file(project))
    assert (written.green, written.reason, written.live) == (after, "the next one", Slot.BLUE)
