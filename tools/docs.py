"""The tables of docs/ that are made from the code's own registries: `python -m tools.docs` writes them."""

import sys
from collections.abc import Callable
from inspect import getdoc
from pathlib import Path
from typing import Any, cast

from policies.pack import all_rules
from shipway.contract.documents import write_atomic
from shipway.contract.evidence import ABSOLUTE_GATES, LATE_GATES, QUALITY_GATES, RELATIVE_GATES, Gate
from shipway.contract.model import RolloutSpec
from tools.alerts_page import alert_page

__all__ = ["TABLES", "main", "policy_table", "rollout_table"]

ROOT = Path(__file__).resolve().parents[1]


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
        "| key | default | what it says |",
        "|---|---|---|",
    ]
    fields, meanings = RolloutSpec.model_fields, _meanings(getdoc(RolloutSpec) or "")
    if fields.keys() != meanings.keys():
        raise ValueError(f"Args of RolloutSpec: expected {sorted(fields)}, got {sorted(meanings)}")
    for name, field in fields.items():
        lines.append(f"| `{name}` | {_default(field.get_default(call_default_factory=True))} | {meanings[name]} |")
    lines += ["", "`gates` may name these:", "", "| gate | when it fails, by default |", "|---|---|"]
    spec = RolloutSpec()
    guardrails = (*RELATIVE_GATES, *LATE_GATES, *QUALITY_GATES, *ABSOLUTE_GATES)
    tunable = (*guardrails, Gate.SAMPLE_RATIO, Gate.PREDICTION_SHIFT)
    lines += [f"| `{gate}` | {spec.action(gate)} |" for gate in tunable]
    return "\n".join(lines) + "\n"


def _meanings(docstring: str) -> dict[str, str]:
    """Returns argument -> what the `Args:` of a docstring say of it."""
    lines = docstring.partition("Args:\n")[2].splitlines()
    return {name.strip(): said.strip() for name, found, said in (line.partition(": ") for line in lines) if found}


def _default(value: Any) -> str:
    if value is None or value == {}:
        return "none"
    return f"`{list(cast(tuple[object, ...], value))}`" if isinstance(value, tuple) else f"`{value}`"


TABLES: dict[str, Callable[[], str]] = {
    "docs/alerts.md": alert_page,
    "docs/policies.md": policy_table,
    "docs/rollout.md": rollout_table,
}


def main() -> int:
    """Writes every table."""
    for name, table in TABLES.items():
        write_atomic(ROOT / name, table())
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
