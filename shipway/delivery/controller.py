"""The controller: turns what is declared and decided into what the gateway serves, one model at a time.

Its only memory is the route itself. Whoever holds the lease loads it and goes on, after a crash at any point as after a
clean stop; the process and the command line use the same code, on every target.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType

from shipway.contract.errors import Fatal, Retryable
from shipway.contract.metrics import Slot
from shipway.contract.release import short_digest
from shipway.contract.route import Phase, RolloutState, RouteSpec
from shipway.delivery import decide
from shipway.delivery.decide import Action, Readiness, Refusal, Step
from shipway.delivery.declared import Declared
from shipway.delivery.judge import Judged, under_way
from shipway.delivery.readiness import NOT_ASKED
from shipway.delivery.rollouts import Rollouts
from shipway.delivery.served import RETRIED, Change, ServedModel
from shipway.delivery.target import Records, Rejected, Target
from shipway.delivery.targets import scraped_often

__all__ = ["ACTOR", "Controller", "Refused", "utc_now"]

ACTOR = "delivery"
# How long a slot may be ready before the gateway's own health check says so.
GATEWAY_LAG_SECONDS = 2.0
# When to ask again about a slot that is still loading.
AGAIN_SECONDS = 0.5


class Refused(Fatal):
    """A promotion or rollback that is not carried out; its text says why."""


def utc_now() -> str:
    """Returns the time now, in UTC, as the ledger writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass
