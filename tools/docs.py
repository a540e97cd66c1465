"""The tables of docs/ that are made from the code's own registries: `python -m tools.docs` writes them."""

import sys
from collections.abc import Callable
from inspect import getdoc
from pathlib import Path
from typing import Any, cast

from policies.pack import all_rules
from shipway.contract.compatibility import CONTRACT_VERSION, VERSIONS, Standing, compatibility
from shipway.contract.documents import Spec, write_atomic
from shipway.contract.evidence import ABSOLUTE_GATES, LATE_GATES, QUALITY_GATES, RELATIVE_GATES, Gate
from shipway.contract.model import RolloutSpec
from shipway.contract.serving import CircuitSpec, FeatureRead, FeaturesSpec, ServingSpec
from shipway.drift.statistics import STATISTICS
from tools.alerts_page import alert_page

__all__ = ["TABLES", "contract_table", "main", "policy_table", "rollout_table", "serving_table", "statistics_table"]

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
        *_keys(RolloutSpec),
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
        lines += ["", f"## `{name}`", "", *_keys(kind)]
    return "\n".join(lines) + "\n"


def _keys(kind: type[Spec]) -> list[str]:
    fields, meanings = kind.model_fields, _meanings(getdoc(kind) or "")
    if fields.keys() != meanings.keys():
        raise ValueError(f"Args of {kind.__name__}: expected {sorted(fields)}, got {sorted(meanings)}")
    lines = ["| key | default | what it says |", "|---|---|---|"]
    for name, field in fields.items():
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        lines.append(f"| `{name}` | {default} | {meanings[name]} |")
    return lines


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


def _meanings(docstring: str) -> dict[str, str]:
    """Returns argument -> what the `Args:` of a docstring say of it, over all its lines."""
    found: dict[str, str] = {}
    name = ""
    for line in docstring.partition("Args:\n")[2].splitlines():
        begins = line.startswith("    ") and not line.startswith("     ")
        if begins:
            name, _, said = line.strip().partition(": ")
            found[name] = said.strip()
        elif line.startswith("        ") and name:
            found[name] += f" {line.strip()}"
        else:
            break
    return found


def _default(value: Any) -> str:
    if isinstance(value, Spec):
        return "below"
    if value is None or value == {}:
        return "none"
    return f"`{list(cast(tuple[object, ...], value))}`" if isinstance(value, tuple) else f"`{value}`"


TABLES: dict[str, Callable[[], str]] = {
    "docs/alerts.md": alert_page,
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
