import os
import signal
import socket
from collections.abc import Callable, Iterator

import httpx
import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from shipway.contract.errors import Fatal
from shipway.observability.worker import LastRound, exposed, run_rounds


class Page(Collector):
    def __init__(self, reading: Callable[[], int | None]) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        reading = self._reading()
        if reading is not None:
            yield GaugeMetricFamily("turns", "How many turns there were.", value=reading)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def handlers() -> Iterator[None]:
    """Gives back what a worker takes: the process's own way with signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_last_finished_round_is_shown() -> None:
    """Before the first there is nothing to see."""
    measures = LastRound[int]("turning", Page)
    assert measures.registry.get_sample_value("turns") is None
    measures.show(3)
    assert measures.registry.get_sample_value("turns") == 3


def test_a_taken_port_is_one_clear_error() -> None:
    """It names what could not be served, and where."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = int(holder.getsockname()[1])
        with pytest.raises(Fatal) as caught, exposed(CollectorRegistry(), "turning", taken):
            pytest.fail("it listens on a port that is taken")
    assert str(caught.value) == f"cannot serve the metrics of turning on port {taken} (Address already in use)"


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_turns_are_taken_and_shown_until_a_signal(port: int, number: signal.Signals) -> None:
    """A page of the turn before is answered during the next; a signal ends the process well, and the port is free."""
    seen: list[str] = []

    def turn() -> int:
        if len(seen) == 2:
            os.kill(os.getpid(), number)
        seen.append(httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text)
        return len(seen)

    with pytest.raises(SystemExit) as ended:
        run_rounds(LastRound[int]("turning", Page), turn, 0.0, port)
    assert ended.value.code == 0
    assert ["turns 1.0" in page for page in seen] == [False, True]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
