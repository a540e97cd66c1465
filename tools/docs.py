"""The tables of docs/ that are made from the code's own registries: `python -m tools.docs` writes them."""

import sys
from collections.abc import Callable
from pathlib import Path

from policies.pack import all_rules
from shipway.checks.registry import CHECKS
from shipway.contract.check import LATENCY_BUDGETS
from shipway.contract.compatibility import CONTRACT_VERSION, VERSIONS, Standing, compatibility
from shipway.contract.documents import Spec, write_atomic
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.evidence import ABSOLUTE_GATES, LATE_GATES, QUALITY_GATES, RELATIVE_GATES, Gate
from shipway.contract.loadtest import PROFILES
from shipway.contract.model import ModelSpec, RolloutSpec
from shipway.contract.serving import CircuitSpec, FeatureRead, FeaturesSpec, ServingSpec
from shipway.drift.statistics import STATISTICS
from tools.alerts_page import alert_page
from tools.keys import key_table, keys_page
from tools.kinds_page import kinds_page
from tools.reference import cli_page, errors_page, metrics_page

__all__ = [
    "TABLES",
    "checks_table",
    "contract_table",
    "environment_keys",
    "load_profiles_table",
    "main",
    "model_keys",
    "policy_table",
    "rollout_table",
    "serving_table",
    "statistics_table",
]

ROOT = Path(__file__).resolve().parents[1]


def contract_table() -> str:
    """Returns the page that lists every version of the contract between services and platform."""
    lines = [
        "# Contract versions",
        "",
        "Made from `shipway/contract/compatibility.py`. The contract is what a service's folder and the platform",
        "promise each other; `contract_version` in `model.yaml` says which one a service was made for.",
        "The same version deploys, one minor version behind deploys and says so, anything else is refused. What brings",
        "a service up to date is in [fleet.md](fleet.md).",
        "",
        f"This platform's contract is {CONTRACT_VERSION}.",
        "",
        "| contract | templates | what it changed | a service of it |",
        "|---|---|---|---|",
    ]
    for one in reversed(VERSIONS):
        found = compatibility("MODEL", one.version)
        does = "deploys" if found.deploys else "is refused"
        said = does if found.standing is Standing.CURRENT else f"{does}: {found.standing}"
        lines.append(f"| {one.version} | from {one.template} | {one.changed} | {said} |")
    return "\n".join(lines) + "\n"


def policy_table() -> str:
    """Returns the page that lists every rule of the policy pack."""
    lines = [
        "# Policies",
        "",
        "Made from `policies/rules/`. Run with `pulumi preview --policy-pack policies`. A mandatory rule stops the",
        "deployment; a value that is not known yet is reported as such, never passed.",
        "",
        "| id | rule | severity | mandatory on | what it demands | what to do |",
        "|---|---|---|---|---|---|",
    ]
    for rule in all_rules():
        tiers = ", ".join(sorted(rule.tiers))
        lines.append(f"| {rule.id} | {rule.title} | {rule.severity} | {tiers} | {rule.message} | {rule.fix} |")
    return "\n".join(lines) + "\n"


def checks_table() -> str:
    """Returns the page that lists every check of a model, and the latency budgets."""
    lines = [
        "# Checks of a model",
        "",
        "Made from `shipway/checks/registry.py` and `shipway/contract/check.py`, in the order in which they run;",
        "what they mean is in [check.md](check.md).",
        "",
        "| name | what it checks | what it looks at | tuned by |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{one.name}` | {one.what} | {one.evidence} | {one.tuned_by or '-'} |" for one in CHECKS]
    lines += ["", "`application` in model.yaml sets a budget of latency:", ""]
    lines += ["| application | p95 at most | p99 at most | where that comes from |", "|---|---|---|---|"]
    for name, budget in LATENCY_BUDGETS.items():
        p95, p99 = ("-" if one is None else f"{one:g} s" for one in (budget.p95_seconds, budget.p99_seconds))
        lines.append(f"| `{name}` | {p95} | {p99} | {budget.source} |")
    return "\n".join(lines) + "\n"


def rollout_table() -> str:
    """Returns the page that lists every key of `rollout` in model.yaml, and what each gate does by default.

    Raises:
        ValueError: when a key has no line in the docstring of the model, or a line no key.
    """
    lines = [
        "# Keys of `rollout` in model.yaml",
        "",
        "Made from `shipway/contract/model.py`. What they mean for a rollout is in [delivery.md](delivery.md).",
        "",
        *key_table(RolloutSpec),
    ]
    lines += ["", "`gates` may name these:", "", "| gate | when it fails, by default |", "|---|---|"]
    spec = RolloutSpec()
    guardrails = (*RELATIVE_GATES, *LATE_GATES, *QUALITY_GATES, *ABSOLUTE_GATES)
    tunable = (*guardrails, Gate.SAMPLE_RATIO, Gate.PREDICTION_SHIFT)
    lines += [f"| `{gate}` | {spec.action(gate)} |" for gate in tunable]
    return "\n".join(lines) + "\n"


