"""The tables of docs/ that are made from the code's own registries: `python -m tools.docs` writes them."""

import sys
from collections.abc import Callable
from pathlib import Path

from policies.pack import all_rules
from shipway.contract.alerts import ALERTS
from shipway.contract.documents import write_atomic

__all__ = ["TABLES", "alert_table", "main", "policy_table"]

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


def alert_table() -> str:
    """Returns the page that lists every alert."""
    lines = [
        "# Alerts",
        "",
        "Made from `shipway/contract/alerts.py`. Alertmanager sends each to `.shipway/<env>/alerts/alerts.jsonl`, a",
        "line when it begins and one when it ends, and to every address in `alerts.webhook_urls` of the",
        "environment. An alert of a model carries the owner, the escalation and the runbook of its model.yaml. A",
        "page wakes somebody now; a ticket can wait for the morning.",
        "",
        "| alert | severity | what it means | look with |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {alert.severity} | {alert.meaning} | `{alert.look}` |" for name, alert in ALERTS.items()]
    return "\n".join(lines) + "\n"


TABLES: dict[str, Callable[[], str]] = {"docs/alerts.md": alert_table, "docs/policies.md": policy_table}


def main() -> int:
    """Writes every table."""
    for name, table in TABLES.items():
        write_atomic(ROOT / name, table())
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
