"""What every worker of the platform does alike: rounds until it is told to stop, and the metrics of the last one."""

import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shipway.contract.errors import Fatal
from shipway.contract.metrics import HEARTBEAT_TIMESTAMP_SECONDS

__all__ = ["EVERYWHERE", "LOOPBACK", "LastRound", "exposed", "heartbeat", "run_rounds"]

# Where a worker of a laptop shows its metrics, and where one in a pod does: its NetworkPolicy says who may ask.
LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104

R = TypeVar("R")


@contextmanager
def exposed(registry: CollectorRegistry, whose: str, port: int, address: str = LOOPBACK) -> Generator[None]:
    """Serves the metrics of `whose` on `port` while the block runs.

    Raises:
        Fatal: when somebody else listens there.
    """
    try:
        server, thread = start_http_server(port, addr=address, registry=registry)
    except OSError as error:
        raise Fatal(f"cannot serve the metrics of {whose} on port {port} ({error.strerror})") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def heartbeat(job: str, worked_seconds: float) -> GaugeMetricFamily:
    """Returns the heartbeat of `job`: when it last did its work, in seconds since the epoch."""
    family = GaugeMetricFamily(HEARTBEAT_TIMESTAMP_SECONDS, "When the job last did its work.", labels=("job",))
    family.add_metric((job,), worked_seconds)
    return family


class LastRound(Generic[R]):
    """The metrics of the last finished round; before the first there are none.

    A page that showed half of a round would look, after a restart, as if counters had fallen and grown again.

    Args:
        whose: the worker's name.
        page: makes the collector that shows a round; it asks for the last one, None before the first.
    """

    def __init__(self, whose: str, page: Callable[[Callable[[], R | None]], Collector]) -> None:
        self.registry, self.whose = CollectorRegistry(), whose
        self._reading: R | None = None
        self.registry.register(page(lambda: self._reading))

    def show(self, reading: R) -> None:
        """Shows one finished round."""
        self._reading = reading


def run_rounds(
    measures: LastRound[R], turn: Callable[[], R], every_seconds: float, port: int, address: str = LOOPBACK
) -> None:
    """Takes one turn after the other and shows it, until SIGTERM or SIGINT.

    A signal ends the turn wherever it is: a worker keeps what counts on disk, whole or not at all.

    Args:
        measures: where a turn is shown.
        turn: does a round's work and returns what is known after it.
        every_seconds: between the end of a turn and the next.
        port, address: of the metrics.

    Raises:
        Fatal: when somebody else listens on the port.
    """
    stopping: list[int] = []

    def stop(signum: int, _: FrameType | None) -> None:
        if not stopping:
            stopping.append(signum)
            raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with exposed(measures.registry, measures.whose, port, address):
        while not stopping:
            measures.show(turn())
            time.sleep(every_seconds)
