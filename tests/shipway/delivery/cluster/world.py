"""One model on a cluster in memory: its controller, its Lease, a gateway that confirms, and counters that tests set."""

from collections.abc import Mapping
from typing import Any

from shipway.contract.errors import Retryable
from shipway.contract.metrics import MODELS_JOB, Slot
from shipway.contract.rollout import Look
from shipway.contract.route import RolloutState
from shipway.delivery.cluster import route as routes
from shipway.delivery.cluster.api import CONFIG_MAPS, ENDPOINT_SLICES, HTTP_ROUTES, PODS
from shipway.delivery.cluster.client import act
from shipway.delivery.cluster.lease import Lease
from shipway.delivery.cluster.target import ClusterTarget, Fence
from shipway.delivery.control import Command
from shipway.delivery.controller import Controller
from shipway.delivery.rollouts import Rollouts, Scrapes
from shipway.delivery.served import Change, ServedModel
from tests.shipway.delivery.cluster.fake import FakeApi
from tests.shipway.delivery.cluster.objects import (
    NAMESPACE,
    A,
    config_map,
    declared,
    endpoint_slice,
    http_route,
    pod,
)
from tests.shipway.delivery.test_rollouts import Counters

__all__ = ["World"]


class Kept:
    """Records in memory."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, Change]] = []
        self.looks: list[Look] = []
        self.down = False

    def remembered(self, model: str) -> RolloutState:
        if self.down:
            raise Retryable(f"what the ledger remembers of {model} is not known yet", 1)
        return RolloutState()

    def record(self, served: Mapping[str, ServedModel]) -> Mapping[str, str]:
        for model, one in served.items():
            for change in one.changes:
                self.tell(model, change)
        return {}

    def tell(self, model: str, change: Change) -> Mapping[str, str]:
        if not self.down and (model, change) not in self.changes:
            self.changes.append((model, change))
        return {}

    def look(self, look: Look) -> Mapping[str, str]:
        self.looks.append(look)
        return {}

    def entered(self, model: str, change: Change) -> bool:
        return (model, change) in self.changes


class World:
    """Blue `a` and green `b` of one model, a gateway that confirms, and counters that the test sets."""

    def __init__(self) -> None:
        self.api, self.kept, self.counters, self.seconds = FakeApi(), Kept(), Counters(), 0.0
        self.lease = self.copy("one")
        assert self.lease.hold()
        self.api.put(HTTP_ROUTES, http_route())
        self.api.conditions("digits", 1)
        self.start(Slot.BLUE, A)
        self.declare(A)
        self.controller = self.started(self.lease)

    def copy(self, name: str) -> Lease:
        return Lease(self.api, NAMESPACE, "delivery", name, lambda: self.seconds)

    def started(self, fence: Fence) -> Controller:
        """Returns a controller as a copy of the process has it."""
        scrapes = Scrapes(MODELS_JOB, 5.0, MODELS_JOB, 5.0, "test")
        rollouts = Rollouts(self.counters, lambda: "now", lambda: self.seconds, scrapes)
        target = ClusterTarget(self.api, NAMESPACE, fence, self.kept.entered, lambda: self.seconds)
        made = Controller(target, self.kept, rollouts, lambda: f"t{self.seconds}")
        made.load()
        return made

    def declare(self, blue: str = "", green: str = "", **changes: Any) -> None:
        self.api.put(CONFIG_MAPS, config_map(declared(blue, green, **changes)))

    def start(self, slot: Slot, digest: str, *, ready: bool = True) -> None:
        one = self.api.put(PODS, pod(slot, digest))
        self.api.put(ENDPOINT_SLICES, endpoint_slice(slot, one, ready=ready))

    def tick(self, **served: int) -> RolloutState:
        """Lets a second pass in which `served` happened, and returns what is served after it."""
        self.seconds += 1
        self.counters.serve(**served)
        self.lease.hold()
        self.controller.tick()
        return self.state

    @property
    def state(self) -> RolloutState:
        """What the route says, which is all that counts."""
        found = routes.read_route(self.api.get(HTTP_ROUTES, "digits"))
        return found.state if found else RolloutState()

    @property
    def weights(self) -> dict[str, int]:
        (rule,) = self.api.get(HTTP_ROUTES, "digits")["spec"]["rules"]
        return {one["name"].removeprefix("digits-"): one["weight"] for one in rule["backendRefs"] if one["weight"]}

    def actions(self) -> list[str]:
        return [change.action for _, change in self.kept.changes]

    def act(self, verb: str, **more: Any) -> dict[str, Any]:
        """Carries out a person's command, past the controller."""
        return act(self.api, NAMESPACE, Command(verb=verb, model="digits", actor="ada", reason="why", **more))
