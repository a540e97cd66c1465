"""The command line's way to the weights of a cluster: the same decision, written onto a route that is as it was read.

No command passes through the delivery process, and none needs it: a route that somebody wrote meanwhile is read and
decided anew, by a person's command as by the process, which goes on from whatever the route says.
"""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shipway.contract.errors import SpecError
from shipway.contract.rollout import Look
from shipway.contract.route import RouteSpec
from shipway.delivery.cluster import route as routes
from shipway.delivery.cluster.api import HTTP_ROUTES, Api, Conflict
from shipway.delivery.cluster.records import RouteRecords
from shipway.delivery.cluster.settings import HISTORY, LEDGER
from shipway.delivery.cluster.target import ClusterTarget
from shipway.delivery.control import Command, carry_out
from shipway.delivery.controller import Controller, utc_now
from shipway.delivery.decide import Readiness
from shipway.delivery.history import parse_looks
from shipway.delivery.ledger import Ledger
from shipway.delivery.prometheus import Prometheus
from shipway.delivery.rollouts import Rollouts
from shipway.delivery.served import ServedModel
from shipway.delivery.target import Rejected
from shipway.objects.storage import ObjectStorage

__all__ = ["Standing", "act", "history", "ledger", "served", "standing"]

# The process writes a route a few times a minute: whoever loses so often in a row has another problem.
TRIES = 5
CONFIRM_SECONDS = 5.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Standing:
    """What a cluster says now.

    Args:
        served: model -> what its route serves.
        declared: model -> what Pulumi declared.
        readiness: model -> which of its slots are ready.
        problems: model -> why it is in neither, or why its gateway may serve something else.
    """

    served: Mapping[str, ServedModel]
    declared: Mapping[str, RouteSpec]
    readiness: Mapping[str, Readiness]
    problems: Mapping[str, str]


def standing(api: Api, namespace: str) -> Standing:
    """Returns what the cluster says now; raises Retryable when it does not answer."""
    target = ClusterTarget(api, namespace)
    served = target.load()
    declared = target.declared()
    waiting = {model: why for model in served if (why := target.unconfirmed(model))}
    ready = {model: target.readiness(spec) for model, spec in declared.specs.items()}
    return Standing(served, declared.specs, ready, waiting | dict(declared.broken))


def served(api: Api, namespace: str) -> dict[str, ServedModel]:
    """Returns model -> what its route serves, without those that cannot be read; raises Retryable as `standing` does.

    It asks for routes alone: whoever may list these needs no other right.
    """
    found: dict[str, ServedModel] = {}
    for document in api.models(HTTP_ROUTES, namespace):
        with contextlib.suppress(Rejected, SpecError):
            if (one := routes.read_route(document)) is not None:
                found[routes.name_of(document)] = one
    return found


def act(api: Api, namespace: str, command: Command) -> dict[str, Any]:
    """Returns what was done, as `shipway.delivery.client.act` does, and in `confirmed` whether the gateway serves it.

    The ledger's entry, with its actor and reason, rides on the route until the delivery process enters it.

    Raises:
        Refused: saying why not; nothing was changed.
        Retryable: when the API server does not answer, or somebody else kept writing the route; nothing was changed.
    """
    target = ClusterTarget(api, namespace)
    # A command asks for no evidence: port 0 is nobody's.
    controller = Controller(target, RouteRecords(), Rollouts(Prometheus(0), utc_now))
    for tries_left in reversed(range(TRIES)):
        try:
            done = carry_out(controller, command)
            break
        except Conflict:
            if not tries_left:
                raise
    else:
        raise AssertionError("a command is carried out, or it raises")
    why = _confirmed(target, controller, command.model)
    message = f"{done['message']}; written, but {why}" if why else done["message"]
    return done | {"message": message, "confirmed": not why}


def ledger(records: str, endpoint_url: str | None = None) -> Ledger:
    """Returns the ledger below the folder of the object store in which an environment's records lie."""
    return Ledger(ObjectStorage(f"{records}/{LEDGER}", endpoint_url=endpoint_url))


def history(records: str, model: str, rollout: int, endpoint_url: str | None = None) -> list[Look]:
    """Returns the looks of one rollout in order, of those that the delivery process has written so far."""
    storage = ObjectStorage(f"{records}/{HISTORY}/{model}/{rollout:06d}", endpoint_url=endpoint_url)
    return [look for name in storage.names() for look in parse_looks(storage.read(name).decode().splitlines())]


def _confirmed(target: ClusterTarget, controller: Controller, model: str) -> str:
    """Returns what the gateway has not confirmed of a route within a few seconds, empty when it has."""
    deadline = time.monotonic() + CONFIRM_SECONDS
    while (why := target.unconfirmed(model)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        controller.served = target.refresh(controller.served)
    return why
