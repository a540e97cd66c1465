"""The cluster as a target: what is declared, served and ready, read once a round, and written only as it was read."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from shipway.contract.documents import parse, parse_json
from shipway.contract.errors import Retryable, SpecError
from shipway.contract.metrics import Slot
from shipway.contract.route import RouteSpec
from shipway.delivery.cluster import route as routes
from shipway.delivery.cluster import slots, warm
from shipway.delivery.cluster.api import (
    AUTOSCALERS,
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    HTTP_ROUTES,
    NOTHING,
    PODS,
    Api,
    Conflict,
    Document,
)
from shipway.delivery.decide import Readiness
from shipway.delivery.declared import Declared
from shipway.delivery.served import Change, ServedModel
from shipway.delivery.target import Rejected

__all__ = ["ClusterTarget", "Fence", "NotHeld"]

_DECLARED_KEY, _DECLARED_SUFFIX = "route.json", "-route"
# So many changes that the ledger does not hold yet ride on a route; while the ledger is down the oldest go.
_CARRIED = 20
# An autoscaler acts within half a minute: asking it more often changes nothing.
_WARM_SECONDS = 5.0
_AGAIN_SECONDS = 1.0
# Each reads the route anew and takes a few milliseconds: a writer that leaves no such gap leaves nobody any.
_TRIES = 10


class NotHeld(Retryable):
    """This process may not write now: it does not hold the Lease."""

    def __init__(self, said: str) -> None:
        super().__init__(said, _AGAIN_SECONDS)


class Fence(Protocol):
    """The right to write, as the holder of the Lease has it."""

    def token(self) -> int:
        """Returns the number of this tenure; raises NotHeld when it may be over."""
        ...

    def outbid(self, token: int) -> None:
        """Hears that a route carries a greater number: somebody else holds the Lease, or it was made anew."""
        ...


@dataclass
class ClusterTarget:
    """The target of one environment on a cluster.

    Args:
        api: the API server.
        namespace: the models' own.
        fence: the right to write; None for a person's one step, for which the version that was read is enough.
        entered: returns whether the ledger holds a change of a model, so that the route need not carry it.
        clock: seconds on a clock that only grows.
    """

    api: Api
    namespace: str
    fence: Fence | None = None
    entered: Callable[[str, Change], bool] = lambda model, change: False
    clock: Callable[[], float] = time.monotonic
    _routes: dict[str, Document] = field(default_factory=dict[str, Document])
    _served: dict[str, ServedModel] = field(default_factory=dict[str, ServedModel])
    _declared: Declared = field(default_factory=lambda: Declared({}, {}))
    _slices: Mapping[str, list[Document]] = field(default_factory=dict[str, list[Document]])
    _running: Mapping[str, str] = field(default_factory=dict[str, str])
    _warmed_at_seconds: float = float("-inf")

    def declared(self) -> Declared:
        """Returns what the ConfigMaps declared when they were read last."""
        return self._declared

    def load(self) -> dict[str, ServedModel]:
        """Returns what the routes serve."""
        return self.refresh({})

    def prepare(self, served: Mapping[str, ServedModel]) -> None:
        """Does nothing: the gateway reads its routes from the API server, also when it starts."""

    def refresh(self, served: dict[str, ServedModel]) -> dict[str, ServedModel]:
        """Reads everything anew; a route that cannot be read is told, and nobody else has to wait for it."""
        read = {
            kind: self.api.models(kind, self.namespace) for kind in (HTTP_ROUTES, CONFIG_MAPS, ENDPOINT_SLICES, PODS)
        }
        self._slices, self._running = slots.slices_by_service(read[ENDPOINT_SLICES]), slots.releases(read[PODS])
        specs, broken = _declarations(read[CONFIG_MAPS])
        self._routes, self._served = {}, {}
        for document in read[HTTP_ROUTES]:
            model = routes.name_of(document)
            try:
                found = routes.read_route(document)
                fenced = self._fenced(document)
                found = found if fenced is document else routes.read_route(fenced)
                self._routes[model] = fenced
            except (Rejected, SpecError, Conflict) as error:
                # Whoever wrote over it would throw away what a person may still mend.
                broken[model] = f"{error}; the route is left as it is"
                self._routes.pop(model, None)
                specs.pop(model, None)
            else:
                if found is not None:
                    self._served[model] = found
        for model in specs.keys() - self._routes.keys():
            broken[model] = f"there is no HTTPRoute {model} in {self.namespace} yet"
            del specs[model]
        for model in self._served.keys() - specs.keys() - broken.keys():
            # Pulumi removes both; until the route is gone too, it leads callers somewhere, and is judged on.
            gone = f"there is no ConfigMap {model}{_DECLARED_SUFFIX} in {self.namespace} any more"
            broken[model] = f"{gone}; its route is served as it was declared last"
        self._declared = Declared(specs, broken)
        return dict(self._served)

    def settle(self, served: Mapping[str, ServedModel]) -> str:
        """Gives every route the weights of the state it carries, whoever changed them; returns what was not done."""
        wrong: list[str] = []
        for model, one in served.items():
            document = self._routes.get(model)
            if document is None or routes.agrees(document, one):
                continue
            try:
                self._patch(model, lambda found, one=one: routes.repair(found, one))
            except (Rejected, Retryable) as error:
                wrong.append(f"{model}: its weights are not those of its rollout; {error}")
        return "; ".join(wrong)

    def serve(self, model: str, before: Mapping[str, ServedModel], after: Mapping[str, ServedModel]) -> None:
        """Patches weights and state of a route in one step, if nobody wrote it since it was read.

        A model that is declared no more keeps its route for as long as Pulumi keeps it: it is never taken away here.
        """
        following = after.get(model)
        if following is None:
            return
        document = self._routes.get(model)
        if document is None:
            raise Retryable(f"there is no HTTPRoute {model} in {self.namespace}", _AGAIN_SECONDS)
        # As the route was read or written last: `before` knows no more than the change that led to it.
        carried = self._served[model].changes if model in self._served else ()
        if following.change is not None:
            waiting = [one for one in carried if one != following.change and not self.entered(model, one)]
            following = replace(following, earlier=tuple(waiting[1 - _CARRIED :]))
        token = self.fence.token() if self.fence else None
        self._patch(model, lambda found: routes.write(found, following, token))
        self._served[model] = following

    def unconfirmed(self, model: str) -> str:
        """Returns what the route's conditions lack for the generation that was written last."""
        document = self._routes.get(model)
        return routes.unconfirmed(document) if document else ""

    def readiness(self, spec: RouteSpec, patience_seconds: float = 0.0) -> Readiness:
        """Returns which slots are ready: what the gateway routes to is what the EndpointSlices say, without a lag."""
        ready = slots.readiness(spec, self._slices, self._running)
        document, served = self._routes.get(spec.model), self._served.get(spec.model)
        why = routes.refused(document) if document else ""
        candidate = served.state.candidate if served and served.state.weight_percent else None
        if not why or candidate is None:
            return ready
        # Its share of the requests fails in the gateway, where no slot can count it.
        return Readiness({candidate: why, **ready.problems})

    def watch(self, specs: Mapping[str, RouteSpec], due: Collection[str]) -> Mapping[str, Readiness]:
        """Returns which slots are ready, as they were read this round."""
        return {model: self.readiness(specs[model]) for model in due}

    def failed(self, model: str) -> Mapping[Slot, int]:
        """Returns nothing: the gateway counts by rule, not by slot, so its counters are absent here and never zero."""
        return {}

    def attend(self, served: Mapping[str, ServedModel]) -> Mapping[str, str]:
        """Keeps the idle slot of each model as warm as its rollout needs it."""
        if self.clock() - self._warmed_at_seconds < _WARM_SECONDS:
            return {}
        try:
            documents = {one["metadata"]["name"]: one for one in self.api.models(AUTOSCALERS, self.namespace)}
            for model, one in served.items():
                self._warm(model, one, documents)
        except (Rejected, Retryable) as error:
            return {"autoscaler": str(error)}
        self._warmed_at_seconds = self.clock()
        return {}

    def _warm(self, model: str, served: ServedModel, documents: Mapping[str, Document]) -> None:
        names = {slot: routes.service(model, slot) for slot in Slot}
        scalers = {slot: warm.autoscaler(documents[name]) for slot, name in names.items() if name in documents}
        for slot, least in warm.least_replicas(served.spec, served.state, scalers).items():
            if self.fence is not None:
                self.fence.token()
            self.api.patch(AUTOSCALERS, self.namespace, names[slot], warm.resize(scalers[slot], least))

    def _fenced(self, document: Document) -> Document:
        """Returns a route on which no earlier holder of the Lease can write any more.

        Raises:
            NotHeld: when a later holder has written.
            Conflict: when somebody else leaves no gap between two writes of it.
        """
        if self.fence is None:
            return document
        name = routes.name_of(document)
        for tries_left in reversed(range(_TRIES)):
            mine, found = self.fence.token(), routes.token_of(document)
            if found > mine:
                self.fence.outbid(found)
                raise NotHeld(f"a later holder of the Lease (tenure {found}) wrote {name}; this is tenure {mine}")
            if found == mine:
                return document
            try:
                return self.api.patch(HTTP_ROUTES, self.namespace, name, routes.fence(document, mine))
            except Conflict:
                anew = self.api.read(HTTP_ROUTES, self.namespace, name)
                if not tries_left or anew is None:
                    raise
                document = anew
        raise AssertionError("a route is fenced, or it raises")

    def _patch(self, model: str, made: Callable[[Document], routes.Patch]) -> None:
        """Writes what `made` makes of the route as it was read.

        When somebody else wrote the route since, but nothing of what was decided on, the same decision is written onto
        the route as it is now: whoever annotates it without end must not hold up a rollback.
        """
        document = self._routes[model]
        for tries_left in reversed(range(_TRIES)):
            if self.fence is not None:
                self.fence.token()
            try:
                self._routes[model] = self.api.patch(HTTP_ROUTES, self.namespace, model, made(document))
                return
            except Conflict:
                found = self.api.read(HTTP_ROUTES, self.namespace, model)
                if not tries_left or found is None or not routes.same_rollout(document, found):
                    raise
                document = found


def _declarations(config_maps: Iterable[Document]) -> tuple[dict[str, RouteSpec], dict[str, str]]:
    """Returns model -> its declared route, and model -> what is wrong with it."""
    specs: dict[str, RouteSpec] = {}
    broken: dict[str, str] = {}
    for one in config_maps:
        name, data = str(one["metadata"]["name"]), one.get("data") or NOTHING
        if _DECLARED_KEY not in data or not name.endswith(_DECLARED_SUFFIX):
            continue
        model, where = name.removesuffix(_DECLARED_SUFFIX), f"ConfigMap {name}"
        try:
            spec = parse(RouteSpec, parse_json(data[_DECLARED_KEY], where), where)
            if spec.model != model:
                raise SpecError(where, "model", spec.model, f"the ConfigMap's own model, {model!r}")
        except SpecError as error:
            broken[model] = str(error)
        else:
            specs[model] = spec
    return specs, broken
