"""ModelSpec: what model.yaml may say about one model, on every target alike."""

from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self, cast

from pydantic import Field, field_validator, model_validator

from shipway.contract.check import Application, ChecksSpec
from shipway.contract.compatibility import CONTRACT_VERSION, FIRST_VERSION, compatibility, parse_version
from shipway.contract.documents import Spec, parse, read_yaml, refuse_credentials
from shipway.contract.drift import DriftSpec
from shipway.contract.errors import SpecError
from shipway.contract.evidence import ABSOLUTE_GATES, LATE_GATES, QUALITY_GATES, RELATIVE_GATES, Gate, GateAction
from shipway.contract.loadtest import LoadTestSpec
from shipway.contract.naming import check_model_name
from shipway.contract.parity import ParitySpec
from shipway.contract.presets import PresetsSpec
from shipway.contract.retraining import RetrainingSpec
from shipway.contract.serving import FeaturesSpec, ServingSpec

__all__ = [
    "LOGS_READ_DAYS",
    "MOST_LABEL_DELAY_SECONDS",
    "EvaluationSpec",
    "GateSpec",
    "LabelsSpec",
    "ModelSpec",
    "OwnerSpec",
    "ResourceSpec",
    "Risk",
    "RolloutSpec",
    "SloSpec",
    "load_model",
    "refuse_incompatible",
]

Ratio = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1)]


class Risk(StrEnum):
    """How much a wrong version can hurt; a high risk waits for a person before its last steps."""

    LOW = "low"
    HIGH = "high"


class OwnerSpec(Spec):
    """Who answers for the model, day and night.

    Args:
        team: who owns it.
        contact: where to write to the team.
        escalation: whom to wake at night; pages go there.
        runbook_url: the page that a person opens who is woken.
    """

    team: Text
    contact: Text
    escalation: Text
    runbook_url: Text


class ResourceSpec(Spec):
    """What one slot of the model needs; cluster targets turn it into requests and limits, `local` counts it.

    Args:
        cpu_millicores, memory_mib: of each replica.
        gpu_type, gpus: of each replica, both or neither.
        min_replicas, max_replicas: of each slot, on a cluster.
        requests_per_second: what one replica answers well; above it a cluster adds one. By default it looks at the CPU.
    """

    cpu_millicores: Annotated[int, Field(gt=0)]
    memory_mib: Annotated[int, Field(gt=0)]
    gpu_type: str | None = None
    gpus: Annotated[int, Field(ge=0)] = 0
    min_replicas: Annotated[int, Field(ge=1)] = 1
    max_replicas: Annotated[int, Field(ge=1)] = 1
    requests_per_second: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas ({self.max_replicas}) to be at least min_replicas ({self.min_replicas})")
        if (self.gpu_type is None) != (self.gpus == 0):
            raise ValueError(f"gpu_type ({self.gpu_type}) and gpus ({self.gpus}) to be given together")
        return self


class SloSpec(Spec):
    """The service level objective.

    Args:
        error_ratio: the share of requests that may fail.
        latency_seconds: within which `latency_quantile` of the requests are answered.
        latency_quantile: of the requests.
        availability_ratio: the share of requests that the gateway answers at all.
        window_seconds: what the objective is counted over, 30 days by default.
    """

    error_ratio: Ratio = 0.01
    latency_seconds: Annotated[float, Field(gt=0)] = 0.3
    latency_quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    availability_ratio: Ratio = 0.999
    window_seconds: Annotated[int, Field(gt=0)] = 2_592_000


_GUARDRAILS = (*RELATIVE_GATES, *LATE_GATES, *ABSOLUTE_GATES)
# Gates that doubt the comparison or the size of the change, and prove no harm.
_DOUBTS = (Gate.SAMPLE_RATIO, Gate.PREDICTION_SHIFT)
_TUNABLE = (*_GUARDRAILS, *QUALITY_GATES, *_DOUBTS)
# Where a model of high risk waits for a person when its model.yaml names no gate.
_HIGH_RISK_GATE_PERCENT = 50


