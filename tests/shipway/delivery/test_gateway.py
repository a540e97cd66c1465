"""Delivery and the real gateway together: what a caller sees while versions change."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from shipway.contract.metrics import Slot
from shipway.contract.route import Phase, RolloutState
from shipway.delivery.client import act
from shipway.delivery.control import Command
from shipway.delivery.controller import Refused
from shipway.delivery.envoy.admin import Admin
from shipway.delivery.envoy.configuration import compose_routes
from shipway.delivery.envoy.files import EnvoyFiles
from shipway.delivery.ledger import Ledger
from shipway.delivery.served import ServedModel
from shipway.delivery.target import Rejected
from tests.shipway.delivery.stack import Answer, Stack, digest, wait_until

pytestmark = pytest.mark.e2e


@dataclass
class Load:
    """Requests that keep coming, and everything they brought."""

    answers: list[Answer] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def failed(self) -> list[str]:
        return self.failures + [str(answer) for answer in self.answers if answer.status != 200]


@contextmanager
def load(stack: Stack, threads: int = 3) -> Iterator[Load]:
    """Sends requests from some threads for as long as the block runs."""
    seen, stopping = Load(), threading.Event()

    def send() -> None:
        while not stopping.is_set():
            try:
                seen.answers.append(stack.call())
            except OSError as error:
                seen.failures.append(repr(error))

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(threads):
            pool.submit(send)
        try:
            yield seen
        finally:
            stopping.set()


def ask(stack: Stack, verb: str, model: str = "digits", *, retry: bool = False) -> dict[str, object]:
    command = Command(verb=verb, model=model, actor="ada", reason="because", retry=retry)
    return act(stack.layout, stack.base_port, stack.base_port + 1, command)


def both_versions(stack: Stack) -> None:
    """Brings the stack to blue `a` live and green `b` a candidate, with gateway and delivery running."""
    stack.start_slot(Slot.BLUE, "a")
    stack.start_slot(Slot.GREEN, "b")
    stack.start_gateway()
    stack.start_delivery()
    stack.declare(blue="a")
    wait_until(lambda: stack.state().live is Slot.BLUE, "the first version is live")
    stack.declare(blue="a", green="b")
    wait_until(lambda: stack.state().candidate is Slot.GREEN, "the second version is a candidate")


def test_versions_change_under_load_without_a_failed_request(stack: Stack) -> None:
    """Promotions and rollbacks under load fail no request, and one that takes five seconds finishes where it began."""
    both_versions(stack)
    with ThreadPoolExecutor(1) as pool, load(stack) as seen:
        wait_until(lambda: len(seen.answers) > 50, "traffic flows")
        assert {answer.slot for answer in seen.answers} == {"blue"}, "a candidate takes no traffic"
        slow = pool.submit(stack.call, "/digits/slow/5")
        for retry in (False, True, True):
            ask(stack, "promote", retry=retry)
            before = len(seen.answers)
            wait_until(lambda: len(seen.answers) > before + 30, "traffic flows on green")  # noqa: B023
            ask(stack, "rollback")
            wait_until(lambda: seen.answers[-1].slot == "blue", "traffic is back on blue")
        ask(stack, "promote", retry=True)
        assert (slow.result().status, slow.result().slot) == (200, "blue")
    assert seen.failed() == []
    assert {answer.slot for answer in seen.answers} == {"blue", "green"}
    assert stack.call().slot == "green"


def test_units_stay_while_the_weight_grows(stack: Stack) -> None:
    """On the way 0-1-5-25-50-100 a unit moves to the candidate once and never back, whichever colour it is."""
    for slot, letter in ((Slot.BLUE, "a"), (Slot.GREEN, "b")):
        stack.start_slot(slot, letter)
    spec = stack.declare(blue="a", green="b")
    stack.start_gateway()
    controller = stack.controller()
    controller.tick()
    files = EnvoyFiles(stack.layout.envoy, Admin(stack.base_port + 1).read)
    for live in Slot:
        moved: set[str] = set()
        for weight in (0, 1, 5, 25, 50, 100):
            state = RolloutState(
                live=live,
                live_digest=spec.endpoint(live).digest,
                candidate=live.other,
                candidate_digest=spec.endpoint(live.other).digest,
                phase=Phase.STEPPING,
                weight_percent=weight,
            )
            files.apply([("rds", compose_routes({"digits": ServedModel(spec, state)}))])
            units = [f"unit-{number}" for number in range(120)]
            now = {unit for unit in units if stack.call(unit=unit).slot == live.other}
            assert moved <= now, f"units left the {live.other} candidate at {weight} %: {sorted(moved - now)}"
            moved = now
            if weight in (0, 100):
                assert len(now) == (0 if weight == 0 else len(units))
        assert len(moved) == 120


def test_a_share_is_never_answered_by_who_has_not_earned_it(stack: Stack) -> None:
    """A slot's process that is another version than its route says gets no caller: all go to live, and none fails."""
    for slot, letter in ((Slot.BLUE, "a"), (Slot.GREEN, "b")):
        stack.start_slot(slot, letter)
    spec = stack.declare(blue="a", green="b")
    stack.start_gateway()
    stack.controller().tick()
    state = RolloutState(
        live=Slot.BLUE,
        live_digest=spec.endpoint(Slot.BLUE).digest,
        candidate=Slot.GREEN,
        candidate_digest=spec.endpoint(Slot.GREEN).digest,
        phase=Phase.STEPPING,
        weight_percent=50,
    )
    routed = compose_routes({"digits": ServedModel(spec, state)})
    EnvoyFiles(stack.layout.envoy, Admin(stack.base_port + 1).read).apply([("rds", routed)])
    wait_until(lambda: stack.call().slot == "green", "the candidate has its share")
    stack.slots["digits", Slot.GREEN].digest = digest("c")
    answers = [stack.call() for _ in range(60)]
    assert {(answer.status, answer.slot) for answer in answers} == {(200, "blue")}


