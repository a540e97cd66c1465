"""Whether a slot may take traffic: the gateway finds it healthy, and it answers for the digest that is declared."""

import http.client
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from shipway.contract.metrics import Slot
from shipway.contract.release import short_digest
from shipway.contract.route import RouteSpec, SlotEndpoint
from shipway.delivery.decide import Readiness
from shipway.delivery.envoy.admin import Report
from shipway.delivery.envoy.clusters import slot_cluster

__all__ = ["GATEWAY_BEHIND", "NOT_ASKED", "VERSION_HEADER", "Probes", "probe", "readiness"]

# What a slot says of itself with every answer.
VERSION_HEADER = "x-model-version"
PROBE_TIMEOUT_SECONDS = 0.5
# How long a slot's own word on its version is believed while its rollout is judged.
PROBE_SECONDS = 0.5
# How long a round waits for answers: a sound slot takes a few milliseconds, and one that hangs holds up nobody else.
PROBE_WAIT_SECONDS = 0.05
_PROBES_AT_ONCE = 16
GATEWAY_BEHIND = "the gateway has not found it healthy yet"

# For a model whose next state does not depend on readiness: asking forty slots four times a second costs a core.
NOT_ASKED = Readiness(dict.fromkeys(Slot, "it was not asked"))


def readiness(spec: RouteSpec, report: Report, ask: Callable[[str, SlotEndpoint], str]) -> Readiness:
    """Returns what keeps each slot of `spec` from taking traffic.

    Args:
        spec: the declared route.
        report: the gateway's view.
        ask: returns what is wrong with a model's endpoint, empty when nothing is; `probe` outside tests.
    """
    problems: dict[Slot, str] = {}
    for slot in Slot:
        endpoint = spec.endpoint(slot)
        if not endpoint.digest:
            problems[slot] = "nothing was released into it"
        elif problem := ask(spec.model, endpoint):
            problems[slot] = problem
        elif slot_cluster(spec.model, slot) not in report.healthy:
            problems[slot] = GATEWAY_BEHIND
    return Readiness(problems)


def probe(model: str, endpoint: SlotEndpoint) -> str:
    """Returns why the process behind `endpoint` does not serve the declared digest of `model`, empty when it does."""
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=PROBE_TIMEOUT_SECONDS)
    try:
        for path in ("/readyz", f"/v2/models/{model}"):
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            if response.status != http.client.OK:
                return f"port {endpoint.port} answered {response.status} at {path}"
    except TimeoutError:
        return f"port {endpoint.port} gave no answer within {PROBE_TIMEOUT_SECONDS:g} s"
    except (OSError, http.client.HTTPException) as error:
        return f"port {endpoint.port} cannot be reached ({error or type(error).__name__})"
    finally:
        connection.close()
    version, expected = response.getheader(VERSION_HEADER), short_digest(endpoint.digest)
    if version != expected:
        return f"port {endpoint.port} serves version {version}, expected {expected}"
    return ""


@dataclass
class _Known:
    """What is known of one endpoint: an answer, the time of it, and the question that is under way."""

    answer: str = "it has not answered yet"
    answered_at_seconds: float = float("-inf")
    asked: Future[tuple[str, float]] | None = None


@dataclass
class Probes:
    """What the slots say of themselves, as of at most `PROBE_SECONDS` ago; all are asked side by side.

    One that is late keeps its last word until its answer comes or its time is over, which is an answer too.

    Args:
        ask: returns what is wrong with a model's endpoint, empty when nothing is; called in threads.
        clock: seconds on a clock that only grows.
    """

    ask: Callable[[str, SlotEndpoint], str]
    clock: Callable[[], float] = time.monotonic
    _known: dict[tuple[str, SlotEndpoint], _Known] = field(default_factory=dict[tuple[str, SlotEndpoint], _Known])
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_PROBES_AT_ONCE, thread_name_prefix="probe")
    )

    def refresh(self, specs: Mapping[str, RouteSpec], due: Collection[str]) -> None:
        """Asks every released slot of the models that are `due` and was not asked lately.

        What others of `specs` said is remembered: a guard is due once a second, and a slot that takes a moment to
        answer would begin as an unknown one each time. All that is not in `specs` is forgotten.
        """
        wanted = {
            (spec.model, endpoint)
            for spec in specs.values()
            for slot in Slot
            if (endpoint := spec.endpoint(slot)).digest
        }
        self._known = {key: self._known.get(key) or _Known() for key in wanted}
        # What came since the last round first: it is of then, and must not stand in the way of a new question.
        self._collect()
        now, judged = self.clock(), {key: one for key, one in self._known.items() if key[0] in due}
        for key, one in judged.items():
            if one.asked is None and now - one.answered_at_seconds > PROBE_SECONDS:
                one.asked = self._threads.submit(self._answer, *key)
        wait([one.asked for one in judged.values() if one.asked], PROBE_WAIT_SECONDS)
        self._collect()

    def __call__(self, model: str, endpoint: SlotEndpoint) -> str:
        """Returns what is wrong with an endpoint that was refreshed, empty when nothing is."""
        return self._known[model, endpoint].answer

    def _answer(self, model: str, endpoint: SlotEndpoint) -> tuple[str, float]:
        return self.ask(model, endpoint), self.clock()

    def _collect(self) -> None:
        for one in self._known.values():
            if one.asked is not None and one.asked.done():
                (one.answer, one.answered_at_seconds), one.asked = one.asked.result(), None
