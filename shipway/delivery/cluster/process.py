"""The delivery process on a cluster: one of its copies holds the Lease and follows the routes, the others wait."""

import socket
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

from shipway.contract.errors import Retryable
from shipway.contract.metrics import MODELS_JOB
from shipway.delivery.alarms import Alarm, Notifier, alarms
from shipway.delivery.cluster.api import Api
from shipway.delivery.cluster.connect import connect
from shipway.delivery.cluster.lease import RENEW_SECONDS, Lease
from shipway.delivery.cluster.records import ObjectRecords
from shipway.delivery.cluster.settings import HISTORY, LEDGER, DeliverySettings, read_settings
from shipway.delivery.cluster.target import ClusterTarget
from shipway.delivery.controller import Controller, utc_now
from shipway.delivery.ledger import Ledger
from shipway.delivery.measures import Measures
from shipway.delivery.process import say, stopping_on_signals
from shipway.delivery.prometheus import Prometheus
from shipway.delivery.rollouts import Rollouts, Scrapes
from shipway.objects.storage import ObjectStorage
from shipway.observability.worker import EVERYWHERE, exposed

__all__ = ["scrapes", "serve_cluster"]

# Each round reads five lists from the API server; slots are scraped every few seconds at the most.
POLL_SECONDS, COMPARING_POLL_SECONDS = 2.0, 0.5
# A Prometheus of a whole cluster answers slower than one on loopback; rollbacks wait for it no longer than this.
PROMETHEUS_TIMEOUT_SECONDS = 2.0
# A sample is news until the third scrape after it should be there.
_SCRAPES = 2.5


def scrapes(settings: DeliverySettings) -> Scrapes:
    """Returns which series hold the evidence: monitors scrape all slots alike, whether they are compared or not."""
    window_seconds = _SCRAPES * settings.scrape_interval_seconds
    # An HTTPRoute's weights are drawn for each request.
    return Scrapes(MODELS_JOB, window_seconds, MODELS_JOB, window_seconds, settings.environment, callers_stay=False)


def serve_cluster(config: Path, metrics_port: int, kubeconfig: Path | None = None) -> None:
    """Owns the weights of an environment, or waits to, until SIGTERM or SIGINT.

    Args:
        config: the file of its settings.
        metrics_port: where it shows its metrics.
        kubeconfig: the way to the cluster, None in a pod.

    Raises:
        SpecError: for settings or an access that is wrong; nothing was changed.
    """
    settings = read_settings(config)
    records, stopping, measures = _records(settings), stopping_on_signals(), Measures()
    holder = f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
    page = exposed(measures.registry, "delivery", metrics_port, EVERYWHERE)
    with connect(kubeconfig) as api, page, records.running():
        lease = Lease(api, settings.lease.namespace, settings.lease.name, holder)
        said: dict[str, str] = {}
        while not stopping.is_set():
            if lease.hold():
                _Tenure(settings, api, lease, records, measures, stopping).run()
                continue
            problems = {"lease": lease.problem} if lease.problem else {}
            said = say(problems, said)
            measures.show({}, problems, leads=False)
            stopping.wait(RENEW_SECONDS)
        lease.release()


@dataclass
class _Tenure:
    """The time from taking the Lease to losing it or giving it back; what is remembered ends with it."""

    settings: DeliverySettings
    api: Api
    lease: Lease
    records: ObjectRecords
    measures: Measures
    stopping: threading.Event

    def run(self) -> None:
        """Acts while this copy holds the Lease, and watches in its place while nobody can take it."""
        host, _, port = self.settings.alertmanager.rpartition(":")
        notifier, controller, number = Notifier(int(port), host=host), self._controller(), self.lease.token()
        said: dict[str, str] = {}
        standing: list[Alarm] = []
        print(f"{self.lease.holder} holds the Lease, tenure {number}", flush=True)
        with notifier.running():
            loaded = False
            while not self.stopping.is_set() and self._goes_on(number):
                loaded = loaded or _loads(controller)
                if loaded:
                    controller.tick()
                said = say(controller.problems, said)
                self.measures.show(controller.served, controller.problems)
                standing = alarms(
                    controller.newest, controller.problems, standing, utc_now(), self.settings.runbook_url
                )
                notifier.show(standing)
                self.stopping.wait(COMPARING_POLL_SECONDS if controller.comparing else POLL_SECONDS)

    def _goes_on(self, number: int) -> bool:
        # While the API server is away this copy may not write, but it is the one that knows what to raise an alarm for.
        return self.lease.token() == number if self.lease.hold() else bool(self.lease.problem)

    def _controller(self) -> Controller:
        settings = self.settings
        target = ClusterTarget(self.api, settings.models_namespace, self.lease, self.records.entered)
        prometheus = Prometheus.at(settings.prometheus_url, PROMETHEUS_TIMEOUT_SECONDS)
        rollouts = Rollouts(prometheus, utc_now, scrapes=scrapes(settings))
        return Controller(target, self.records, rollouts, utc_now)


def _loads(controller: Controller) -> bool:
    try:
        controller.load()
    except Retryable as error:
        controller.problems = {"gateway": str(error)}
        return False
    return True


def _records(settings: DeliverySettings) -> ObjectRecords:
    ledger = ObjectStorage(f"{settings.records}/{LEDGER}")
    return ObjectRecords(Ledger(ledger), ObjectStorage(f"{settings.records}/{HISTORY}"), ledger.check)