class RolloutSpec(Spec):
    """How a new version earns its traffic; the defaults suit someone who tunes nothing.

    Args:
        steps_percent: the shares of the traffic that a version takes one after the other; the last is 100.
        harm_budget_ratio: how much of all traffic a version may harm at its next step, beyond what live would.
        guardrail_alpha: how likely at most all guardrails together roll back a version that is no worse.
        harm_alpha: how likely at most a step is ever reached at which the true harm is over the budget.
        sample_ratio_alpha: how likely at most a correct split of the callers is taken for a wrong one.
        margin_ratio: how much worse than live, relatively, still counts as no worse.
        max_prediction_shift_ratio: the greatest total variation allowed between the predictions of both slots.
        holdback_percent: what the version before keeps of the traffic during the guard, as a control.
        min_step_seconds: how long a step lasts at least.
        max_step_seconds: how long a step may take before the version is rolled back; a pause does not count.
        prepare_seconds: how long a version may take to be ready before it has failed.
        guard_seconds: how long a version is judged on after its promotion, the one before it warm.
        manual_gate_before_percent: the first share that waits for a person; none by default, 50 at high risk.
        drain_and_swap: whether a version may wait for the GPUs of the one that serves, where no pool holds both: that
            one has to end first, and nothing answers meanwhile.
        gates: what a gate does when it fails (rollback, pause or off), by its name.
    """

    steps_percent: tuple[Annotated[int, Field(gt=0, le=100)], ...] = (1, 5, 25, 50, 100)
    harm_budget_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.01
    guardrail_alpha: Annotated[float, Field(gt=0, lt=1)] = 0.01
    harm_alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    sample_ratio_alpha: Annotated[float, Field(gt=0, lt=1)] = 0.001
    margin_ratio: Annotated[float, Field(ge=0)] = 0.1
    max_prediction_shift_ratio: Ratio = 0.1
    holdback_percent: Annotated[int, Field(ge=0, lt=100)] = 0
    min_step_seconds: Annotated[float, Field(ge=0)] = 5
    max_step_seconds: Annotated[float, Field(gt=0)] = 3600
    prepare_seconds: Annotated[float, Field(gt=0)] = 300
    guard_seconds: Annotated[float, Field(ge=0)] = 3600
    manual_gate_before_percent: Annotated[int, Field(gt=0, le=100)] | None = None
    drain_and_swap: Literal["refused", "allowed"] = "refused"
    gates: dict[Gate, GateAction] = Field(default_factory=dict[Gate, GateAction])

    def action(self, gate: Gate) -> GateAction:
        """Returns what `gate` does when it fails: a guardrail rolls back, a doubt about the comparison pauses."""
        return self.gates.get(gate, GateAction.PAUSE if gate in _DOUBTS else GateAction.ROLLBACK)

    @field_validator("gates", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        """YAML reads a bare `off` as false; it is what a person writes who means the word."""
        if not isinstance(value, dict):
            return value
        written = cast(dict[object, object], value)
        return {gate: GateAction.OFF.value if action is False else action for gate, action in written.items()}

    @model_validator(mode="after")
    def _gates_can_act(self) -> Self:
        for gate, action in self.gates.items():
            if gate not in _TUNABLE:
                raise ValueError(f"gates of {', '.join(sorted(_TUNABLE))}; {gate} cannot be tuned")
            if gate is Gate.SAMPLE_RATIO and action is GateAction.ROLLBACK:
                raise ValueError(f"{gate} to be pause or off: a wrong split says nothing against the candidate")
        if all(self.action(gate) is GateAction.OFF for gate in _GUARDRAILS):
            raise ValueError("at least one guardrail that is not off")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        steps = self.steps_percent
        if not steps or steps[-1] != 100 or any(a >= b for a, b in pairwise(steps)):
            raise ValueError(f"steps_percent to grow strictly and end at 100, not {list(steps)}")
        if steps[0] / 100 > self.harm_budget_ratio:
            raise ValueError(
                f"the first step ({steps[0]} %) to fit harm_budget_ratio ({self.harm_budget_ratio:.2%}): "
                "no evidence exists before it"
            )
        if self.min_step_seconds > self.max_step_seconds:
            raise ValueError(
                f"max_step_seconds ({self.max_step_seconds}) to be at least min_step_seconds ({self.min_step_seconds})"
            )
        return self


# Older logs are not read: what a list of them costs is bounded by this, and not by the age of the bucket.
LOGS_READ_DAYS = 40
# A week whose labels are due lies within them, and the day that is not over.
MOST_LABEL_DELAY_SECONDS = (LOGS_READ_DAYS - 8) * 86_400


class LabelsSpec(Spec):
    """When and whence the truth arrives.

    Args:
        source: who sends it.
        delay_seconds: how long after the prediction, typically; 32 days at most, because a week of which the labels are
            due must lie in the forty days of logs that are read.
        wrong_beyond: a prediction is wrong when it is farther from its label than this; 0.5 suits probabilities of
            yes and no, and class numbers.
    """

    source: Text = "feedback"
    delay_seconds: Annotated[float, Field(ge=0, le=MOST_LABEL_DELAY_SECONDS)] = 86_400
    wrong_beyond: Annotated[float, Field(ge=0)] = 0.5


class GateSpec(Spec):
    """One bar a trained version must clear before it may be registered.

    Args:
        metric: the evaluation metric's name, such as `auc`.
        minimum: the least allowed value.
        maximum: the greatest allowed value.
        beats_base_rate_by: how much better than predicting the base rate (in the metric's own unit and direction).
        champion_tolerance: how much worse than the champion on the same data it may be.
    """

    metric: Text
    minimum: float | None = None
    maximum: float | None = None
    beats_base_rate_by: float | None = None
    champion_tolerance: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        bars = (self.minimum, self.maximum, self.beats_base_rate_by, self.champion_tolerance)
        if all(bar is None for bar in bars):
            raise ValueError("at least one of minimum, maximum, beats_base_rate_by, champion_tolerance")
        return self


class EvaluationSpec(Spec):
    """The gates between training and registration; without one nothing could be refused, so one is required.

    Args:
        gates: each is a bar that a trained version clears, or it is not registered.
    """

    gates: Annotated[tuple[GateSpec, ...], Field(min_length=1)]


class ModelSpec(Spec):
    """One model, as its model.yaml describes it.

    Args:
        name: of the model; its service lies in the folder of that name, hyphens as underscores.
        contract_version: the version of the contract it was written for, in quotes; the first where it does not say.
        description: what it predicts, in one sentence.
        owner: who answers for it.
        risk: low or high; a high one waits for a person before half of the traffic.
        resources: what one slot needs.
        slo: the service level objective.
        rollout: how a new version earns its traffic.
        serving: deadlines, fallbacks, limits and the runtime.
        features: what is read from the feature store, and how.
        labels: when and whence the truth arrives.
        segments: request fields of kind category by whose values drift, accuracy and floors are also looked at.
        application: what the answers are used for, which sets a latency budget; none by default.
        checks: how a version is checked by `shipway check`.
        loadtest: how a version is tested under load, and which tests a release needs.
        drift: windows, bins and bounds of the drift detector.
        parity: how served features are compared with the offline join.
        alerts: the presets of this model.
        retraining: when it is trained anew, and what becomes of the result.
        evaluation: the gates between training and registration.
    """

    name: Text
    contract_version: str = FIRST_VERSION
    description: Text
    owner: OwnerSpec
    risk: Risk = Risk.LOW
    resources: ResourceSpec
    slo: SloSpec = SloSpec()
    rollout: RolloutSpec = RolloutSpec()
    serving: ServingSpec = ServingSpec()
    features: FeaturesSpec = FeaturesSpec()
    labels: LabelsSpec = LabelsSpec()
    segments: tuple[Text, ...] = ()
    drift: DriftSpec = DriftSpec()
    parity: ParitySpec = ParitySpec()
    application: Application | None = None
    checks: ChecksSpec = ChecksSpec()
    alerts: PresetsSpec = PresetsSpec()
    retraining: RetrainingSpec = RetrainingSpec()
    loadtest: LoadTestSpec = LoadTestSpec()
    evaluation: EvaluationSpec

    @field_validator("contract_version", mode="before")
    @classmethod
    def _is_a_version(cls, value: object) -> object:
        # Without quotes YAML reads 1.10 as the number 1.1.
        if not isinstance(value, str):
            raise ValueError(f'a version in quotes, such as "{CONTRACT_VERSION}"')
        parse_version(value)
        return value

    @field_validator("name")
    @classmethod
    def _named_well(cls, name: str) -> str:
        if problem := check_model_name(name):
            raise ValueError(problem)
        return name

    @property
    def guarded_rollout(self) -> RolloutSpec:
        """The rollout as it is carried out: a high risk waits for a person before half of the traffic."""
        if self.risk is Risk.LOW or self.rollout.manual_gate_before_percent is not None:
            return self.rollout
        return self.rollout.model_copy(update={"manual_gate_before_percent": _HIGH_RISK_GATE_PERCENT})

    @property
    def package(self) -> str:
        """The model's name as a Python package: `flight-delay` lives in `services/flight_delay`."""
        return self.name.replace("-", "_")


def load_model(path: Path) -> ModelSpec:
    """Returns the model a `model.yaml` describes.

    Raises:
        SpecError: naming file, key, value and what was expected.
    """
    document = read_yaml(path)
    refuse_credentials(document, path)
    try:
        return parse(ModelSpec, document, path)
    except SpecError:
        # A document that was written for another contract is explained by that, not by the first key that is wrong.
        refuse_incompatible(document.get("contract_version", FIRST_VERSION), path)
        raise


def refuse_incompatible(version: object, path: Path) -> None:
    """Does nothing for a model.yaml of a contract `version` that this platform deploys, or of no version at all.

    Args:
        version: as the document at `path` says it.
        path: the model.yaml, in the service's folder.

    Raises:
        SpecError: for one it does not deploy, with the next step.
    """
    try:
        found = compatibility(path.parent.name.replace("_", "-"), str(version))
    except ValueError:
        return
    if not found.deploys:
        raise SpecError(path, "contract_version", version, f"one that this platform deploys: {found.sentence}")
