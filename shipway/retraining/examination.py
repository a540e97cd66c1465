"""What a version must show before it is registered: recent labelled traffic, the frozen set, and every segment."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from shipway.contract.errors import ShipwayError
from shipway.contract.model import ModelSpec
from shipway.logs.sources import Source
from shipway.retraining.comparing import Answers, Finding, compare, compare_segments
from shipway.retraining.traffic import Labelled, labelled_traffic
from shipway.training.champion import champion_predictions, fill_defaults
from shipway.training.metrics import checked_predictions
from shipway.training.pipeline import Candidate
from shipway.training.regression import load_regression_set

__all__ = ["Examination"]

# The same rows are drawn again whenever the same version is examined: a verdict must not depend on the day.
_SEED = 20130101


@dataclass
class Examination:
    """Looks at one candidate; called by the training when its gates have passed.

    Args:
        service: the service's folder.
        spec: its model.yaml.
        source: the logs of predictions and labels.
        as_of: nothing later is looked at.
        say: called with one line for each finding.
        findings: what was found, filled by the call.
    """

    service: Path
    spec: ModelSpec
    source: Source
    as_of: datetime
    say: Callable[[str], None]
    findings: list[Finding]

    def __call__(self, candidate: Candidate) -> None:
        """Compares with the champion; without one there is nothing to compare with, and the gates were all.

        Raises:
            ShipwayError: when a bar was not cleared, or too little is known.
        """
        if candidate.champion is None:
            self.say("nothing is live, so nothing to compare with on traffic or on the frozen set")
            return
        self._traffic(candidate)
        self._frozen(candidate)
        if failed := [str(one) for one in self.findings if one.passed is False]:
            raise ShipwayError("\n".join([f"{self.spec.name}: refused, nothing was registered", *failed]))

    def _traffic(self, candidate: Candidate) -> None:
        rule = self.spec.retraining
        units = frozenset(str(unit) for unit in candidate.data.train.index)
        recent = labelled_traffic(self.source, candidate.schema, self.spec, self.as_of, units, rule.recent_rows)
        if len(recent.rows) < rule.minimum_rows:
            raise ShipwayError(
                f"{self.spec.name}: {len(recent.rows)} predictions of the recent traffic have their label and were not "
                f"trained on ({recent.left_out} left out), expected at least {rule.minimum_rows}: what is not compared "
                "is not better; nothing was registered"
            )
        answers = self._answers(candidate, _named(recent), recent.rows, recent.labels)
        self._note(compare(candidate.plan.TASK, self.spec.evaluation.gates, answers))
        self._note(compare_segments(candidate.plan.TASK, self.spec, answers, np.random.default_rng(_SEED)))

    def _frozen(self, candidate: Candidate) -> None:
        frozen = load_regression_set(self.service)
        if frozen is None:
            self.say("no regression set is frozen; `shipway retrain MODEL --freeze-regression-set` makes one")
            return
        answers = self._answers(candidate, f"frozen set {', '.join(frozen.names)}", frozen.rows, frozen.labels)
        self._note(compare(candidate.plan.TASK, self.spec.evaluation.gates, answers))

    def _answers(self, candidate: Candidate, where: str, rows: pd.DataFrame, labels: "pd.Series[float]") -> Answers:
        if candidate.champion is None:
            raise ValueError("a champion to compare with")
        answered = candidate.plan.predict(candidate.estimator, fill_defaults(rows, self.spec.features.reads))
        mine = checked_predictions(candidate.plan.TASK, answered, len(rows), f"{self.spec.name} on {where}")
        theirs = champion_predictions(candidate.champion, rows)
        return Answers(where, rows, labels.to_numpy(), np.asarray(mine, dtype=float), theirs)

    def _note(self, found: Iterable[Finding]) -> None:
        for one in found:
            self.findings.append(one)
            self.say(str(one))


def _named(recent: Labelled) -> str:
    if recent.first is None or recent.last is None:
        return "recent traffic"
    return f"traffic of {recent.first:%Y-%m-%d %H:%M} to {recent.last:%Y-%m-%d %H:%M}"
