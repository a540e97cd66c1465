"""The local target: routes in files, a gateway that watches them, slots on loopback."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import Slot
from shipway.contract.route import RouteSpec, SlotEndpoint
from shipway.delivery.controller import Controller, utc_now
from shipway.delivery.decide import Readiness
from shipway.delivery.declared import Declared, DeclaredRoutes
from shipway.delivery.envoy.admin import Report
from shipway.delivery.envoy.clusters import fallback_cluster, slot_cluster
from shipway.delivery.envoy.configuration import Document, compose_clusters, compose_listener, compose_routes
from shipway.delivery.envoy.files import EnvoyFiles
from shipway.delivery.readiness import GATEWAY_BEHIND, Probes, probe, readiness
from shipway.delivery.records import FileRecords
from shipway.delivery.rollouts import Rollouts
from shipway.delivery.served import ServedModel, load_served
from shipway.delivery.targets import RolloutTargets

__all__ = ["LocalTarget", "local_controller"]

# How often the gateway is asked again while it lags behind a slot that says of itself that it is ready.
_LAG_POLL_SECONDS = 0.1


@dataclass
class LocalTarget:
    """The target of one local stack.

    Args:
        layout: where the stack's files lie.
        gateway_port: where the gateway listens.
        report: reads the gateway's own view; raises Retryable when it does not answer.
        ask: returns what is wrong with a model's endpoint, empty when nothing is.
        clock: seconds on a clock that only grows.
    """

    layout: LocalLayout
    gateway_port: int
    report: Callable[[], Report]
    ask: Callable[[str, SlotEndpoint], str] = probe
    clock: Callable[[], float] = time.monotonic
    _composed: tuple[Mapping[str, ServedModel], dict[str, Document]] | None = None
    _latest: Report | None = None

    def __post_init__(self) -> None:
        self._files = EnvoyFiles(self.layout.envoy, self.report)
        self._declared = DeclaredRoutes(self.layout.routes)
        self._probes = Probes(self.ask, self.clock)
        self._targets = RolloutTargets(self.layout.rollout_targets, self.layout.environment)

    def declared(self) -> Declared:
        """Returns what the files of routes/ declare."""
        return self._declared.read()

    def load(self) -> dict[str, ServedModel]:
        """Returns what the gateway's route file serves."""
        return load_served(self.layout)

    def prepare(self, served: Mapping[str, ServedModel]) -> None:
        """Writes the files that a gateway needs to start, where they are missing or torn."""
        for kind, document in self._documents(served).items():
            if not self._files.in_place(kind, document):
                self._files.prepare(kind, document)

    def refresh(self, served: dict[str, ServedModel]) -> dict[str, ServedModel]:
        """Asks the gateway; the files have one writer, so what is served is as before."""
        self._latest = self.report()
        return served

    def settle(self, served: Mapping[str, ServedModel]) -> str:
        """Makes sure that the gateway runs what is believed to be served, also after a crash between two files."""
        self._files.apply(list(self._documents(served).items()), self._latest)
        return self._files.not_kept

    def serve(self, model: str, before: Mapping[str, ServedModel], after: Mapping[str, ServedModel]) -> None:
        """Writes the gateway's files, each confirmed by the gateway before the next."""
        current, following = before.get(model), after.get(model)
        order = ("cds", "rds") if following is not None else ("rds", "cds")
        # Weights and state are on the route alone: a rollback need not wait for anything else to be composed.
        if current is not None and following is not None and current.spec == following.spec:
            order = ("rds",)
            self._composed = (after, self._documents(before) | {"rds": compose_routes(after)})
        documents = self._documents(after)
        self._files.apply([(kind, documents[kind]) for kind in order])

    def unconfirmed(self, model: str) -> str:
        """Returns nothing: what the gateway does not confirm is taken back at once."""
        return ""

    def readiness(self, spec: RouteSpec, patience_seconds: float = 0.0) -> Readiness:
        """Returns which slots are ready, asking each now."""
        if not patience_seconds:
            return readiness(spec, self._report(), self.ask)
        deadline = time.monotonic() + patience_seconds
        while True:
            ready = readiness(spec, self.report(), self.ask)
            if GATEWAY_BEHIND not in ready.problems.values() or time.monotonic() > deadline:
                return ready
            time.sleep(_LAG_POLL_SECONDS)

    def watch(self, specs: Mapping[str, RouteSpec], due: Collection[str]) -> Mapping[str, Readiness]:
        """Returns which slots are ready by the answers of the last half second, or by the last word of a late one."""
        self._probes.refresh(specs, due)
        return {model: readiness(specs[model], self._report(), self._probes) for model in due}

    def failed(self, model: str) -> Mapping[Slot, int]:
        """Returns the gateway's count of attempts without an answer."""
        counts = self._report().failed
        both = (slot_cluster, fallback_cluster)
        return {slot: sum(counts.get(cluster(model, slot), 0) for cluster in both) for slot in Slot}

    def attend(self, served: Mapping[str, ServedModel]) -> Mapping[str, str]:
        """Tells Prometheus which slots to scrape often."""
        try:
            self._targets.show({name: (model.spec, model.state) for name, model in served.items()})
        except OSError as error:
            return {"prometheus": f"{self.layout.rollout_targets}: cannot be written ({error.strerror})"}
        return {}

    def _report(self) -> Report:
        return self._latest or self.report()

    def _documents(self, models: Mapping[str, ServedModel]) -> dict[str, Document]:
        """Returns the files in the order in which they may be applied when nothing is removed."""
        if self._composed is None or self._composed[0] is not models:
            composed = {
                "cds": compose_clusters(models),
                "lds": compose_listener(self.gateway_port, self._files.dynamic),
                "rds": compose_routes(models),
            }
            self._composed = (models, composed)
        return self._composed[1]


def local_controller(
    layout: LocalLayout, gateway_port: int, report: Callable[[], Report], rollouts: Rollouts
) -> Controller:
    """Returns the controller of a local stack; whoever uses it holds its lease."""
    return Controller(LocalTarget(layout, gateway_port, report), FileRecords(layout), rollouts, utc_now)
