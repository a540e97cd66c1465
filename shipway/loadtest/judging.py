"""What a load test says in the end: one judgement and one sentence, from the stages and the memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from shipway.contract.evidence import Judgement
from shipway.contract.loadtest import LatencySeconds, LoadProfile, LoadTestSpec, StageResult
from shipway.contract.model import SloSpec
from shipway.loadtest.stages import least_requests

__all__ = ["Memory", "judge"]


@dataclass(frozen=True)
class Memory:
    """Resident memory of the process that was tested, in bytes; None where it is not on this machine."""

    before_bytes: int | None = None
    after_bytes: int | None = None

    @property
    def growth_ratio(self) -> float | None:
        """By how much it grew, relative to before."""
        if not self.before_bytes or self.after_bytes is None:
            return None
        return self.after_bytes / self.before_bytes - 1


def judge(
    profile: LoadProfile,
    stages: Sequence[StageResult],
    latency: LatencySeconds | None,
    memory: Memory,
    slo: SloSpec,
    spec: LoadTestSpec,
) -> tuple[Judgement, str]:
    """Returns the judgement and the sentence; what could not be measured is never a pass.

    Args:
        profile: what was asked.
        stages: in order, those of a search among them.
        latency: of all judged stages together.
        memory: of the process.
        slo: the objective.
        spec: what model.yaml says about load tests.
    """
    judged = [stage for stage in stages if stage.judged and not stage.searched]
    for stage in judged:
        if stage.objective_met is False:
            return Judgement.FAIL, f"misses its objective at {_rate(stage)}: {_measured(stage, slo)}"
    for stage in judged:
        if stage.objective_met is None:
            return Judgement.INCONCLUSIVE, f"says nothing at {_rate(stage)}: {_why(stage, slo)}"
    if not judged:
        return Judgement.INCONCLUSIVE, "no stage was judged"
    if profile.judges_memory:
        growth = memory.growth_ratio
        if growth is None:
            return Judgement.INCONCLUSIVE, "its memory is not known: the process is not on this machine"
        if growth > spec.memory_growth_ratio:
            grown = f"grew by {growth:.0%}, at most {spec.memory_growth_ratio:.0%} are allowed"
            return Judgement.FAIL, f"its memory {grown} ({_mib(memory.before_bytes)} to {_mib(memory.after_bytes)} MiB)"
    top = max(judged, key=lambda stage: stage.requests_per_second)
    requests, failures = sum(stage.requests for stage in judged), sum(stage.failures for stage in judged)
    answered = f"p95 {_ms(latency.p95)} and p99 {_ms(latency.p99)} ms" if latency else "nothing answered"
    objective = f"{slo.latency_quantile:g} within {_ms(slo.latency_seconds)} ms"
    said = f"meets its objective ({objective}) at {_rate(top)}: {answered}, {failures:,} of {requests:,} failed"
    return Judgement.PASS, said


def _measured(stage: StageResult, slo: SloSpec) -> str:
    answered = stage.requests - stage.failures
    return (
        f"{stage.failures:,} of {stage.requests:,} requests failed (at most {slo.error_ratio:.2%}), "
        f"{stage.slow:,} of {answered:,} answers took more than {_ms(slo.latency_seconds)} ms "
        f"(at most {1 - slo.latency_quantile:.2%})"
    )


def _why(stage: StageResult, slo: SloSpec) -> str:
    if stage.lag_p99_seconds > slo.latency_seconds / 4 and stage.slow:
        return (
            f"the sender itself was {_ms(stage.lag_p99_seconds)} ms late (p99); this machine is too busy for this rate"
        )
    few = f"{stage.requests:,} requests are too few for a quantile of {slo.latency_quantile:g}"
    return f"{few}, at least {least_requests(slo):,} are needed; a greater --duration-seconds sends more"


def _rate(stage: StageResult) -> str:
    return f"{stage.requests_per_second:.4g} requests/s"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g}" if seconds < 1 else f"{seconds * 1000:,.0f}"


def _mib(count: int | None) -> str:
    return f"{(count or 0) / 2**20:.0f}"
