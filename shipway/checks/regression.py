"""Regression check: the metrics of the version on the frozen set of the service."""

from collections.abc import Iterator

import numpy as np

from shipway.checks.facts import Facts, records
from shipway.checks.finding import Finding, Status
from shipway.contract.check import CheckName
from shipway.contract.errors import SpecError
from shipway.contract.model import GateSpec
from shipway.training.gates import judge
from shipway.training.plan import Task

__all__ = ["check_regression"]


def check_regression(facts: Facts) -> Iterator[Finding]:
    """Yields one finding for each absolute bar of `evaluation.gates`, measured on rows that no version is trained on.

    Raises:
        SpecError: when a gate names a metric that the task does not have.
    """
    name = facts.spec.name
    # Gate's number in model.yaml -> its absolute bar.
    bars = {
        number: GateSpec(metric=gate.metric, minimum=gate.minimum, maximum=gate.maximum)
        for number, gate in enumerate(facts.spec.evaluation.gates)
        if gate.minimum is not None or gate.maximum is not None
    }
    if facts.frozen is None:
        said = f"nothing is frozen; `shipway retrain {name} --freeze-regression-set` keeps recent labelled rows"
        yield _finding("frozen set", Status.MISSING, said)
        return
    labels = facts.frozen.labels.to_numpy()
    if facts.task is Task.BINARY and len(np.unique(labels)) < 2:
        yield _finding("frozen set", Status.UNDECIDED, f"all {len(labels)} labels are the same; freeze more rows")
        return
    if not bars:
        yield _finding("frozen set", Status.SKIPPED, "no gate of evaluation.gates has a minimum or a maximum")
        return
    measured = facts.measure(labels, facts.ask(records(facts.frozen.rows)))
    for number, bar in bars.items():
        if bar.metric not in measured:
            raise SpecError(
                facts.path, f"evaluation.gates.{number}.metric", bar.metric, f"one of {', '.join(measured)}"
            )
        for result in judge([bar], measured, {}, None):
            status = Status.PASSED if result.passed else Status.FAILED
            said = f"on {len(labels)} frozen rows, expected {result.rule} {result.bar:g}"
            yield Finding(
                check=CheckName.REGRESSION,
                subject=result.metric,
                status=status,
                sentence=said,
                value=result.value,
                bound=result.bar,
                unit="metric",
            )


def _finding(subject: str, status: Status, said: str) -> Finding:
    return Finding(check=CheckName.REGRESSION, subject=subject, status=status, sentence=said)
