"""Load tests: their profiles, what model.yaml says about them, and the result that a release is judged by."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from shipway.contract.documents import Spec, parse_json
from shipway.contract.documents import parse as parse_document
from shipway.contract.evidence import Judgement
from shipway.contract.release import Digest
from shipway.contract.tier import Tier

__all__ = [
    "DEFAULT_REQUESTS_PER_SECOND",
    "PROFILES",
    "RESULT_VERSION",
    "LatencySeconds",
    "LoadProfile",
    "LoadTestResult",
    "LoadTestSpec",
    "Measured",
    "Profile",
    "Stage",
    "StageResult",
    "read_result",
    "result_name",
]

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]

# Of the result's document; a reader refuses one it does not know.
RESULT_VERSION = 1

# What a replica has to stand where model.yaml names no rate: more than a model behind one web page is asked.
DEFAULT_REQUESTS_PER_SECOND = 20.0


class Profile(StrEnum):
    """Which question a load test asks."""

    SMOKE = "smoke"
    LOAD = "load"
    STRESS = "stress"
    SPIKE = "spike"
    SOAK = "soak"
    SCALABILITY = "scalability"


class Stage(Spec):
    """A stretch of arrivals at one rate.

    Args:
        rate_factor: of the rate that the model has to stand.
        seconds: how long.
        judged: whether the objective must be met in it; a warm-up and the top of a spike are not judged.
    """

    rate_factor: Positive
    seconds: Positive
    judged: bool = True


class LoadProfile(Spec):
    """What a profile does.

    Args:
        asks: the question, for a person.
        stages: one after the other.
        search_seconds: after the stages the rate is raised in steps of so many seconds until the objective is missed,
            and the highest rate that meets it is then closed in on; None where nothing is searched.
        judges_memory: whether the process may not have grown by more than model.yaml allows.
    """

    asks: Text
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    search_seconds: Positive | None = None
    judges_memory: bool = False

    @property
    def seconds(self) -> float:
        """How long the stages take together, without a search."""
        return sum(stage.seconds for stage in self.stages)


_WARM_UP = Stage(rate_factor=0.5, seconds=5, judged=False)

PROFILES: Mapping[Profile, LoadProfile] = {
    Profile.SMOKE: LoadProfile(
        asks="does it answer at all, within its objective, under a light load",
        stages=(Stage(rate_factor=0.5, seconds=2, judged=False), Stage(rate_factor=0.5, seconds=13)),
    ),
    Profile.LOAD: LoadProfile(
        asks="does it meet its objective at the rate it has to stand",
        stages=(_WARM_UP, Stage(rate_factor=1, seconds=60)),
    ),
    Profile.STRESS: LoadProfile(
        asks="does it meet its objective at the rate it has to stand, and at which rate does it miss it",
        stages=(_WARM_UP, Stage(rate_factor=1, seconds=10)),
        search_seconds=10,
    ),
    Profile.SPIKE: LoadProfile(
        asks="does it meet its objective again after a burst of four times the rate",
        stages=(
            _WARM_UP,
            Stage(rate_factor=0.5, seconds=15),
            Stage(rate_factor=4, seconds=10, judged=False),
            # What queued in the burst is answered in here.
            Stage(rate_factor=0.5, seconds=10, judged=False),
            Stage(rate_factor=0.5, seconds=15),
        ),
    ),
    Profile.SOAK: LoadProfile(
        asks="does it meet its objective for half an hour, in the memory it started with",
        stages=(Stage(rate_factor=0.7, seconds=60, judged=False), Stage(rate_factor=0.7, seconds=1740)),
        judges_memory=True,
    ),
    Profile.SCALABILITY: LoadProfile(
        asks="how latency grows with the rate, and how much one replica answers within its objective",
        stages=(
            _WARM_UP,
            Stage(rate_factor=0.25, seconds=10),
            Stage(rate_factor=0.5, seconds=10),
            Stage(rate_factor=1, seconds=10),
        ),
        search_seconds=10,
    ),
}


class LoadTestSpec(Spec):
    """How a version is tested under load, and which tests it must have passed to be released.

    Args:
        required: tier -> the profiles that a version must have passed before it is released there.
        max_age_seconds: how old a result may be when the version is released.
        requests_per_second: what one replica has to stand; by default `resources.requests_per_second`, else 20.
        max_requests_per_second: no search goes beyond this rate.
        max_requests: no test sends more.
        memory_growth_ratio: by how much the process may grow during a soak, relative to its start.
        logged_ratio: the share of the requests that is taken from the prediction log, where there is one that fits.
        edge_ratio: of the generated values, the share that lies on a bound of its field.
        null_ratio: of the fields that may be null, the share that is.
    """

    required: dict[Tier, tuple[Profile, ...]] = Field(
        default_factory=lambda: {Tier.NONPROD: (Profile.SMOKE,), Tier.PROD: (Profile.LOAD,)}
    )
    max_age_seconds: Positive = 2_592_000
    requests_per_second: Positive | None = None
    max_requests_per_second: Annotated[float, Field(gt=0, le=5000)] = 1000
    max_requests: Annotated[int, Field(ge=1, le=10_000_000)] = 200_000
    memory_growth_ratio: Annotated[float, Field(ge=0)] = 0.2
    logged_ratio: Ratio = 0.5
    edge_ratio: Ratio = 0.1
    null_ratio: Ratio = 0.1

    @field_validator("required")
    @classmethod
    def _each_once(cls, required: dict[Tier, tuple[Profile, ...]]) -> dict[Tier, tuple[Profile, ...]]:
        for tier, profiles in required.items():
            if len(set(profiles)) != len(profiles):
                raise ValueError(f"each profile once in tier {tier}, not {', '.join(profiles)}")
        return required

    def rate(self, replica_requests_per_second: float | None) -> float:
        """Returns the requests a second that one replica has to stand.

        Args:
            replica_requests_per_second: `resources.requests_per_second`, which says it where this does not.
        """
        return self.requests_per_second or replica_requests_per_second or DEFAULT_REQUESTS_PER_SECOND

    def profiles(self, tier: Tier) -> tuple[Profile, ...]:
        """Returns what a version must have passed to be released in `tier`."""
        return self.required.get(tier, ())


class Measured(StrEnum):
    """What was sent the requests."""

    # One process of the version alone, started for the test: what one replica does, and nothing counts it as traffic.
    SLOT = "slot"
    # An address that somebody named, such as an environment's gateway.
    URL = "url"


class LatencySeconds(Spec):
    """Percentiles of the answered requests, in seconds from the moment at which each was meant to arrive."""

    p50: Seconds
    p90: Seconds
    p95: Seconds
    p99: Seconds
    p999: Seconds


class StageResult(Spec):
    """What one stage or step of a search measured.

    Args:
        requests_per_second: the planned rate of arrivals.
        seconds: how long they came.
        judged: whether the objective had to be met.
        searched: whether it is a step of the search.
        requests: how many arrived.
        failures: of these, the ones without an answer of the model itself.
        slow: of those answered, the ones slower than the objective.
        objective_met: whether failures and slow ones are within it; None with too few requests to say.
        latency: None when nothing was answered.
        lag_p99_seconds: by how much the sender itself was late, for 99 of 100 requests at most.
    """

    requests_per_second: Positive
    seconds: Positive
    judged: bool
    searched: bool = False
    requests: Count
    failures: Count
    slow: Count
    objective_met: bool | None
    latency: LatencySeconds | None
    lag_p99_seconds: Seconds

    @model_validator(mode="after")
    def _parts_of_a_whole(self) -> Self:
        if self.failures + self.slow > self.requests:
            raise ValueError(
                f"failures ({self.failures}) and slow ({self.slow}) to be at most requests ({self.requests}) together"
            )
        return self


class LoadTestResult(Spec):
    """What one load test of one version measured; sums are over the judged stages, warm-up and search apart.

    Args:
        version: of this document.
        model, digest: what was tested.
        profile: how.
        environment: where it was started.
        measured: what was sent the requests.
        started_at: when.
        duration_seconds: from the first arrival to the last answer.
        arrivals_per_second: the rate that the model has to stand, which the profile's stages are multiples of.
        whole: whether one replica was sent the profile as it is written; a shortened test, or one of an address behind
            which there may be many, is no evidence.
        requests, failures: of the judged stages.
        failed_by: why -> how many, of all stages.
        latency: of the judged stages; None when nothing was answered.
        objective_latency_seconds, objective_quantile, objective_error_ratio: what it was judged by, of the bundle.
        throughput_at_slo_per_second: the highest rate that met the objective; None where none was searched or found.
        break_point_per_second: the lowest rate that missed it; None where none was reached.
        memory_before_bytes, memory_after_bytes: resident memory of the process, before and after the judged stages;
            None where it is not on this machine.
        seed: the same seed sends the same requests at the same moments.
        stages: in order.
        judgement: what it says.
        sentence: for a person.
    """

    version: Literal[1] = RESULT_VERSION
    model: Text
    digest: Digest
    profile: Profile
    environment: Text
    measured: Measured
    started_at: AwareDatetime
    duration_seconds: Seconds
    arrivals_per_second: Positive
    whole: bool
    requests: Count
    failures: Count
    failed_by: dict[str, int] = Field(default_factory=dict)
    latency: LatencySeconds | None
    objective_latency_seconds: Positive
    objective_quantile: Annotated[float, Field(gt=0, lt=1)]
    objective_error_ratio: Ratio
    throughput_at_slo_per_second: Positive | None = None
    break_point_per_second: Positive | None = None
    memory_before_bytes: Count | None = None
    memory_after_bytes: Count | None = None
    seed: int
    stages: tuple[StageResult, ...]
    judgement: Judgement
    sentence: Text

    def to_json(self) -> str:
        """Returns the document, which `read_result` reads."""
        return self.model_dump_json(indent=2) + "\n"


def result_name(model: str, digest: str, profile: Profile) -> str:
    """Returns where a result lies, below a folder of results or as an object's name.

    >>> result_name("digits", "sha256:0a", Profile.SMOKE)
    'digits/0a/smoke.json'
    """
    return f"{model}/{digest.removeprefix('sha256:')}/{profile}.json"


def read_result(content: bytes, where: str) -> LoadTestResult:
    """Returns the result in a document.

    Args:
        content: the document.
        where: it lies, for the error.

    Raises:
        SpecError: when it is not one that this version knows.
    """
    return parse_document(LoadTestResult, parse_json(content, where), where)
