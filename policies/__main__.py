"""The pack as Pulumi starts it; it serves until Pulumi ends it, so nothing else may live here."""

from pulumi_policy import PolicyPack

from policies.pack import all_rules, policies

PolicyPack("shipway", policies=policies(all_rules()))