def test_what_the_gateway_says_itself(stack: Stack) -> None:
    """Unknown paths, a model without a version and a body over the limit get a JSON error that says what to do."""
    stack.start_slot(Slot.BLUE, "a")
    stack.declare(blue="a", max_body_bytes=2_000)
    stack.declare(model="flights")
    stack.start_gateway()
    controller = stack.controller()

    def is_live() -> bool:
        controller.tick()
        return stack.state().live is not None

    wait_until(is_live, "digits is live")
    assert stack.call(body=b"x" * 1_900).status == 200
    for path, body, status, message in (
        ("/nobody/predict", b"{}", 404, "no model answers at this path; known models: /digits/, /flights/"),
        ("/flights/../nobody", b"{}", 404, "no model answers at this path; known models: /digits/, /flights/"),
        (
            "/flights/predict",
            b"{}",
            503,
            "flights has no live version yet: nothing was released; run `shipway release flights DIGEST`",
        ),
        (
            "/digits/predict",
            b"x" * 2_100,
            413,
            "the body is larger than this model accepts (serving.max_body_bytes of its model.yaml)",
        ),
    ):
        answer = stack.call(path, body)
        assert (answer.status, json.loads(answer.body)) == (status, {"error": message})


def test_a_refused_write_keeps_the_last_good_one(stack: Stack) -> None:
    """A route the gateway refuses is taken back and reported; other models are promoted and rolled back meanwhile."""
    both_versions(stack)
    stack.start_slot(Slot.BLUE, "c", model="flights")
    stack.declare(blue="c", model="flights", timeout_seconds=1e12)
    log = stack.root / "delivery.log"
    wait_until(lambda: "flights: the gateway refused" in log.read_text(), "the refusal is reported")
    assert stack.state("flights").live is None
    ask(stack, "promote")
    assert stack.call().slot == "green"
    ask(stack, "rollback")
    assert stack.call().slot == "blue"
    stack.declare(blue="c", model="flights")
    wait_until(lambda: "flights: well again" in log.read_text(), "the mended route is served")
    assert stack.call("/flights/x").status == 200


def test_a_refused_file_raises_and_is_undone(stack: Stack) -> None:
    """A file that Envoy refuses raises Rejected naming it, and its next start would read the good one."""
    stack.start_gateway()
    controller = stack.controller()
    controller.tick()
    good = stack.layout.served_routes.read_text()
    files = EnvoyFiles(stack.layout.envoy, Admin(stack.base_port + 1).read)
    spec = stack.declare(blue="a", green="b", model="ghost")
    # Its clusters were never written, and `validate_clusters` makes that an error instead of a 503 for everybody.
    document = compose_routes({"ghost": ServedModel(spec, RolloutState(live=Slot.BLUE, live_digest=digest("a")))})
    with pytest.raises(Rejected, match=r"the gateway refused .*rds\.json; the last good one is back in place"):
        files.apply([("rds", document)])
    assert stack.layout.served_routes.read_text() == good


