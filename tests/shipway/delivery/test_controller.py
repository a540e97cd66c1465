"""The controller against a gateway that is only its files: what it follows, refuses, repairs and records."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.contract.errors import Fatal, Retryable
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import Slot
from shipway.contract.route import Phase, RouteSpec, SlotEndpoint
from shipway.delivery.controller import Controller, Refused
from shipway.delivery.envoy.admin import Report
from shipway.delivery.ledger import Ledger
from shipway.delivery.local import LocalTarget
from shipway.delivery.prometheus import Prometheus
from shipway.delivery.records import FileRecords
from shipway.delivery.rollouts import Rollouts
from shipway.delivery.served import load_served

A, B = ("sha256:" + letter * 64 for letter in "ab")


class World:
    """A gateway that accepts every file, and slots that are ready or not."""

    def __init__(self, root: Path) -> None:
        self.layout, self.down, self.gateway_up = LocalLayout(root, "test"), set[int](), True
        # Nobody listens on port 0: no evidence, no step.
        self.prometheus = Prometheus(0)
        self.clock: Callable[[], float] = time.monotonic
        self.answering = threading.Event()
        self.answering.set()

    def report(self) -> Report:
        if not self.gateway_up:
            raise Retryable("the gateway does not answer on its admin port 1", 1)
        versions = {
            path.stem: json.loads(path.read_text())["version_info"]
            for path in (self.layout.envoy / "dynamic").glob("*.json")
        }
        accepted = dict.fromkeys(("cds", "lds", "rds"), "") | versions
        return Report(accepted, dict.fromkeys(accepted, 0), 0, frozenset({"digits-blue", "digits-green"}))

    def controller(self) -> Controller:
        numbers = iter(range(1_000))
        made = Controller(
            LocalTarget(self.layout, 8080, self.report, self.ask, self.clock),
            FileRecords(self.layout),
            Rollouts(self.prometheus, lambda: "now", self.clock),
            lambda: f"t{next(numbers)}",
        )
        made.load()
        return made

    def ask(self, model: str, endpoint: SlotEndpoint) -> str:
        self.answering.wait(10)
        return "it is not up" if endpoint.port in self.down else ""

    def declare(self, blue: str = "", green: str = "", model: str = "digits") -> None:
        spec = RouteSpec(
            model=model,
            owner="vision",
            blue=SlotEndpoint(port=2000, digest=blue),
            green=SlotEndpoint(port=2001, digest=green),
            timeout_seconds=1.0,
            max_body_bytes=1,
        )
        self.layout.routes.mkdir(parents=True, exist_ok=True)
        (self.layout.routes / f"{model}.json").write_text(spec.model_dump_json())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def two_versions(world: World) -> Controller:
    """Returns a controller with blue `a` live and green `b` a candidate."""
    controller = world.controller()
    for slots in ((A,), (A, B)):
        world.declare(*slots)
        controller.tick()
    return controller


def test_every_change_is_in_the_ledger_once(world: World) -> None:
    """First version, candidate, promotion and rollback are entered with actor, digests, reason and generation."""
    controller = two_versions(world)
    controller.promote("digits", "ada", "looked at it")
    controller.rollback("digits", "bob", "pages")
    controller.tick()
    entries = Ledger(world.layout.ledger).entries("digits")
    assert [(entry.actor, entry.action, entry.generation) for entry in entries] == [
        ("delivery", "first_live", 1),
        ("delivery", "candidate", 2),
        ("ada", "override", 3),
        ("bob", "rolled_back", 4),
    ]
    assert entries[2].digests == {"live": B, "previous": A}
    assert entries[2].reason == "looked at it"


def test_a_change_that_a_crash_left_out_of_the_ledger_is_entered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change rides on the route: whoever comes next enters it, with its actor and reason, exactly once."""
    controller = two_versions(world)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "append", crash)
        with pytest.raises(KeyboardInterrupt):
            controller.promote("digits", "ada", "looked at it")
    for _ in range(2):
        world.controller().tick()
    actions = [(entry.actor, entry.action) for entry in Ledger(world.layout.ledger).entries()]
    assert actions == [("delivery", "first_live"), ("delivery", "candidate"), ("ada", "override")]


def test_what_is_followed_on_the_way_to_a_command_is_entered_too(world: World) -> None:
    """A version that was declared while delivery was down is in the ledger as a candidate before it is promoted."""
    controller = world.controller()
    world.declare(A)
    controller.tick()
    world.declare(A, B)
    controller.promote("digits", "ada", "looked at it")
    actions = [(entry.actor, entry.action) for entry in Ledger(world.layout.ledger).entries()]
    assert actions == [("delivery", "first_live"), ("delivery", "candidate"), ("ada", "override")]


def test_a_broken_declaration_keeps_its_last_route(world: World) -> None:
    """A route file that cannot be read is reported; its model stays served, and others are followed."""
    controller = two_versions(world)
    world.declare(model="flights")
    path = world.layout.routes / "digits.json"
    path.write_text("{")
    controller.tick()
    assert controller.problems["digits"].startswith(f"{path}: got ")
    assert sorted(controller.served) == ["digits", "flights"]
    assert controller.served["digits"].state.live is Slot.BLUE
    assert controller.promote("digits", "ada", "why").state.live is Slot.GREEN


