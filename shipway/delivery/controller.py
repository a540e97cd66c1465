"""The controller: turns what is declared and decided into what the gateway serves, one model at a time.

Its only memory is the route file itself. Whoever holds the lease loads it and goes on, after a crash at any point as
after a clean stop; the process and the command line use the same code.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shipway.contract.errors import Fatal, Retryable, SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.release import short_digest
from shipway.contract.route import RolloutState, RouteSpec, SlotEndpoint
from shipway.delivery import decide
from shipway.delivery.decide import Action, Readiness, Refusal, Step
from shipway.delivery.declared import Declared, DeclaredRoutes
from shipway.delivery.envoy.admin import Report
from shipway.delivery.envoy.configuration import Document, compose_clusters, compose_listener, compose_routes
from shipway.delivery.envoy.files import EnvoyFiles, Rejected
from shipway.delivery.history import History
from shipway.delivery.judge import Judged, under_way
from shipway.delivery.ledger import Ledger
from shipway.delivery.memory import remembered
from shipway.delivery.readiness import GATEWAY_BEHIND, NOT_ASKED, Probes, probe, readiness
from shipway.delivery.rollouts import Rollouts
from shipway.delivery.served import Change, ServedModel, read_served
from shipway.delivery.targets import RolloutTargets, scraped_often

__all__ = ["Controller", "Refused", "load_served"]

ACTOR = "delivery"
EVIDENCE_MISSING = "evidence_missing"
# How long a slot may be ready before the gateway's own health check says so.
GATEWAY_LAG_SECONDS = 2.0
# When to ask again about a slot that is still loading.
AGAIN_SECONDS = 0.5


class Refused(Fatal):
    """A promotion or rollback that is not carried out; its text says why."""


def load_served(layout: LocalLayout) -> dict[str, ServedModel]:
    """Returns what the gateway serves; from the last confirmed copy where the served file is torn or corrupt.

    Raises:
        Fatal: when neither can be read: no weight may be changed by someone who does not know the present ones.
    """
    try:
        return read_served(layout.served_routes)
    except SpecError as error:
        copy = layout.envoy / "confirmed" / layout.served_routes.name
        try:
            if copy.exists():
                return read_served(copy)
        except SpecError:
            pass
        raise Fatal(f"no rollout state can be read, and nothing is changed without it; {error}") from None


def utc_now() -> str:
    """Returns the time now, in UTC, as the ledger writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass
