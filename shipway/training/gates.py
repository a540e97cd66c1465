"""The gates between evaluation and registration: pure, and every refusal with both numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shipway.contract.model import GateSpec
from shipway.training.metrics import HIGHER_IS_BETTER

__all__ = ["GateResult", "judge"]


@dataclass(frozen=True)
class GateResult:
    """One bar: what was measured, where the bar lay and why there."""

    metric: str
    value: float
    bar: float
    passed: bool
    rule: str

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "failed"
        return f"{verdict}: {self.metric} is {self.value:.4f}, expected {self.rule} {self.bar:.4f}"


def judge(
    gates: Sequence[GateSpec],
    metrics: Mapping[str, float],
    base_rate: Mapping[str, float],
    champion: Mapping[str, float] | None,
) -> list[GateResult]:
    """Returns one result for each bar of each gate, in order.

    Args:
        gates: from model.yaml.
        metrics: of the new version on the validation set.
        base_rate: of predicting the base rate on the same rows.
        champion: of the live version on the same rows, None where nothing is live: its bars then do not apply.

    Raises:
        KeyError: when a gate names a metric that was not measured.
    """
    return [result for gate in gates for result in _bars(gate, metrics, base_rate, champion)]


def _bars(
    gate: GateSpec,
    metrics: Mapping[str, float],
    base_rate: Mapping[str, float],
    champion: Mapping[str, float] | None,
) -> Iterator[GateResult]:
    name, value = gate.metric, metrics[gate.metric]
    sign = 1.0 if name in HIGHER_IS_BETTER else -1.0
    side = "at least" if sign > 0 else "at most"

    def result(bar: float, better: float, rule: str) -> GateResult:
        return GateResult(name, value, bar, bool(better * (value - bar) >= 0), rule)

    if gate.minimum is not None:
        yield result(gate.minimum, 1, "at least")
    if gate.maximum is not None:
        yield result(gate.maximum, -1, "at most")
    if gate.beats_base_rate_by is not None:
        bar = base_rate[name] + sign * gate.beats_base_rate_by
        yield result(bar, sign, f"{side} (base rate {base_rate[name]:.4f}, better by {gate.beats_base_rate_by})")
    if gate.champion_tolerance is not None and champion is not None:
        bar = champion[name] - sign * gate.champion_tolerance
        yield result(bar, sign, f"{side} (champion {champion[name]:.4f}, worse by up to {gate.champion_tolerance})")