def serving_table() -> str:
    """Returns the page that lists every key of `serving` and `features` in model.yaml.

    Raises:
        ValueError: when a key has no line in the docstring of its model, or a line no key.
    """
    parts = (
        ("serving", ServingSpec),
        ("features", FeaturesSpec),
        ("features.circuit", CircuitSpec),
        ("features.reads", FeatureRead),
    )
    lines = [
        "# Keys of `serving` and `features` in model.yaml",
        "",
        "Made from `shipway/contract/serving.py`. What they mean for a request is in [serving.md](serving.md).",
    ]
    for name, kind in parts:
        lines += ["", f"## `{name}`", "", *key_table(kind)]
    return "\n".join(lines) + "\n"


def statistics_table() -> str:
    """Returns the page that lists every drift statistic."""
    lines = [
        "# Drift statistics",
        "",
        "Made from `shipway/drift/statistics.py`. All alarm above their threshold; what they mean for a verdict is in",
        "[drift-statistics.md](drift-statistics.md).",
        "",
        "| name | statistic | unit | what it says | of | source |",
        "|---|---|---|---|---|---|",
    ]
    for one in STATISTICS.values():
        of = "numbers" if one.numbers_only else "all fields"
        judges = ", judges" if one.judges else ""
        lines.append(f"| `{one.name}` | {one.title} | {one.unit} | {one.meaning} | {of}{judges} | {one.source} |")
    return "\n".join(lines) + "\n"


def model_keys() -> str:
    """Returns the page of every key of model.yaml, except those that have a page of their own."""
    elsewhere: dict[type[Spec], str] = {
        RolloutSpec: "rollout.md",
        ServingSpec: "serving-keys.md#serving",
        FeaturesSpec: "serving-keys.md#features",
    }
    head = "Made from `shipway/contract/`. A key that is not here is refused, and what was expected is said."
    return keys_page("Keys of model.yaml", head, ModelSpec, elsewhere)


def environment_keys() -> str:
    """Returns the page of every key of an environment's file."""
    head = (
        "Made from `shipway/contract/`. They stand in `stacks/Pulumi.<environment>.yaml` under\n"
        "`config: shipway:environment:`. A key that is not here is refused."
    )
    return keys_page("Keys of an environment", head, EnvironmentSpec, {})


def load_profiles_table() -> str:
    """Returns the page that lists every profile of a load test, and its stages."""
    lines = [
        "# Profiles of load tests",
        "",
        "Made from `shipway/contract/loadtest.py`. Rates are multiples of what one replica has to stand; what is in",
        "brackets is not judged. How a test is made is in [loadtest.md](loadtest.md).",
        "",
        "| profile | what it asks | stages | seconds |",
        "|---|---|---|---|",
    ]
    for name, profile in PROFILES.items():
        stages = [f"{one.rate_factor:g} x for {one.seconds:g} s" for one in profile.stages]
        shown = [text if one.judged else f"({text})" for text, one in zip(stages, profile.stages, strict=True)]
        searched = profile.search_seconds
        if searched is not None:
            shown.append(f"a search in steps of {searched:g} s")
        more = "" if searched is None else " and the search"
        lines.append(f"| `{name}` | {profile.asks} | {', '.join(shown)} | {profile.seconds:g}{more} |")
    return "\n".join(lines) + "\n"


TABLES: dict[str, Callable[[], str]] = {
    "docs/alerts.md": alert_page,
    "docs/checks.md": checks_table,
    "docs/cli.md": cli_page,
    "docs/environment-keys.md": environment_keys,
    "docs/errors.md": errors_page,
    "docs/load-profiles.md": load_profiles_table,
    "docs/kinds.md": kinds_page,
    "docs/metrics.md": metrics_page,
    "docs/model-keys.md": model_keys,
    "docs/contract.md": contract_table,
    "docs/policies.md": policy_table,
    "docs/rollout.md": rollout_table,
    "docs/serving-keys.md": serving_table,
    "docs/statistics.md": statistics_table,
}


def main() -> int:
    """Writes every table."""
    for name, table in TABLES.items():
        write_atomic(ROOT / name, table())
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