class Controller:
    """Acts for whoever holds the lease.

    Args:
        layout: where the stack's files lie.
        gateway_port: where the gateway listens.
        report: reads the gateway's own view; raises Retryable when it does not answer.
        rollouts: the rollouts under way and where their evidence comes from.
        ask: returns what is wrong with a model's endpoint, empty when nothing is.
        now: the time as the ledger writes it.
        problems: model or part -> what stands in its way, in one sentence; empty when all is well.
    """

    layout: LocalLayout
    gateway_port: int
    report: Callable[[], Report]
    rollouts: Rollouts
    ask: Callable[[str, SlotEndpoint], str] = probe
    now: Callable[[], str] = utc_now
    served: dict[str, ServedModel] = field(default_factory=dict[str, ServedModel])
    problems: dict[str, str] = field(default_factory=dict[str, str])
    _refused: dict[str, RouteSpec] = field(default_factory=dict[str, RouteSpec])
    _recorded: dict[str, Change] = field(default_factory=dict[str, Change])
    _composed: tuple[Mapping[str, ServedModel], dict[str, Document]] | None = None

    def __post_init__(self) -> None:
        self._files = EnvoyFiles(self.layout.envoy, self.report)
        self._ledger = Ledger(self.layout.ledger)
        self._declared = DeclaredRoutes(self.layout.routes)
        self._history = History(self.layout.history)
        self._probes = Probes(self.ask, self.rollouts.clock)
        self._targets = RolloutTargets(self.layout.rollout_targets, self.layout.environment)

    def load(self) -> None:
        """Reads what is served now; whatever its last changes left out of the ledger is entered."""
        self.served = load_served(self.layout)
        self._record(self.served)

    def prepare(self) -> None:
        """Writes the files that a gateway needs to start, where they are missing or torn."""
        for kind, document in self._documents(self.served).items():
            if not self._files.in_place(kind, document):
                self._files.prepare(kind, document)

    def tick(self) -> None:
        """Brings the gateway one round closer to what is declared; never raises for what a person must mend."""
        declared = self._declared.read()
        self.problems = dict(declared.broken)
        try:
            report = self.report()
            try:
                self._settle(report)
            except Rejected as error:
                self.problems["gateway"] = str(error)
                self.served = load_served(self.layout)
        except Retryable as error:
            self.problems["gateway"] = str(error)
            self._prepare_for_restart()
            return
        if self._files.not_kept:
            self.problems["gateway"] = self._files.not_kept
        for model in dict.fromkeys([*self.served, *declared.specs]):
            try:
                self._follow(model, declared, report)
            except (Fatal, Retryable) as error:
                self.problems[model] = str(error)
            else:
                self._watch_live(model)
        self._record(self.served)
        self._show_targets()
        self._judge(report)

    @property
    def newest(self) -> dict[str, ServedModel]:
        """What is served, with the progress in memory, which is newer than the route's."""
        current = self.rollouts.current
        return {name: ServedModel(one.spec, current(one), one.change) for name, one in self.served.items()}

    @property
    def comparing(self) -> bool:
        """Whether two slots of a model are compared now, so that every tenth of a second counts."""
        return any(scraped_often(model.state) for model in self.served.values())

    def promote(self, model: str, actor: str, reason: str, *, retry: bool = False, fix_forward: bool = False) -> Step:
        """Gives the candidate of `model` all traffic and returns what was done.

        Raises:
            Refused: saying why not; nothing was changed.
            Retryable: when the candidate is not ready yet or the gateway does not answer; nothing was changed.
        """

        def promotion(spec: RouteSpec, state: RolloutState, ready: Readiness) -> Step | Refusal:
            return decide.promote(spec, state, ready, retry=retry, fix_forward=fix_forward)

        return self._request(model, actor, reason, promotion)

    def rollback(self, model: str, actor: str, reason: str) -> Step:
        """Takes the traffic of `model` back and returns what was done.

        Raises:
            Refused: saying why not; nothing was changed.
            Retryable: when the gateway does not answer; nothing was changed.
        """
        return self._request(model, actor, reason, decide.rollback)

    def approve(self, model: str, actor: str, reason: str) -> Step:
        """Lifts the pause of a rollout and returns what was done; raises as `rollback` does."""
        return self._request(model, actor, reason, lambda spec, state, _: decide.approve(spec, state))

    def retry(self, model: str, digest: str, actor: str, reason: str) -> Step:
        """Lets a digest that was rolled back try again and returns what was done; raises as `rollback` does."""
        return self._request(model, actor, reason, lambda spec, state, _: decide.retry(spec, state, digest))

    def _request(
        self,
        model: str,
        actor: str,
        reason: str,
        decision: Callable[[RouteSpec, RolloutState, Readiness], Step | Refusal],
    ) -> Step:
        declared = self._declared.read()
        try:
            self._follow(model, declared, self.report())
        except Rejected as error:
            # The route before the refused one is still served, and it can be rolled back all the same.
            self.problems[model] = str(error)
        if model not in self.served:
            known = f"known models: {', '.join(sorted(self.served)) or 'none'}"
            raise Refused(declared.broken.get(model) or f"no model {model!r} is deployed; {known}")
        current = self.served[model]
        outcome = decision(current.spec, self.rollouts.current(current), self._ready(current.spec))
        if isinstance(outcome, Refusal):
            if outcome.passing:
                raise Retryable(outcome.sentence, AGAIN_SECONDS)
            raise Refused(outcome.sentence)
        if outcome.action is not Action.NONE:
            self._serve(model, ServedModel(current.spec, outcome.state, self._change(outcome, actor, reason)))
            self._record({model: self.served[model]})
        return outcome

    def _follow(self, model: str, declared: Declared, report: Report) -> None:
        if model not in declared.specs:
            if model in self.served and model not in declared.broken:
                self._serve(model, None)
            return
        spec, current = declared.specs[model], self.served.get(model)
        if self._refused.get(model) == spec:
            self.problems[model] = "the gateway refused this route; the one before it is served"
            return
        state = current.state if current else self._remembered(model)
        ready = NOT_ASKED if state.live else readiness(spec, report, self.ask)
        step = decide.observe(spec, state, ready)
        same = current is None or (spec.rollout, spec.slo) == (current.spec.rollout, current.spec.slo)
        if step.action is Action.NONE and not same and under_way(state):
            step = decide.rules_changed(spec, state)
        changed = step.action is not Action.NONE
        change = self._change(step, ACTOR, step.sentence) if changed else current.change if current else None
        following = ServedModel(spec, step.state, change)
        if following == current:
            return
        try:
            self._serve(model, following)
        except Rejected:
            self._refused[model] = spec
            raise
        self._refused.pop(model, None)

    def _remembered(self, model: str) -> RolloutState:
        """Returns what the ledger knows of a model that is not served; nothing, and a problem, when it is damaged."""
        try:
            return remembered(self._ledger.entries(model))
        except Fatal as error:
            self.problems["ledger"] = str(error)
            return RolloutState()

    def _watch_live(self, model: str) -> None:
        """Reports a live slot whose digest was changed behind delivery's back; its traffic has nowhere better to go."""
        current = self.served.get(model)
        if current is None or current.state.live is None:
            return
        declared = current.spec.endpoint(current.state.live).digest
        if declared != current.state.live_digest:
            proved, held = short_digest(current.state.live_digest), short_digest(declared) or "nothing"
            self.problems[model] = f"{current.state.live} went live with {proved}, but now {held} is declared in it"

    def _ready(self, spec: RouteSpec) -> Readiness:
        """Returns what is ready now, after giving the gateway time to see what the slot itself already says."""
        deadline = time.monotonic() + GATEWAY_LAG_SECONDS
        while True:
            ready = readiness(spec, self.report(), self.ask)
            if GATEWAY_BEHIND not in ready.problems.values() or time.monotonic() > deadline:
                return ready
            time.sleep(GATEWAY_LAG_SECONDS / 20)

    def _settle(self, report: Report) -> None:
        """Makes sure that the gateway runs what is believed to be served, also after a crash between two files."""
        self._files.apply(list(self._documents(self.served).items()), report)

    def _prepare_for_restart(self) -> None:
        try:
            self.prepare()
        except OSError as error:
            self.problems["gateway"] += f"; {self._files.dynamic} cannot be written ({error.strerror})"

    def _serve(self, model: str, following: ServedModel | None) -> None:
        models = {name: served for name, served in self.served.items() if name != model}
        order = ("rds", "cds")
        if following is not None:
            models[model] = following
            order = ("cds", "rds")
        current = self.served.get(model)
        # Weights and state are on the route alone: a rollback need not wait for anything else to be composed.
        if current is not None and following is not None and current.spec == following.spec:
            order = ("rds",)
            self._composed = (models, self._documents(self.served) | {"rds": compose_routes(models)})
        documents = self._documents(models)
        self._files.apply([(kind, documents[kind]) for kind in order])
        self.served = models

    def _documents(self, models: Mapping[str, ServedModel]) -> dict[str, Document]:
        """Returns the files in the order in which they may be applied when nothing is removed."""
        if self._composed is None or self._composed[0] is not models:
            composed = {
                "cds": compose_clusters(models),
                "lds": compose_listener(self.gateway_port, self._files.dynamic),
                "rds": compose_routes(models),
            }
            self._composed = (models, composed)
        return self._composed[1]

    def _show_targets(self) -> None:
        try:
            self._targets.show({name: (model.spec, model.state) for name, model in self.served.items()})
        except OSError as error:
            self.problems["prometheus"] = f"{self.layout.rollout_targets}: cannot be written ({error.strerror})"

    def _judge(self, report: Report) -> None:
        """Looks once at every rollout under way and does what the evidence says."""
        models = self.rollouts.due(self.served)
        self._probes.refresh(model.spec for model in models.values())
        seen = self.rollouts.ask(models, report, self.problems)
        for name, model in models.items():
            ready = readiness(model.spec, report, self._probes)
            judged = self.rollouts.judge(name, model, ready, seen.get(name))
            try:
                self._carry_out(name, model, judged)
            except (Fatal, Retryable) as error:
                self.problems[name] = f"{judged.step.action} could not be carried out; {error}"
                self.rollouts.unsettle(name)
        self._record(self.served)

    def _carry_out(self, name: str, model: ServedModel, judged: Judged) -> None:
        step = judged.step
        if step.action is not Action.NONE:
            change = self._change(step, ACTOR, step.sentence, judged)
            self._serve(name, ServedModel(model.spec, step.state, change))
        look = self.rollouts.done(name, model, judged)
        if step.action is Action.NONE and self.rollouts.to_be_saved(name):
            self._serve(name, ServedModel(model.spec, step.state, model.change))
            self.rollouts.saved(name)
        try:
            if look is not None:
                self._history.add(look, time.monotonic())
            if step.action is Action.NONE and self.rollouts.newly_silent(name):
                self._tell_silence(name, model, judged)
        except OSError as error:
            self.problems["history"] = f"{self.layout.history}: cannot be written ({error.strerror})"

    def _tell_silence(self, name: str, model: ServedModel, judged: Judged) -> None:
        """Enters into the ledger that evidence is missing: a fault of the platform, not of the candidate."""
        missing = Step(model.state, Action.EVIDENCE_MISSING, judged.sentence)
        change = self._change(missing, ACTOR, judged.sentence, judged)
        try:
            self._ledger.append(model=name, **change.model_dump(exclude={"evidence"}), evidence=change.evidence)
        except Fatal as error:
            self.problems["ledger"] = str(error)

    def _change(self, step: Step, actor: str, reason: str, judged: Judged | None = None) -> Change:
        state = step.state
        roles = {"candidate": state.candidate_digest}
        if state.live is not None:
            roles |= {"live": state.live_digest, "previous": state.previous_digest}
        return Change(
            time=self.now(),
            actor=actor,
            action=str(step.action),
            reason=reason,
            digests={role: digest for role, digest in roles.items() if digest},
            generation=state.generation,
            rollout=state.rollout,
            weight_percent=state.judged_percent,
            evidence=judged.verdicts if judged else (),
        )

    def _record(self, models: Mapping[str, ServedModel]) -> None:
        """Enters into the ledger each last change it does not hold yet; a damaged ledger never stops a rollback."""
        missing = {
            name: served.change
            for name, served in models.items()
            if served.change is not None and self._recorded.get(name) != served.change
        }
        if not missing:
            return
        try:
            # What this process entered before, it knows; what another one did before it died, the ledger tells.
            unknown = any(name not in self._recorded for name in missing)
            known = {(entry.model, entry.time, entry.generation) for entry in self._ledger.entries()} if unknown else ()
            for name, change in sorted(missing.items(), key=lambda item: item[1].time):
                if (name, change.time, change.generation) not in known:
                    self._ledger.append(model=name, **change.model_dump(exclude={"evidence"}), evidence=change.evidence)
                self._recorded[name] = change
        except Fatal as error:
            self.problems["ledger"] = str(error)
        except OSError as error:
            self.problems["ledger"] = f"{self.layout.ledger}: cannot write an entry ({error.strerror})"
