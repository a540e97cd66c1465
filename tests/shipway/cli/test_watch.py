"""`shipway status --watch` and `--at`: the rollout as it goes on, and what was live then."""

import io
import json
from collections.abc import Mapping

import pytest

from shipway.cli.watch import Watch
from shipway.contract.environment import PortsSpec
from shipway.contract.errors import Retryable
from shipway.contract.metrics import Slot
from shipway.contract.model import RolloutSpec, SloSpec
from shipway.contract.rollout import Look
from shipway.contract.route import Phase, RolloutState
from shipway.delivery.evidence import steps
from shipway.delivery.evidence.gate import Rules
from shipway.delivery.ledger import Ledger
from shipway.delivery.reach import LocalReach
from tests.shipway.cli.project import run, serve
from tests.shipway.delivery.stack import Stack
from tests.shipway.delivery.told import CANDIDATE, LIVE, looks


class Terminal(io.StringIO):
    """A terminal that keeps what was drawn on it."""

    def isatty(self) -> bool:
        return True


class Told(LocalReach):
    """The way to a stack whose rollout gives one look after another, and nothing after the last."""

    def __init__(self, project: Stack, history: list[Look]) -> None:
        super().__init__(project.layout, PortsSpec(base=project.base_port))
        self._left = iter(history)

    def looks(self) -> dict[str, Look]:
        return {look.model: look for look in [next(self._left, None)] if look is not None}


def looks_now(project: Stack) -> Mapping[str, Look]:
    """Returns what is under way in the project's stack."""
    return LocalReach(project.layout, PortsSpec(base=project.base_port)).looks()


def never(_seconds: float) -> None:
    """Waits for nothing."""


@pytest.mark.parametrize(
    ("bad_every", "phase", "code", "last"),
    [
        (0, Phase.GUARDING, 0, "digits: guarding, bbbbbbbbbbbb is live; its guard goes on"),
        (12, Phase.ROLLED_BACK, 1, "digits: rolled_back, aaaaaaaaaaaa is live"),
    ],
)
def test_watching_ends_with_the_rollout(project: Stack, bad_every: int, phase: Phase, code: int, last: str) -> None:
    """Without a terminal each change is a line; the exit code says whether the version was kept."""
    digest, slot = (CANDIDATE, Slot.GREEN) if code == 0 else (LIVE, Slot.BLUE)
    serve(project.layout, RolloutState(live=slot, live_digest=digest, phase=phase), LIVE, CANDIDATE)
    out, history = io.StringIO(), looks(bad_every)
    assert Watch(Told(project, history), "digits", out, wait=never).run() == code
    lines = out.getvalue().splitlines()
    assert lines[-1] == last
    assert len(lines) < len(history)
    assert "rollout 7  stepping  step 1  1 %  waits: harm_budget: worst excess" in lines[0]


def test_a_terminal_is_redrawn(project: Stack) -> None:
    """Each frame begins where the one before began."""
    serve(project.layout, RolloutState(live=Slot.BLUE, live_digest=LIVE), LIVE, CANDIDATE)
    out = Terminal()
    Watch(Told(project, looks(most=3)), None, out, wait=never).run()
    frames = out.getvalue().split("\x1b[J")
    assert len(frames) == 5
    drawn = frames[1].count("\n")
    assert frames[1].endswith(f"\x1b[{drawn}F")
    assert "GUARDRAIL" in frames[1]


def test_a_guard_has_no_step(project: Stack) -> None:
    """The line of a promoted version says its phase and its share alone."""
    serve(project.layout, RolloutState(live=Slot.GREEN, live_digest=CANDIDATE), LIVE, CANDIDATE)
    out = io.StringIO()
    guarded = looks(most=1)[0].model_copy(update={"phase": str(Phase.GUARDING), "weight_percent": 100})
    Watch(Told(project, [guarded]), "digits", out, wait=never).run()
    assert "rollout 7  guarding  100 %  waits: " in out.getvalue()


def test_each_change_is_one_line_of_json(project: Stack) -> None:
    """With --json a line is a whole look."""
    serve(project.layout, RolloutState(live=Slot.BLUE, live_digest=LIVE), LIVE, CANDIDATE)
    out = io.StringIO()
    Watch(Told(project, looks(most=20)), "digits", out, as_json=True, wait=never).run()
    said = [Look.model_validate_json(line) for line in out.getvalue().splitlines()]
    assert {look.weight_percent for look in said} == {1, 5}