def test_a_live_slot_changed_behind_its_back_is_reported(world: World) -> None:
    """Traffic stays, because there is nowhere proved to send it, and the model is reported with both digests."""
    controller = two_versions(world)
    world.declare(B, B)
    controller.tick()
    problem = "blue went live with aaaaaaaaaaaa, but now bbbbbbbbbbbb is declared in it"
    assert controller.problems["digits"] == problem
    assert controller.served["digits"].state.live is Slot.BLUE


def test_a_model_that_is_not_declared_any_more_goes(world: World) -> None:
    """Removing the declaration removes route and clusters."""
    controller = two_versions(world)
    (world.layout.routes / "digits.json").unlink()
    controller.tick()
    assert controller.served == {}
    assert "digits" not in (world.layout.envoy / "dynamic" / "cds.json").read_text()
    with pytest.raises(Refused, match="no model 'digits' is deployed; known models: none"):
        controller.promote("digits", "ada", "why")


def test_a_slot_that_is_not_ready_is_not_promoted(world: World) -> None:
    """Nothing is changed; the answer says what the slot answered and that asking again may help."""
    controller = two_versions(world)
    before = world.layout.served_routes.read_bytes()
    world.down.add(2001)
    with pytest.raises(Retryable, match="bbbbbbbbbbbb in green is not ready: it is not up"):
        controller.promote("digits", "ada", "why")
    assert world.layout.served_routes.read_bytes() == before


def test_a_slot_that_is_late_each_time_keeps_its_traffic(world: World) -> None:
    """A guard that is due once a second among other looks remembers the answer that came after the last one."""
    seconds = 100.0
    world.clock = lambda: seconds
    controller = two_versions(world)
    controller.promote("digits", "ada", "looked at it")
    controller.tick()
    for _ in range(4):
        seconds += 1.5
        world.answering.clear()
        controller.tick()
        world.answering.set()
        seconds += 0.25
        controller.tick()
    assert controller.newest["digits"].state.phase is Phase.GUARDING
    assert controller.served["digits"].state.live is Slot.GREEN
    world.down = {2001}
    for _ in range(4):
        seconds += 1.5
        controller.tick()
    assert controller.served["digits"].state.live is Slot.BLUE


def test_a_gateway_that_is_down_is_a_problem_and_finds_its_files(world: World) -> None:
    """While the gateway is down nothing is promoted, and the files it will start from are kept in place."""
    controller = two_versions(world)
    world.gateway_up = False
    (world.layout.envoy / "dynamic" / "cds.json").unlink()
    controller.tick()
    assert controller.problems == {"gateway": "the gateway does not answer on its admin port 1"}
    assert "digits-blue" in (world.layout.envoy / "dynamic" / "cds.json").read_text()
    with pytest.raises(Retryable, match="the gateway does not answer"):
        controller.promote("digits", "ada", "why")


@pytest.mark.parametrize("torn", ["", "{", '{"resources": []}', "\x00"])
def test_a_torn_route_file_is_replaced_by_the_confirmed_one(world: World, torn: str) -> None:
    """Whatever became of the served file, the last confirmed state is the one that counts."""
    two_versions(world).promote("digits", "ada", "why")
    world.layout.served_routes.write_text(torn)
    controller = world.controller()
    controller.prepare()
    assert controller.served["digits"].state.live is Slot.GREEN
    assert load_served(world.layout) == controller.served


def test_without_a_readable_state_nothing_is_done(world: World) -> None:
    """With both copies torn the controller refuses to guess, naming the file."""
    two_versions(world)
    for path in (world.layout.served_routes, world.layout.envoy / "confirmed" / "rds.json"):
        path.write_text("{")
    with pytest.raises(Fatal, match=r"no rollout state can be read, and nothing is changed without it; .*rds\.json"):
        world.controller()


def test_a_damaged_ledger_never_stops_a_rollback(world: World) -> None:
    """The switch is made and the damage reported; the entry follows once the ledger is mended."""
    controller = two_versions(world)
    controller.promote("digits", "ada", "why")
    last = max(world.layout.ledger.glob("*.json"))
    good = last.read_text()
    last.chmod(0o644)
    last.write_text(good[:10])
    assert controller.rollback("digits", "ada", "pages").state.live is Slot.BLUE
    assert controller.problems["ledger"].startswith(f"the ledger is damaged; {last}")
    last.write_text(good)
    controller.tick()
    assert [entry.action for entry in Ledger(world.layout.ledger).entries()][-1] == "rolled_back"
    assert controller.problems == {}


def test_a_folder_that_is_gone_removes_no_route(world: World) -> None:
    """That nothing can be listed is not that nothing is declared: what is served stays, and the folder is named."""
    controller = two_versions(world)
    aside = world.layout.routes.with_name("aside")
    world.layout.routes.rename(aside)
    for found in (controller, world.controller()):
        found.tick()
        assert found.served["digits"].state.live is Slot.BLUE
        assert found.problems["routes"] == f"{world.layout.routes}: cannot be listed (No such file or directory)"
    aside.rename(world.layout.routes)
    controller.tick()
    assert "routes" not in controller.problems


def test_without_a_model_no_folder_is_missed(world: World) -> None:
    """Before the first deployment nobody has made it."""
    controller = world.controller()
    controller.tick()
    assert controller.problems == {}
