"""The pack as Pulumi starts it, with what a project has decided about its rules."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from pulumi_policy import PolicyPack

from policies.pack import all_rules, policies
from policies.rule import Context
from policies.settings import load_settings
from policies.waivers import load_waivers
from shipway.contract.errors import SpecError

__all__ = ["serve"]


def serve(folder: Path) -> None:
    """Serves every rule, under the settings.yaml and the waivers.yaml in `folder`, until Pulumi ends it."""
    rules = all_rules()
    known = frozenset(rule.id for rule in rules)
    try:
        settings = load_settings(folder / "settings.yaml", known)
        waivers = load_waivers(folder / "waivers.yaml", known)
    except SpecError as error:
        sys.exit(f"error: {error}")
    context = Context(settings=settings, today=datetime.now(UTC).date())
    PolicyPack("shipway", policies=policies(rules, context, waivers))