def test_a_dead_slot_falls_back_only_to_a_proved_version(stack: Stack) -> None:
    """A dead live slot is covered by the version before it; a candidate that was never promoted covers nothing."""
    both_versions(stack)
    stack.slots["digits", Slot.BLUE].stop()
    wait_until(lambda: stack.call().status == 503, "live is found dead")
    assert json.loads(stack.call().body)["error"]
    stack.start_slot(Slot.BLUE, "a")
    wait_until(lambda: stack.call().status == 200, "live is back")
    ask(stack, "promote")
    with load(stack) as seen:
        wait_until(lambda: seen.answers, "traffic flows")
        stack.slots["digits", Slot.GREEN].stop()
        wait_until(lambda: seen.answers[-1].slot == "blue", "the version before it answers")
    assert seen.failed() == []


def test_a_model_is_removed_route_first(stack: Stack) -> None:
    """A model that is no longer declared loses its route and then its clusters; the others answer all the while."""
    both_versions(stack)
    stack.declare(model="flights")
    wait_until(lambda: stack.call("/flights/x").status == 503, "the second model is routed")
    with load(stack) as seen:
        (stack.layout.routes / "flights.json").unlink()
        wait_until(lambda: stack.call("/flights/x").status == 404, "its route is gone")
        clusters = stack.layout.envoy / "dynamic" / "cds.json"
        wait_until(lambda: "flights-blue" not in clusters.read_text(), "its clusters are gone")
    assert seen.failed() == []


def test_the_command_line_acts_while_delivery_is_down(stack: Stack) -> None:
    """Without the delivery process the command takes the lease and does the same; the process goes on from there."""
    both_versions(stack)
    delivery = stack.processes[-1]
    delivery.terminate()
    assert delivery.wait(timeout=10) == 0
    assert ask(stack, "promote")["action"] == "override"
    assert stack.call().slot == "green"
    assert ask(stack, "rollback")["action"] == "rolled_back"
    stack.start_delivery()
    wait_until(stack.layout.delivery_socket.exists, "delivery is up again")
    assert ask(stack, "rollback")["message"] == f"{'b' * 12} is already rolled back; {'a' * 12} in blue is live"
    with pytest.raises(Refused, match="was rolled back; release another digest, or promote with --retry"):
        ask(stack, "promote")


def test_a_killed_delivery_process_converges(stack: Stack) -> None:
    """Killed at any moment of a promotion or rollback, a new process ends in the state that was asked for."""
    both_versions(stack)
    for number, delay_seconds in enumerate((0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.045, 0.06)):
        verb, live = ("promote", Slot.GREEN) if number % 2 == 0 else ("rollback", Slot.BLUE)
        delivery = stack.processes[-1]
        wait_until(stack.layout.delivery_socket.exists, "delivery is up")
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask, stack, verb, retry=True)
            time.sleep(delay_seconds)
            delivery.kill()
            delivery.wait()
            asked.exception()
        stack.start_delivery()
        wait_until(lambda: _settled(stack, verb, live), f"{verb} after a kill at {delay_seconds} s")  # noqa: B023
        assert stack.call().slot == live
    ledger = Ledger(stack.layout.ledger)
    assert ledger.verify() == []
    done = [(entry.action, entry.generation) for entry in ledger.entries("digits")]
    assert len(done) == len(set(done)), f"an event was entered twice: {done}"
    generations = [generation for _, generation in done]
    assert generations == list(range(1, len(done) + 1)), f"an event is missing: {done}"


def _settled(stack: Stack, verb: str, live: Slot) -> bool:
    try:
        ask(stack, verb, retry=True)
    except Exception:  # noqa: BLE001 (the process is still starting)
        return False
    return stack.state().live is live


def test_the_loser_of_the_lease_writes_nothing(stack: Stack) -> None:
    """A second delivery process ends with one line that names the first; what is served stays as it was."""
    both_versions(stack)
    first = stack.processes[-1]
    before = stack.layout.served_routes.stat().st_mtime_ns
    second = stack.start_delivery()
    assert second.wait(timeout=10) == 1
    line = (stack.root / "delivery.log").read_text().splitlines()[-1]
    assert line.startswith("error: another process holds the lease")
    assert line.endswith(f"(pid {first.pid})")
    assert stack.layout.served_routes.stat().st_mtime_ns == before
    assert ask(stack, "promote")["action"] == "override"


def test_the_gateway_starts_with_its_last_weights(stack: Stack) -> None:
    """A gateway that was killed serves the promoted version from its first request on."""
    both_versions(stack)
    ask(stack, "promote")
    gateway = stack.processes[0]
    gateway.kill()
    gateway.wait()
    stack.start_gateway()
    wait_until(lambda: stack.call().status == 200, "the gateway has found the slots healthy")
    assert stack.call().slot == "green"
