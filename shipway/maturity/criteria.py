"""Which level of maturity a model's path has reached, criterion by criterion: pure, and each with its evidence.

The levels are those of Google Cloud's architecture centre, "MLOps: Continuous delivery and automation pipelines in
machine learning": 0 is a manual process, 1 an automated pipeline that trains continuously, 2 a pipeline that is itself
built, tested and deployed by CI/CD. The criteria are how its characteristics show on this platform.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from shipway.contract.release import short_digest
from shipway.maturity.facts import Facts

__all__ = ["CRITERIA", "LEVELS", "Criterion", "Judged", "Maturity", "State", "judge"]

LEVELS = {
    0: "a model is trained, checked and served, by hand",
    1: "the pipeline is automated: it trains, delivers and watches by itself",
    2: "the pipeline itself is built, tested and deployed by CI/CD",
}


class State(StrEnum):
    """What the facts say of a criterion; what does not concern the model holds nothing up."""

    MET = "met"
    MISSING = "missing"
    NOT_APPLICABLE = "not applicable"


Look = Callable[[Facts], tuple[State, str]]


@dataclass(frozen=True)
class Criterion:
    """One criterion.

    Args:
        name: a word or two.
        level: of maturity that it belongs to.
        demands: what has to be so, in one sentence.
        look: facts -> state and the evidence for it.
        remedy: what to do when it is missing; `{model}` stands for the name.
    """

    name: str
    level: int
    demands: str
    look: Look
    remedy: str


@dataclass(frozen=True)
class Judged:
    """A criterion with what the facts say of it; `remedy` is empty unless it is missing."""

    criterion: Criterion
    state: State
    evidence: str
    remedy: str


@dataclass(frozen=True)
class Maturity:
    """The whole judgement: `level` is None where not even level 0 is reached; `following` is empty at the end."""

    model: str
    level: int | None
    judged: tuple[Judged, ...]
    following: str


def judge(facts: Facts) -> Maturity:
    """Returns the level that is reached, every criterion of it and of all below met or not applicable."""
    judged = tuple(_judged(one, facts) for one in CRITERIA)
    missing = [one for one in judged if one.state is State.MISSING]
    least = min((one.criterion.level for one in missing), default=max(LEVELS) + 1)
    first = next((one for one in missing if one.criterion.level == least), None)
    return Maturity(facts.model, least - 1 if least > 0 else None, judged, first.remedy if first else "")


def _judged(criterion: Criterion, facts: Facts) -> Judged:
    state, evidence = criterion.look(facts)
    remedy = criterion.remedy.format(model=facts.model) if state is State.MISSING else ""
    return Judged(criterion, state, evidence, remedy)


def _found(evidence: Sequence[str], otherwise: str) -> tuple[State, str]:
    shown = "; ".join(one for one in evidence if one)
    return (State.MET, shown) if shown else (State.MISSING, otherwise)


def _counted(things: Sequence[str], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _trained(facts: Facts) -> tuple[State, str]:
    newest = f"{_counted(facts.bundles, 'bundle')} in the store of {facts.environment}" if facts.bundles else ""
    return _found([newest], f"no bundle in the store of {facts.environment}")


def _gated(facts: Facts) -> tuple[State, str]:
    return _found(facts.bars, "model.yaml has no gate that holds without a champion")


def _serves(facts: Facts) -> tuple[State, str]:
    since = f"live in {facts.environment} since {facts.live_since}" if facts.live_since else ""
    return _found([since], f"the ledger of {facts.environment} knows of no live version")


def _symmetric(facts: Facts) -> tuple[State, str]:
    if not facts.reads_features:
        return State.NOT_APPLICABLE, "the model reads no features, and its bundle holds the matrix of training"
    return _found([facts.compared], "served features were never compared with the offline join")


def _triggered(facts: Facts) -> tuple[State, str]:
    return _found(facts.triggers, "nothing starts a retraining")


def _retrained(facts: Facts) -> tuple[State, str]:
    shown = f"{_counted(facts.retrainings, 'run')}, the last one {facts.retrainings[-1]}" if facts.retrainings else ""
    return _found([shown], f"no finished retraining in {facts.environment}")


def _delivered(facts: Facts) -> tuple[State, str]:
    shown = f"promoted by evidence: {facts.promoted}" if facts.promoted else ""
    return _found([shown], "no second version was promoted by evidence")


def _watched(facts: Facts) -> tuple[State, str]:
    if not facts.drift_enabled:
        return State.MISSING, "model.yaml turns drift off"
    return _found(
        [f"judged up to {facts.drift_judged}" if facts.drift_judged else ""], "no drift verdict judged anything"
    )


def _labelled(facts: Facts) -> tuple[State, str]:
    shown = f"measured up to {facts.quality_judged}" if facts.quality_judged else ""
    return _found([shown], "no accuracy by late labels")


def _controlled(facts: Facts) -> tuple[State, str]:
    if facts.committed is None:
        return State.MISSING, "the project is in no git repository"
    return _found(["git has the service"] if facts.committed else [], "git does not have the service's model.yaml")


def _tested(facts: Facts) -> tuple[State, str]:
    return _found([", ".join(facts.tests)], "no test file in the service")


def _frozen(facts: Facts) -> tuple[State, str]:
    shown = f"{_counted(facts.regression_sets, 'frozen set')}" if facts.regression_sets else ""
    return _found([shown], "no frozen regression set")


def _integrated(facts: Facts) -> tuple[State, str]:
    return _found([", ".join(one.path for one in facts.workflows if one.tests)], "no workflow runs the tests")


def _deployed(facts: Facts) -> tuple[State, str]:
    return _found([", ".join(one.path for one in facts.workflows if one.deploys)], "no workflow releases or deploys")


def _released(facts: Facts) -> tuple[State, str]:
    filled = [f"{name}: {', '.join(map(short_digest, held))}" for name, held in facts.releases.items() if held]
    return _found(filled, "released to no environment that git knows of")


def _carried(facts: Facts) -> tuple[State, str]:
    pairs = [
        f"{short_digest(digest)} in {one} and {other}"
        for (one, held), (other, also) in combinations(facts.releases.items(), 2)
        for digest in held
        if digest in also
    ]
    return _found(pairs[:1], "no digest is in two environments")


CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "trained", 0, "A version is built and kept under its digest.", _trained, "train one: `shipway train {model}`"
    ),
    Criterion(
        "gated",
        0,
        "A model that is too bad is refused, whatever is live.",
        _gated,
        "add a gate with a minimum, a maximum or beats_base_rate_by to evaluation.gates in model.yaml",
    ),
    Criterion(
        "serves",
        0,
        "A version answers behind the gateway.",
        _serves,
        'release it: `shipway release {model} DIGEST --env local --reason "first version"`, then `pulumi up -s local`',
    ),
    Criterion(
        "watched",
        1,
        "Inputs and predictions are watched for drift.",
        _watched,
        "send traffic over a whole day of event time, such as `shipway replay {model}`; `shipway drift {model}` tells",
    ),
    Criterion(
        "labelled",
        1,
        "Accuracy is measured by late labels.",
        _labelled,
        "send labels to /feedback or `shipway labels import {model} FILE`; `shipway labels {model}` tells",
    ),
    Criterion(
        "symmetric",
        1,
        "What is served is computed as in training.",
        _symmetric,
        "compare them: `shipway parity {model}`",
    ),
    Criterion(
        "triggered",
        1,
        "A schedule, drift or a drop of accuracy starts a training.",
        _triggered,
        "set retraining.every_seconds, on_drift or on_accuracy in model.yaml",
    ),
    Criterion(
        "retrained",
        1,
        "A training was run anew and compared with the live version.",
        _retrained,
        "run one by hand first: `shipway retrain {model}`",
    ),
    Criterion(
        "delivered",
        1,
        "A new version took over by evidence, not by a person's word.",
        _delivered,
        "release the next version, send traffic, and let delivery decide: `shipway status --watch {model}`",
    ),
    Criterion("controlled", 2, "The code of the pipeline is in source control.", _controlled, "commit the service"),
    Criterion("tested", 2, "The service has tests of its own.", _tested, "write tests/test_service.py in the service"),
    Criterion(
        "frozen",
        2,
        "A set of rows that no version may fail on is kept with the tests.",
        _frozen,
        "keep one: `shipway retrain {model} --freeze-regression-set`",
    ),
    Criterion(
        "integrated",
        2,
        "The build server runs the tests of a change.",
        _integrated,
        "add a workflow that runs `make ci`",
    ),
    Criterion(
        "deployed",
        2,
        "The build server releases and deploys.",
        _deployed,
        "add a workflow that releases or runs `make up ENV=...`",
    ),
    Criterion(
        "released",
        2,
        "A version is released beyond the laptop.",
        _released,
        'release one: `shipway release {model} DIGEST --env ENV --reason "..."`, and commit the file',
    ),
    Criterion(
        "carried",
        2,
        "The same digest goes from one environment to the next, without a build.",
        _carried,
        "release the digest of one environment into the next",
    ),
)
