"""The way to an environment on a cluster: through its API server, with the rights of whoever asks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shipway.contract.documents import parse, parse_json
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.errors import Fatal, Retryable
from shipway.contract.kubeconfig import cluster_of, find_kubeconfig
from shipway.contract.kubernetes import models_namespace, platform_namespace
from shipway.contract.metrics import DELIVERY_JOB, Slot
from shipway.contract.rollout import Look
from shipway.contract.route import RouteSpec
from shipway.delivery import survey
from shipway.delivery.cluster import client
from shipway.delivery.cluster.api import CONFIG_MAPS
from shipway.delivery.cluster.connect import HttpApi, connect
from shipway.delivery.cluster.settings import SETTINGS_FILE, DeliverySettings
from shipway.delivery.control import Command
from shipway.delivery.controller import utc_now
from shipway.delivery.ledger import Ledger
from shipway.delivery.reach import Running
from shipway.delivery.served import ServedModel
from shipway.delivery.shown import look_at
from shipway.delivery.survey import Get

__all__ = ["ClusterReach", "cluster_reach", "service_path"]

_HTTP_PORT = 80
_READY = "READY"
_WRITTEN_LAST = "as the delivery process wrote it onto the route last, a few seconds ago at most while it runs"


def cluster_reach(root: Path, environment: EnvironmentSpec) -> "ClusterReach":
    """Returns the way to the cluster of `environment`.

    Raises:
        SpecError: when it runs on none, or no kubeconfig has its context.
    """
    cluster = cluster_of(root, environment)
    api = connect(find_kubeconfig(root, environment), cluster.context)
    return ClusterReach(api, environment.name, models_namespace(environment.name), cluster.object_storage.endpoint_url)


def service_path(url: str) -> str:
    """Returns the path by which the API server passes a request on to a Service; empty for an address that is none.

    >>> service_path("http://prometheus.monitoring.svc:9090")
    '/api/v1/namespaces/monitoring/services/http:prometheus:9090/proxy'
    >>> service_path("https://prometheus.example.com")
    ''
    """
    parts = urlsplit(url)
    name, _, rest = (parts.hostname or "").partition(".")
    namespace, _, domain = rest.partition(".")
    if not namespace or (domain != "svc" and not domain.startswith("svc.") and domain):
        return ""
    return f"/api/v1/namespaces/{namespace}/services/{parts.scheme}:{name}:{parts.port or _HTTP_PORT}/proxy"


@dataclass
class ClusterReach:
    """The way to one environment on a cluster.

    Args:
        api: the API server.
        environment: the environment's name.
        namespace: the models' own.
        endpoint_url: of the object store, where it is not AWS's own.
    """

    api: HttpApi
    environment: str
    namespace: str
    endpoint_url: str | None = None

    @cached_property
    def settings(self) -> DeliverySettings:
        """What the delivery process was told: where monitoring and records are is written once."""
        namespace = platform_namespace(self.environment)
        found = self.api.read(CONFIG_MAPS, namespace, DELIVERY_JOB)
        where = f"ConfigMap {DELIVERY_JOB} in {namespace}"
        if found is None:
            raise Fatal(f"{where}: not there, expected it: `pulumi up -s {self.environment}` makes the platform")
        data: Mapping[str, str] = found.get("data") or {}
        return parse(DeliverySettings, parse_json(data.get(SETTINGS_FILE, ""), where), where)

    @property
    def ledger(self) -> Ledger:
        """The ledger in the object store, with the caller's own credentials."""
        return client.ledger(self.settings.records, self.endpoint_url)

    @property
    def prometheus(self) -> Get:
        """Asks Prometheus through the API server."""
        return self._asking(self.settings.prometheus_url)

    @property
    def alertmanager(self) -> Get:
        """Asks Alertmanager through the API server."""
        return self._asking(f"http://{self.settings.alertmanager}")

    @property
    def asked(self) -> str:
        """Where Prometheus is asked."""
        return f"at {self.settings.prometheus_url}"

    def served(self) -> Mapping[str, ServedModel]:
        """Returns what the routes carry."""
        return client.served(self.api, self.namespace)

    def declared(self) -> Mapping[str, RouteSpec]:
        """Returns what the ConfigMaps of the models declare."""
        return self._standing().declared

    def problems(self) -> Mapping[str, str]:
        """Returns what is wrong with routes and declarations, and what the gateway has not confirmed."""
        return self._standing().problems

    def act(self, command: Command) -> dict[str, Any]:
        """Returns what was done, in one write of the route as it was read."""
        return client.act(self.api, self.namespace, command)

    def looks(self) -> Mapping[str, Look]:
        """Returns what is under way, as the routes say; the delivery process writes them every few seconds."""
        shown = {name: look_at(entry, utc_now(), _WRITTEN_LAST) for name, entry in self.served().items()}
        return {name: look for name, look in shown.items() if look is not None}

    def history(self, model: str, rollout: int) -> Iterable[Look]:
        """Returns the looks in the object store."""
        return client.history(self.settings.records, model, rollout, endpoint_url=self.endpoint_url)

    def judged(self) -> Mapping[tuple[str, int], str]:
        """Returns nothing: reading every rollout's first look takes a request each, and the ledger names them all."""
        return {}

    def running(self, served: Mapping[str, ServedModel]) -> Running:
        """Returns whether each filled slot has pods of its version that are ready."""
        try:
            standing = self._standing()
        except Retryable as error:
            return Running({}, silent=f"everything ({error})")
        states = {
            f"{model}-{slot}": standing.readiness[model].problems.get(slot, _READY)
            for model, spec in sorted(standing.declared.items())
            for slot in Slot
            if spec.endpoint(slot).digest
        }
        return Running(states, tuple(name for name, state in states.items() if state != _READY), noun="slots")

    def _standing(self) -> client.Standing:
        return client.standing(self.api, self.namespace)

    def _asking(self, url: str) -> Get:
        path = service_path(url)
        if not path:
            return survey.web(url)
        return lambda asked: self.api.get(f"{path}{asked}")
