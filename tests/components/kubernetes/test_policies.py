"""The example environment before the policy pack: what it violates, and what nobody can tell at a preview."""

from datetime import date
from pathlib import Path

from pulumi.runtime.rpc import deserialize_properties

from policies.judge import Outcome, all_rules, judge
from policies.resource import Resource
from policies.settings import load_settings
from shipway.contract.environment import Tier
from tests.components.conftest import REPOSITORY
from tests.components.kubernetes.cluster import Cluster

SETTINGS = load_settings(Path(REPOSITORY / "policies" / "settings.yaml"), frozenset(rule.id for rule in all_rules()))


def _found(cluster: Cluster, outcome: Outcome) -> set[tuple[str, str]]:
    resources = [
        Resource(one.type, one.name, deserialize_properties(one.object), urn, one.protect)
        for urn, one in cluster.register().requests.items()
    ]
    findings = judge(resources, Tier.PROD, (), date.today(), settings=SETTINGS)
    return {(one.rule, one.resource) for one in findings if one.outcome is outcome}


def test_the_example_violates_nothing(cluster: Cluster) -> None:
    """Production on a cluster of one's own passes every rule without a waiver."""
    assert _found(cluster, Outcome.VIOLATION) == set()


def test_what_is_not_decidable_has_its_reason(cluster: Cluster) -> None:
    """No drift monitor runs, so nobody says that one does."""
    assert _found(cluster, Outcome.UNDECIDED) == {("ML030", "digits"), ("ML030", "flight-delay")}
