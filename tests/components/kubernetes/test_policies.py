"""The example environment before the policy pack: what it violates, and what nobody can tell at a preview."""

from datetime import date
from pathlib import Path

from pulumi.runtime.rpc import deserialize_properties

from policies.judge import Outcome, all_rules, judge
from policies.resource import Resource
from policies.settings import load_settings
from shipway.contract.environment import Tier
from shipway.contract.record import load_record, save_record
from tests.components.conftest import REPOSITORY
from tests.components.kubernetes.cluster import SECOND, Cluster
from tests.components.kubernetes.test_retraining import PLACE

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


def test_retraining_violates_nothing_and_leaves_nothing_more_open(cluster: Cluster) -> None:
    """The job that retrains a model is judged like everything else that runs."""
    cluster.change(kubernetes__retraining=PLACE)
    assert _found(cluster, Outcome.VIOLATION) == set()
    assert _found(cluster, Outcome.UNDECIDED) == set()


def test_what_is_not_decidable_has_its_reason(cluster: Cluster) -> None:
    """Both models are released with their records and watched for drift, so that nothing is left open."""
    assert _found(cluster, Outcome.UNDECIDED) == set()


def test_a_released_bundle_without_a_reference_is_found(cluster: Cluster) -> None:
    """One of two slots is enough: what has no reference would be served unwatched."""
    folder = cluster.project.root / "services" / "flight_delay"
    record = load_record(folder, SECOND)
    save_record(folder, record.model_copy(update={"files": ("model/model.skops", "schema.json")}))
    assert _found(cluster, Outcome.VIOLATION) == {("ML030", "flight-delay")}


def test_a_model_that_turned_its_monitor_off_is_found(cluster: Cluster) -> None:
    """model.yaml may say so, and production refuses it."""
    path = cluster.project.root / "services" / "digits" / "model.yaml"
    path.write_text(f"{path.read_text()}\ndrift: {{enabled: false}}\n")
    assert _found(cluster, Outcome.VIOLATION) == {("ML030", "digits")}
