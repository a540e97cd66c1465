"""What a gateway and the slots behind it would do: requests split by a route's weights, counted, and really scraped."""

import http.server
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml

from shipway.contract import metrics
from shipway.contract.errors import Retryable
from shipway.contract.metrics import LATENCY_EDGES_SECONDS, MODELS_JOB, PREDICTION_BINS, Outcome, Slot
from shipway.contract.release import short_digest
from shipway.delivery.cluster.api import HTTP_ROUTES, Document
from shipway.delivery.cluster.connect import HttpApi
from shipway.delivery.cluster.route import token_of
from tests.components.kubernetes.cluster import FIRST, SECOND
from tests.e2e.machine import free_port
from tests.faults.rig import find_prometheus
from tests.shipway.delivery.cluster.objects import parents
from tests.shipway.delivery.stack import wait_until

__all__ = ["Alertmanager", "Gateway", "Pods", "Prometheus"]

ROUND_SECONDS = 0.05
REQUESTS_A_ROUND = 40
# Two pods of blue and one of green: each is scraped by itself, under an address of its own.
INSTANCES = {Slot.BLUE: ("10.244.0.1:8080", "10.244.0.2:8080"), Slot.GREEN: ("10.244.0.3:8080",)}


class Pods(http.server.ThreadingHTTPServer):
    """Every pod's page of counters, at a path of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.totals: dict[str, Counter[str]] = {one: Counter() for ones in INSTANCES.values() for one in ones}
        self.error_ratio: dict[Slot, float] = dict.fromkeys(Slot, 0.0)
        self._owed: Counter[str] = Counter()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def serve(self, weights: Mapping[str, int]) -> None:
        """Counts one round of requests, split as `weights` says; every slot's share is split over its pods."""
        whole = sum(weights.values())
        for slot in Slot:
            share = weights.get(f"digits-{slot}", 0) / whole if whole else 0.0
            for one in INSTANCES[slot]:
                self._owed[one] += REQUESTS_A_ROUND * share / len(INSTANCES[slot])  # type: ignore[assignment]
                served, self._owed[one] = int(self._owed[one]), self._owed[one] % 1  # type: ignore[assignment]
                self._owed[f"{one} errors"] += served * self.error_ratio[slot]  # type: ignore[assignment]
                bad = int(self._owed[f"{one} errors"])
                self._owed[f"{one} errors"] %= 1
                self.totals[one].update({Outcome.OK: served - bad, Outcome.ERROR: bad})


class _Page(http.server.BaseHTTPRequestHandler):
    server: Pods

    def do_GET(self) -> None:
        totals = self.server.totals[self.path.removeprefix("/")]
        body = "".join(f"{line}\n" for line in _lines(totals)).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keeps the test's output readable."""


class Alertmanager(http.server.ThreadingHTTPServer):
    """Stands in for Alertmanager: remembers the names of what it was told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Told)
        self.told: list[str] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


class _Told(http.server.BaseHTTPRequestHandler):
    server: Alertmanager

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.told += [one["labels"]["alertname"] for one in body]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps the test's output readable."""


def _lines(totals: "Counter[str]") -> list[str]:
    counted = dict(totals)
    requests = sum(counted.values())
    found = [f'{metrics.REQUESTS_TOTAL}{{outcome="{one}"}} {counted.get(one, 0)}' for one in Outcome]
    edges = [*map(repr, LATENCY_EDGES_SECONDS), "+Inf"]
    found += [f'{metrics.REQUEST_SECONDS}_bucket{{le="{edge}"}} {requests}' for edge in edges]
    found += [f'{metrics.FALLBACKS_TOTAL}{{source="constant"}} 0']
    found += [f"{name} 0" for name in (metrics.FEATURE_MISSING_REQUESTS_TOTAL, metrics.UNITS_TOTAL)]
    return found + [
        f'{metrics.UNIT_PREDICTION_BIN_TOTAL}{{reference="{short_digest(digest)}",bin="{number}"}} 0'
        for digest in (FIRST, SECOND)
        for number in range(PREDICTION_BINS)
    ]


class Prometheus:
    """A real Prometheus that scrapes every pod once a second, labelled as a ServiceMonitor labels them."""

    def __init__(self, folder: Path, pods: Pods, environment: str) -> None:
        folder.mkdir()
        self.port = free_port()
        groups = [
            {
                "targets": [f"127.0.0.1:{pods.server_address[1]}"],
                "labels": {
                    "__metrics_path__": f"/{one}",
                    "instance": one,
                    "env": environment,
                    "model": "digits",
                    "slot": str(slot),
                },
            }
            for slot in Slot
            for one in INSTANCES[slot]
        ]
        jobs = [{"job_name": MODELS_JOB, "static_configs": groups}]
        (folder / "prometheus.yml").write_text(
            yaml.safe_dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs})
        )
        arguments = [
            find_prometheus(),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=folder)
        wait_until(self._ready, "Prometheus is ready", 30)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/-/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@dataclass
class Gateway:
    """Stands in for Envoy Gateway and its Envoy: confirms what it reads of a route, and splits requests as it says.

    Args:
        api: the API server, with a gateway's rights.
        namespace: where the route is.
        pods: who answers.
        seen: resourceVersion, token and weights of every route it read, in order.
    """

    api: HttpApi
    namespace: str
    pods: Pods
    seen: list[tuple[int, int, dict[str, int]]] = field(default_factory=list[tuple[int, int, dict[str, int]]])
    weights: dict[str, int] = field(default_factory=dict[str, int])
    confirms: bool = True
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def changes(self) -> list[dict[str, int]]:
        """Returns the weights that were served one after the other."""
        found: list[dict[str, int]] = []
        for _, _, weights in list(self.seen):
            if not found or found[-1] != weights:
                found.append(weights)
        return found

    def _run(self) -> None:
        while not self._stopping.wait(ROUND_SECONDS):
            try:
                route = self.api.read(HTTP_ROUTES, self.namespace, "digits")
                if route is not None:
                    self._take(route)
            except Retryable:
                # As Envoy does: without the API server it serves what it knows.
                pass
            self.pods.serve(self.weights)

    def _take(self, route: Document) -> None:
        (rule,) = route["spec"]["rules"]
        weights = {one["name"]: one["weight"] for one in rule.get("backendRefs", []) if one["weight"]}
        version, token = int(route["metadata"]["resourceVersion"]), token_of(route)
        if not self.seen or self.seen[-1][0] != version:
            self.seen.append((version, token, weights))
        if not self.confirms:
            return
        self.weights = weights
        generation = route["metadata"]["generation"]
        said = route.get("status", {}).get("parents", [])
        if not said or said[0]["conditions"][0]["observedGeneration"] != generation:
            status = {"parents": parents(generation)}
            operations = [{"op": "add", "path": "/status", "value": status}]
            self.api.patch(HTTP_ROUTES, self.namespace, "digits/status", operations)