def test_without_the_delivery_process_the_route_is_read(project: Stack) -> None:
    """What it wrote last is shown, and that nobody judges now is said."""
    rules = Rules.of_route(RolloutSpec(), SloSpec())
    state = RolloutState(
        live=Slot.BLUE,
        live_digest=LIVE,
        candidate=Slot.GREEN,
        candidate_digest=CANDIDATE,
        phase=Phase.STEPPING,
        weight_percent=1,
        rollout=3,
        progress=steps.begin(rules),
    )
    serve(project.layout, state, LIVE, CANDIDATE)
    (look,) = looks_now(project).values()
    assert (look.rollout, look.weight_percent, look.candidate_digest) == (3, 1, CANDIDATE)
    assert "the delivery process does not run, so nothing is judged" in look.sentence
    assert {verdict.gate for verdict in look.verdicts} >= set(rules.gates)


def test_nothing_under_way(project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A watch without a rollout ends at once; the last rollout's end is its exit code."""
    serve(project.layout, RolloutState(live=Slot.BLUE, live_digest=LIVE), LIVE, "")
    assert run(monkeypatch, "status", "digits", "--watch") == 0
    assert capsys.readouterr().out == "digits: settled, aaaaaaaaaaaa is live\n"
    serve(project.layout, RolloutState(live=Slot.BLUE, live_digest=LIVE, phase=Phase.FAILED), LIVE, CANDIDATE)
    assert run(monkeypatch, "status", "digits", "--watch") == 1
    assert run(monkeypatch, "status", "--watch", "--at", "2026-11-26") == 2
    assert "--watch and --at" in capsys.readouterr().err


def test_status_of_the_past(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was live, candidate and previous then, since when; a time before the first change is said to be so."""
    ledger = Ledger(project.layout.ledger)
    for hour, action, digests in (
        (10, "first_live", {"live": LIVE}),
        (12, "promoted", {"live": CANDIDATE, "previous": LIVE}),
    ):
        ledger.append(
            time=f"2026-11-26T{hour}:00:00+00:00",
            actor="ada",
            action=action,
            model="digits",
            digests=digests,
            reason="why",
            generation=hour,
        )
    assert run(monkeypatch, "status", "--at", "2026-11-26T13:00:00+00:00") == 0
    row = capsys.readouterr().out.splitlines()[1]
    assert "bbbbbbbbbbbb since 2026-11-26T12:00:00+00:00" in row
    assert "aaaaaaaaaaaa since 2026-11-26T12:00:00+00:00" in row
    assert row.endswith("promoted by ada at 2026-11-26T12:00:00+00:00")
    assert run(monkeypatch, "status", "--at", "2026-11-26T11:00:00+00:00", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["models"]["digits"]["live"] == {"digest": LIVE, "since": "2026-11-26T10:00:00+00:00"}
    assert run(monkeypatch, "status", "--at", "2026-11-26T09:00:00+00:00") == 0
    assert "the first change of any model is of 2026-11-26T10:00:00+00:00" in capsys.readouterr().out
    assert run(monkeypatch, "status", "--at", "noon") == 2


@pytest.mark.parametrize("arguments", [["verify"], ["--verify"]])
def test_the_ledger_is_verified(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """An untouched ledger is fine; an edited one is exit code 1, and the place is named."""
    ledger = Ledger(project.layout.ledger)
    for _ in range(2):
        ledger.append(time="t", actor="a", action="released", model="digits", digests={}, reason="why")
    assert run(monkeypatch, "ledger", *arguments) == 0
    assert capsys.readouterr().out == "2 entries, each as it was written\n"
    first = project.layout.ledger / "00000001.json"
    first.chmod(0o644)
    first.write_text(first.read_text().replace('"a"', '"mallory"'))
    assert run(monkeypatch, "ledger", *arguments, "--json") == 1
    (damage,) = json.loads(capsys.readouterr().out)["damage"]
    assert damage.startswith(f"{project.layout.ledger / '00000002.json'}: follows an entry with sha256 ")


def test_a_busy_delivery_process_does_not_end_the_watch(project: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it does not answer, what is served is shown in its place."""

    def busy(_layout: object) -> dict[str, Look]:
        raise Retryable("it does not answer", 1.0)

    monkeypatch.setattr("shipway.delivery.client.looks", busy)
    serve(project.layout, RolloutState(live=Slot.BLUE, live_digest=LIVE), LIVE, "")
    assert looks_now(project) == {}
