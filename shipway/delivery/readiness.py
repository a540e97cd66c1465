"""Whether a slot may take traffic: the gateway finds it healthy, and it answers for the digest that is declared."""

import http.client
from collections.abc import Callable

from shipway.contract.metrics import Slot
from shipway.contract.release import short_digest
from shipway.contract.route import RouteSpec, SlotEndpoint
from shipway.delivery.decide import Readiness
from shipway.delivery.envoy.admin import Report
from shipway.delivery.envoy.clusters import slot_cluster

__all__ = ["GATEWAY_BEHIND", "NOT_ASKED", "VERSION_HEADER", "probe", "readiness"]

# What a slot says of itself with every answer.
VERSION_HEADER = "x-model-version"
PROBE_TIMEOUT_SECONDS = 0.5
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
