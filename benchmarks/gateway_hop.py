"""What the gateway adds beside the least Envoy can add: `python -m benchmarks.gateway_hop [--requests 6000]`.

Both proxies route to the same upstream, a process that answers at once. One has a listener, a route and a cluster and
nothing else; the other is configured by delivery as in production: sticky weights, health checks, body limit, retries.
Requests alternate between the two in short blocks, one connection each, so that whatever the machine does hits both.
"""

import argparse
import asyncio
import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.ports import free_ports
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import Slot
from shipway.contract.release import short_digest
from shipway.contract.route import RolloutState, RouteSpec, SlotEndpoint, read_rollout_states
from shipway.delivery.controller import Controller, utc_now
from shipway.delivery.envoy.admin import Admin
from shipway.delivery.local import local_controller
from shipway.delivery.prometheus import Prometheus
from shipway.delivery.rollouts import Rollouts

__all__ = ["main"]

AT_MOST_RATIO = 1.10
FILTERS = "type.googleapis.com/envoy.extensions.filters"
BLOCK_REQUESTS = 100
DIGEST = "sha256:" + "a" * 64
BODY = json.dumps({"rows": [{"distance": 733}], "unit_id": "one"}).encode()
MODEL = "echo"


async def upstream(port: int) -> None:
    """Answers every request at once, from one process, for as long as it lives."""
    head = f"HTTP/1.1 200 OK\r\nx-model-version: {short_digest(DIGEST)}\r\ncontent-length: 2\r\n\r\n"
    answer = head.encode() + b"{}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).lower()
                _, found, rest = request.partition(b"content-length:")
                if found:
                    await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()


def least(port: int, admin: int, to: int) -> dict[str, Any]:
    """Returns the smallest configuration that proxies `port` to `to`."""
    manager = {
        "@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "least",
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "one"}}]}
            ]
        },
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": f"{FILTERS}.http.router.v3.Router"},
            }
        ],
    }
    endpoint = {"endpoint": {"address": address(to)}}
    return {
        "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": [
                {"address": address(port), "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}
            ],
            "clusters": [
                {"name": "one", "load_assignment": {"cluster_name": "one", "endpoints": [{"lb_endpoints": [endpoint]}]}}
            ],
        },
    }


def address(port: int) -> dict[str, Any]:
    """Returns Envoy's words for a loopback port."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@contextmanager
def running(*words: str) -> Iterator[None]:
    """Runs a process for the block."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def serve_as_in_production(layout: LocalLayout, port: int, admin: int, to: int) -> Controller:
    """Writes the files delivery writes for one model in its blue slot, and returns the controller."""
    spec = RouteSpec(
        model=MODEL,
        owner="benchmark",
        blue=SlotEndpoint(port=to, digest=DIGEST),
        green=SlotEndpoint(port=to),
        timeout_seconds=10,
        max_body_bytes=1_048_576,
    )
    layout.routes.mkdir(parents=True)
    (layout.routes / f"{MODEL}.json").write_text(spec.model_dump_json())
    # No rollout is judged here: port 0 is nobody's.
    rollouts = Rollouts(Prometheus(0), utc_now)
    controller = local_controller(layout, port, Admin(admin).read, rollouts)
    controller.prepare()
    folder = layout.served_routes.parent

    def source(kind: str) -> dict[str, Any]:
        path = {"path": str(folder / f"{kind}.json"), "watched_directory": {"path": str(folder)}}
        return {"resource_api_version": "V3", "path_config_source": path}

    bootstrap = {
        "node": {"id": "benchmark", "cluster": "benchmark"},
        "admin": {"address": address(admin)},
        "dynamic_resources": {"cds_config": source("cds"), "lds_config": source("lds")},
    }
    (layout.envoy / "bootstrap.json").write_text(json.dumps(bootstrap))
    return controller


def await_live(controller: Controller, layout: LocalLayout) -> None:
    """Ticks as the delivery process does until the slot is live."""
    deadline = time.monotonic() + 20
    while read_rollout_states(layout.served_routes).get(MODEL, RolloutState()).live is not Slot.BLUE:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the slot did not go live: {controller.problems}")
        controller.tick()
        time.sleep(0.05)


def block(connection: http.client.HTTPConnection, path: str, count: int) -> list[float]:
    """Returns the milliseconds of `count` requests, one after the other."""
    found: list[float] = []
    for number in range(count):
        start = time.perf_counter()
        connection.request("POST", path, BODY, {"content-type": "application/json", "x-unit-id": str(number)})
        response = connection.getresponse()
        response.read()
        found.append((time.perf_counter() - start) * 1000)
        if response.status != http.client.OK:
            raise RuntimeError(f"{path} answered {response.status}")
    return found


def measure(requests: int) -> float:
    """Prints both medians and returns their ratio."""
    envoy = shutil.which("envoy")
    if envoy is None:
        raise FileNotFoundError("no envoy on PATH: `make setup`, then `source .shipway/env`")
    to, least_port, least_admin, port, admin = free_ports(5)
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    with tempfile.TemporaryDirectory(prefix="shipway-hop-") as folder, ExitStack() as stack:
        root = Path(folder)
        layout = LocalLayout(root, "benchmark")
        (root / "least.json").write_text(json.dumps(least(least_port, least_admin, to)))
        controller = serve_as_in_production(layout, port, admin, to)
        stack.enter_context(running(sys.executable, "-m", "benchmarks.gateway_hop", "--upstream", str(to)))
        stack.enter_context(running(envoy, "-c", str(root / "least.json"), *options))
        stack.enter_context(running(envoy, "-c", str(layout.envoy / "bootstrap.json"), *options))
        await_live(controller, layout)
        ways = {
            "least": (http.client.HTTPConnection("127.0.0.1", least_port, timeout=10), "/predict"),
            "ours": (http.client.HTTPConnection("127.0.0.1", port, timeout=10), f"/{MODEL}/predict"),
        }
        for connection, path in ways.values():
            block(connection, path, 3 * BLOCK_REQUESTS)
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(requests // BLOCK_REQUESTS):
            for name, (connection, path) in ways.items():
                taken[name] += block(connection, path, BLOCK_REQUESTS)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    ratio = medians["ours"] / medians["least"]
    print(f"least Envoy   p50 {medians['least']:.3f} ms")
    print(f"the gateway   p50 {medians['ours']:.3f} ms")
    print(f"ratio             {ratio:.3f}   at most {AT_MOST_RATIO}{'' if ratio <= AT_MOST_RATIO else '   MISSED'}")
    return ratio


def main() -> int:
    """Runs the measurement; exit code 1 when the ratio misses its bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=6000, help="through each proxy")
    parser.add_argument("--upstream", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.upstream:
        asyncio.run(upstream(options.upstream))
        return 0
    return int(measure(options.requests) > AT_MOST_RATIO)


if __name__ == "__main__":
    sys.exit(main())
