"""The pack as Pulumi starts it; it serves until Pulumi ends it, so nothing else may live here."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from pulumi_policy import PolicyPack

from policies.pack import all_rules, policies
from policies.rule import Context
from policies.settings import load_settings
from policies.waivers import load_waivers
from shipway.contract.errors import SpecError

here = Path(__file__).parent
rules = all_rules()
known = frozenset(rule.id for rule in rules)
try:
    settings = load_settings(here / "settings.yaml", known)
    waivers = load_waivers(here / "waivers.yaml", known)
except SpecError as error:
    sys.exit(f"error: {error}")
context = Context(settings=settings, today=datetime.now(UTC).date())
PolicyPack("shipway", policies=policies(rules, context, waivers))
