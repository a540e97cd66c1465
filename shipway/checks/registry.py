"""Every check, in the order in which they run, and what each is and needs; the table in docs/ is made from this."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from shipway.checks.adversarial import check_adversarial
from shipway.checks.facts import Facts
from shipway.checks.fairness import check_fairness
from shipway.checks.finding import Finding
from shipway.checks.fitting import check_schema
from shipway.checks.loaded import MEASURED_BY
from shipway.checks.metamorphic import check_metamorphic
from shipway.checks.regression import check_regression
from shipway.contract.check import LATENCY_BUDGETS, CheckName
from shipway.contract.loadtest import Profile
from shipway.contract.model import ModelSpec
from shipway.contract.tier import Tier

__all__ = ["CHECKS", "OF_BUNDLE", "Check", "needed", "needed_profiles"]


@dataclass(frozen=True)
class Check:
    """One check.

    Args:
        name: by which `--only` asks for it.
        what: what it checks, in one sentence.
        evidence: what it looks at.
        tuned_by: the keys of model.yaml that change it.
    """

    name: CheckName
    what: str
    evidence: str
    tuned_by: str


CHECKS: tuple[Check, ...] = (
    Check(
        CheckName.SCHEMA,
        "The examples and the held-out rows fit the schema, and the example request is answered by the model.",
        "the bundle, `tests/request.json`",
        "",
    ),
    Check(
        CheckName.UNIT,
        "The service's own tests pass, with this checkout's code.",
        "`tests/`, by pytest in a process of its own",
        "`checks.unit_timeout_seconds`",
    ),
    Check(
        CheckName.REGRESSION,
        "The metrics on the frozen set clear the absolute bars of the gates.",
        "`tests/regression/*.parquet`",
        "`evaluation.gates`",
    ),
    Check(
        CheckName.METAMORPHIC,
        "A row's answer is the same asked again, in another order, alone or in a batch, and loaded anew; each field "
        "can change an answer; declared relations hold.",
        "held-out rows, asked of the bundle",
        "`checks.relations`, `checks.sample_rows`, `checks.py`",
    ),
    Check(
        CheckName.FAIRNESS,
        "No segment's selection ratio, true positive gap or metric gap is beyond its bound for certain.",
        "held-out or frozen rows with labels",
        "`segments`, `checks.fairness`",
    ),
    Check(
        CheckName.ADVERSARIAL,
        "Extremes, unseen categories, nulls, strange text, forms of no number and broken bodies are answered in range "
        "or refused in words; the slot is as before; small noise moves answers by little.",
        "requests made from the schema, over HTTP",
        "`checks.noise_ratio`, `checks.stable_change_ratio`",
    ),
    Check(
        CheckName.PARITY,
        "The features of a recorded sample are what the offline join says, by this checkout's code.",
        "`tests/parity/*.parquet`",
        "`parity`, `alerts.parity_difference_ratio`",
    ),
    Check(
        CheckName.LATENCY,
        "95 and 99 of 100 answers of the load test are within the budget of the application.",
        "`shipway loadtest --profile load` of the same digest",
        "`application`",
    ),
    Check(
        CheckName.COST,
        "A thousand predictions cost no more than declared, at the highest rate that met the objective.",
        "`shipway loadtest --profile scalability` of the same digest, and the environment's price",
        "`checks.usd_per_1000_predictions`, `prices` of the environment",
    ),
)

# Those that ask the bundle, in the child process that serves it.
OF_BUNDLE: Mapping[CheckName, Callable[[Facts], Iterator[Finding]]] = {
    CheckName.SCHEMA: check_schema,
    CheckName.REGRESSION: check_regression,
    CheckName.METAMORPHIC: check_metamorphic,
    CheckName.FAIRNESS: check_fairness,
    CheckName.ADVERSARIAL: check_adversarial,
}


def needed(spec: ModelSpec) -> frozenset[CheckName]:
    """Returns the checks that need evidence: the required ones, and those that model.yaml sets a bound for."""
    found = set(spec.checks.required)
    if spec.application is not None and LATENCY_BUDGETS[spec.application].p99_seconds is not None:
        found.add(CheckName.LATENCY)
    if spec.checks.usd_per_1000_predictions is not None:
        found.add(CheckName.COST)
    return frozenset(found)


def needed_profiles(spec: ModelSpec) -> tuple[Profile, ...]:
    """Returns the load tests that model.yaml demands, on any tier or for a check that needs evidence.

    Those of all tiers, because what a release saw goes with the version, and the next environment goes by it.
    """
    found = {profile for tier in Tier for profile in spec.loadtest.profiles(tier)}
    found |= {MEASURED_BY[check] for check in needed(spec) if check in MEASURED_BY}
    return tuple(profile for profile in Profile if profile in found)