class Controller:
    """Acts for whoever holds the lease.

    Args:
        target: where routes are declared and served.
        records: where what was done and seen is kept.
        rollouts: the rollouts under way and where their evidence comes from.
        now: the time as the ledger writes it.
        problems: model or part -> what stands in its way, in one sentence; empty when all is well.
    """

    target: Target
    records: Records
    rollouts: Rollouts
    now: Callable[[], str] = utc_now
    served: dict[str, ServedModel] = field(default_factory=dict[str, ServedModel])
    problems: dict[str, str] = field(default_factory=dict[str, str])
    _refused: dict[str, RouteSpec] = field(default_factory=dict[str, RouteSpec])

    def load(self) -> None:
        """Reads what is served now; whatever its last changes left out of the ledger is entered."""
        self.served = self.target.load()
        self.problems |= self.records.record(self.served)

    def prepare(self) -> None:
        """Writes what a gateway needs to start, where it is missing or torn."""
        self.target.prepare(self.served)

    def tick(self) -> None:
        """Brings the gateway one round closer to what is declared; never raises for what a person must mend."""
        try:
            self.served = self.target.refresh(self.served)
            wrong = self._settle()
        except Retryable as error:
            self.problems = {**self.target.declared().broken, "gateway": str(error)}
            self.rollouts.unheard(self.served)
            self._prepare_for_restart()
            # What was done before is entered all the same.
            self.problems |= self.records.record(self.served)
            return
        declared = self.target.declared()
        self.problems = {**declared.broken, **({"gateway": wrong} if wrong else {})}
        if declared.unlisted and self.served:
            self.problems["routes"] = declared.unlisted
        for model in dict.fromkeys([*self.served, *declared.specs]):
            try:
                self._follow(model, declared)
            except (Fatal, Retryable) as error:
                self.problems[model] = str(error)
            else:
                self._watch_live(model)
        self.problems |= self.records.record(self.served)
        self.problems |= self.target.attend(self.served)
        self._judge()

    @property
    def newest(self) -> dict[str, ServedModel]:
        """What is served, with the progress in memory, which is newer than the route's."""
        current = self.rollouts.current
        return {name: replace(one, state=current(one)) for name, one in self.served.items()}

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
        named = {RETRIED: digest}
        return self._request(model, actor, reason, lambda spec, state, _: decide.retry(spec, state, digest), named)

    def _request(
        self,
        model: str,
        actor: str,
        reason: str,
        decision: Callable[[RouteSpec, RolloutState, Readiness], Step | Refusal],
        named: Mapping[str, str] = MappingProxyType({}),
    ) -> Step:
        self.served = self.target.refresh(self.served)
        declared = self.target.declared()
        try:
            self._follow(model, declared)
        except Rejected as error:
            # The route before the refused one is still served, and it can be rolled back all the same.
            self.problems[model] = str(error)
        # A route carries its last change alone: what was followed is entered before the command makes another.
        self.problems |= self.records.record(self.served)
        if model not in self.served:
            known = f"known models: {', '.join(sorted(self.served)) or 'none'}"
            raise Refused(declared.broken.get(model) or f"no model {model!r} is deployed; {known}")
        current = self.served[model]
        outcome = decision(current.spec, self.rollouts.current(current), self._asked(current))
        if isinstance(outcome, Refusal):
            if outcome.passing:
                raise Retryable(outcome.sentence, AGAIN_SECONDS)
            raise Refused(outcome.sentence)
        if outcome.action is not Action.NONE:
            change = self._change(outcome, actor, reason)
            change = change.model_copy(update={"digests": {**change.digests, **named}})
            self._serve(model, ServedModel(current.spec, outcome.state, change))
            self.problems |= self.records.record({model: self.served[model]})
        return outcome

    def _follow(self, model: str, declared: Declared) -> None:
        if model not in declared.specs:
            # Not to know what is declared is no reason to take anybody's route away.
            if model in self.served and model not in declared.broken and not declared.unlisted:
                self._serve(model, None)
            return
        spec, current = declared.specs[model], self.served.get(model)
        if self._refused.get(model) == spec:
            self.problems[model] = "the gateway refused this route; the one before it is served"
            return
        state = current.state if current else self._remembered(model)
        ready = NOT_ASKED if state.live else self._confirmed(model, state, self.target.readiness(spec))
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
            return self.records.remembered(model)
        except Fatal as error:
            self.problems["ledger"] = str(error)
            return RolloutState()

    def _watch_live(self, model: str) -> None:
        """Reports a route that may be served otherwise than it says, also when nothing is judged on it any more.

        The gateway has not confirmed it, or a live slot's digest was changed behind delivery's back; its traffic has
        nowhere better to go.
        """
        current = self.served.get(model)
        if current is None or current.state.live is None:
            return
        if why := self.target.unconfirmed(model):
            self.problems.setdefault(model, why)
        declared = current.spec.endpoint(current.state.live).digest
        if declared != current.state.live_digest:
            proved, held = short_digest(current.state.live_digest), short_digest(declared) or "nothing"
            self.problems[model] = f"{current.state.live} went live with {proved}, but now {held} is declared in it"

    def _asked(self, model: ServedModel) -> Readiness:
        ready = self.target.readiness(model.spec, GATEWAY_LAG_SECONDS)
        return self._confirmed(model.spec.model, model.state, ready)

    def _confirmed(self, model: str, state: RolloutState, ready: Readiness) -> Readiness:
        """Returns who is ready, of whom nobody begins on a route that the gateway has not confirmed."""
        why = self.target.unconfirmed(model)
        begins = state.live is None or state.phase is Phase.PREPARING
        return Readiness(dict.fromkeys(Slot, why) | dict(ready.problems)) if why and begins else ready

    def _settle(self) -> str:
        try:
            return self.target.settle(self.served)
        except Rejected as error:
            self.served = self.target.load()
            return str(error)

    def _prepare_for_restart(self) -> None:
        try:
            self.prepare()
        except OSError as error:
            self.problems["gateway"] += f"; what it starts from cannot be written ({error.strerror})"

    def _serve(self, model: str, following: ServedModel | None) -> None:
        models = {name: served for name, served in self.served.items() if name != model}
        if following is not None:
            models[model] = following
        self.target.serve(model, self.served, models)
        self.served = models

    def _judge(self) -> None:
        """Looks once at every rollout under way and does what the evidence says."""
        models = self.rollouts.due(self.served)
        specs = {name: model.spec for name, model in self.served.items() if under_way(model.state)}
        watched = self.target.watch(specs, models.keys())
        seen = self.rollouts.ask(models, self.target.failed, self.problems)
        for name, model in models.items():
            unconfirmed = self.target.unconfirmed(name)
            ready = self._confirmed(name, model.state, watched[name])
            if unconfirmed:
                self.rollouts.unsettle(name, model)
            judged = self.rollouts.judge(name, model, ready, seen.get(name))
            try:
                self._carry_out(name, model, judged)
            except (Fatal, Retryable) as error:
                self.problems[name] = f"{judged.step.action} could not be carried out; {error}"
                self.rollouts.unsettle(name, model)
            if unconfirmed:
                # Guardrails hold whatever weights are served; a step is earned at its own weight alone.
                self.problems.setdefault(name, unconfirmed)
                self.rollouts.unsettle(name, model)
        self.problems |= self.records.record(self.served)

    def _carry_out(self, name: str, model: ServedModel, judged: Judged) -> None:
        step = judged.step
        if step.action is not Action.NONE:
            change = self._change(step, ACTOR, step.sentence, judged)
            self._serve(name, ServedModel(model.spec, step.state, change))
        look = self.rollouts.done(name, model, judged)
        if step.action is Action.NONE and self.rollouts.to_be_saved(name):
            self._serve(name, ServedModel(model.spec, step.state, model.change))
            self.rollouts.saved(name)
        if look is not None:
            self.problems |= self.records.look(look)
        if step.action is Action.NONE and self.rollouts.newly_silent(name):
            # A fault of the platform, not of the candidate.
            missing = Step(model.state, Action.EVIDENCE_MISSING, judged.sentence)
            self.problems |= self.records.tell(name, self._change(missing, ACTOR, judged.sentence, judged))

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
