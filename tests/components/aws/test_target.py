"""Whole environments on AWS: what differs between them, what the rules say, and what a model adds."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from components.aws.grants import GRANTS, MODEL
from policies.judge import Outcome, all_rules, judge
from policies.resource import Resource
from policies.settings import load_settings
from shipway.contract.cluster import kubernetes_spec
from tests.components.cloud import HANDOVER
from tests.components.conftest import REPOSITORY
from tests.components.recorded import RecordedStack, Registration, recorded_stacks

PLATFORMS = ["dev", "prod", "staging"]
SETTINGS = load_settings(REPOSITORY / "policies" / "settings.yaml", frozenset(rule.id for rule in all_rules()))
# The namespace of the models is the platform stack's.
UNDECIDED = {
    "prod": set[tuple[str, str]](),
    "prod-models": {
        ("ML008", pod)
        for pod in (
            *("digits-blue", "flight-delay-blue", "flight-delay-green"),
            *("digits-retraining-job", "flight-delay-retraining-job"),
        )
    },
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RecordedStack]]:
    """Returns what registers a stack by its name."""
    with recorded_stacks(tmp_path_factory.mktemp("stacks")) as found:
        yield found


def _of(stack: RecordedStack, ending: str) -> list[Registration]:
    return [one for one in stack.registrations if one.type.endswith(f":{ending}")]


@pytest.mark.parametrize("stack", ["prod", "prod-models"])
def test_no_rule_finds_fault_with_prod(recorded: Any, stack: str) -> None:
    """None is violated; what is left undecided is named, and none of it is AWS's."""
    found = recorded(stack)
    resources = [
        Resource(
            one.type,
            one.name,
            one.inputs,
            one.urn,
            one.request.protect,
            {key: frozenset(urns) for key, urns in one.references.items()},
        )
        for one in found.registrations
    ]
    findings = judge(resources, found.environment.tier, (), date(2026, 11, 27), settings=SETTINGS)
    violated = [one for one in findings if one.outcome is Outcome.VIOLATION]
    assert [f"{one.rule} {one.resource}: {one.message}" for one in violated] == []
    undecided = {(one.rule, one.resource) for one in findings if one.outcome is Outcome.UNDECIDED}
    assert undecided == UNDECIDED[stack]


@pytest.mark.parametrize("stack", PLATFORMS)
def test_environments_differ_in_their_files_alone(recorded: Any, stack: str) -> None:
    """The same parts everywhere; only what a file says, an end or another zone's way out, comes and goes."""
    parts = {one.type for one in recorded(stack).registrations} - {"shipway:aws:Expiry"}
    same = {one.type for one in recorded("prod").registrations}
    assert {kind for kind in parts ^ same if kind.startswith("shipway:")} == set()


def test_dev_is_the_smallest(recorded: Any) -> None:
    """One way out, spot nodes, no replica of the store, and an end."""
    dev = recorded("dev")
    assert len(_of(dev, "NatGateway")) == 1
    assert {one.inputs["capacityType"] for one in _of(dev, "NodeGroup")} == {"SPOT"}
    assert _of(dev, "Expiry")
    assert not [one for one in dev.registrations if one.request.protect]


def test_prod_is_over_three_zones_on_demand(recorded: Any) -> None:
    """Nothing there is taken back by AWS, and a lost zone leaves two thirds."""
    prod = recorded("prod")
    assert len(_of(prod, "NatGateway")) == 3
    assert {one.inputs["capacityType"] for one in _of(prod, "NodeGroup")} == {"ON_DEMAND"}
    assert {len(one.inputs["subnetIds"]) for one in _of(prod, "NodeGroup")} == {3}
    assert not _of(prod, "Expiry")


@pytest.mark.parametrize("stack", PLATFORMS)
def test_the_cluster_is_reached_without_a_token_in_the_state(recorded: Any, stack: str) -> None:
    """The kubeconfig fetches one each time, and another endpoint does not replace what is in the cluster."""
    found = recorded(stack)
    (provider,) = [one for one in found.registrations if one.type == "pulumi:providers:kubernetes"]
    (user,) = json.loads(provider.inputs["kubeconfig"])["users"]
    assert user["user"].keys() == {"exec"}
    assert user["user"]["exec"]["args"][:2] == ["eks", "get-token"]
    assert provider.inputs["clusterIdentifier"] == f"111122223333-us-east-1-shipway-{stack}"


@pytest.mark.parametrize("stack", PLATFORMS)
def test_only_the_environments_account_is_touched(recorded: Any, stack: str) -> None:
    """Credentials of another account are refused by the provider, in the platform's stack and in the models'."""
    for name in (stack, f"{stack}-models"):
        (provider,) = [one for one in recorded(name).registrations if one.type == "pulumi:providers:aws"]
        assert json.loads(provider.inputs["allowedAccountIds"]) == ["111122223333"]


@pytest.mark.parametrize("stack", PLATFORMS)
def test_every_part_with_rights_is_there(recorded: Any, stack: str) -> None:
    """Each row of the grants is a role's policy in the platform's stack or in the models'; none is idle."""
    names = {one.inputs["name"] for each in (stack, f"{stack}-models") for one in _of(recorded(each), "RolePolicy")}
    unused = {grant.part for grant in GRANTS} - names
    # Of the two ways of adding nodes one is there; the rest only where a file asks for it.
    assert unused <= {"karpenter", "expiry", "machine-expiry", "machine-expiry-call", "policy-controller", "retrainer"}
    assert names <= {grant.part for grant in GRANTS}


def test_pods_start_after_their_identities(recorded: Any) -> None:
    """The cluster's provider waits for the add-ons, they for the last identity: one that came later would be missed."""
    found = {one.urn: one for one in recorded("prod").registrations}
    (provider,) = [one for one in found.values() if one.type == "pulumi:providers:kubernetes"]
    seen, waiting = set[str](), list(provider.request.dependencies)
    while waiting:
        urn = waiting.pop()
        if urn not in seen:
            seen.add(urn)
            waiting += found[urn].request.dependencies
    identities = {urn for urn in seen if found[urn].type.endswith("PodIdentityAssociation")}
    assert {found[urn].inputs["serviceAccount"] for urn in identities} >= {"mlflow", "delivery", "materialise"}


def test_the_gateway_comes_after_what_makes_its_load_balancer_and_goes_before_it(recorded: Any) -> None:
    """Or the load balancer would stay when all else is gone."""
    found = {one.urn: one for one in recorded("prod").registrations}
    (gateway,) = [one for one in found.values() if one.name == "routing-gateway"]
    assert "load-balancer-chart" in {found[urn].name for urn in gateway.request.dependencies}
    annotations = gateway.inputs["spec"]["infrastructure"]["annotations"]
    short = {key.partition("aws-load-balancer-")[2]: value for key, value in annotations.items()}
    assert (short["scheme"], short["ssl-ports"]) == ("internet-facing", "443")
    assert short["ssl-cert"].startswith("arn:aws:acm:")
    assert gateway.inputs["spec"]["listeners"][0]["protocol"] == "HTTP"


def test_a_model_may_write_its_own_log_and_read_its_own_bundles(recorded: Any) -> None:
    """Its role is for its own service account, and names no other model and no wildcard but in object keys."""
    policies = {one.name: one.inputs for one in _of(recorded("prod-models"), "RolePolicy")}
    slots = {"digits-grants", "flight-delay-grants"}
    assert set(policies) == slots | {"digits-retrainer-grants", "flight-delay-retrainer-grants"}
    own = json.loads(policies["digits-grants"]["policy"])["Statement"]
    written = [one for one in own if one["Action"] == ["s3:PutObject"]]
    assert [one["Resource"] for one in written] == [["arn:aws:s3:::shipway-prod-predictions-111122223333/digits/*"]]
    assert "flight-delay" not in policies["digits-grants"]["policy"]
    assert {one["Resource"][0] for one in own if one["Action"][0].startswith("kms:")} == {HANDOVER["data_key"]}
    assert policies["digits-grants"]["name"] == MODEL


def test_who_retrains_a_model_writes_its_images_and_its_own_state_alone(recorded: Any) -> None:
    """By its own account; it reads its model's log and verdicts, and what others remember is closed to it."""
    found = recorded("prod-models")
    policies = {one.name: one.inputs["policy"] for one in _of(found, "RolePolicy")}
    own = json.loads(policies["digits-retrainer-grants"])["Statement"]
    puts = {resource for one in own for action in one["Action"] if "Put" in action for resource in one["Resource"]}
    assert puts == {
        "arn:aws:s3:::shipway-prod-artifacts-111122223333/workers/retraining/digits/*",
        "arn:aws:ecr:us-east-1:111122223333:repository/shipway-prod/models/digits",
    }
    assert "flight-delay" not in policies["digits-retrainer-grants"]
    accounts = {one.name: one.inputs["serviceAccount"] for one in _of(found, "PodIdentityAssociation")}
    assert accounts["digits-retrainer-identity"] == "digits-retraining"


def test_the_registry_knows_who_retrains_by_its_role(recorded: Any) -> None:
    """No Secret holds a password of ECR: its configuration names the helper, and pods reach both and the repository."""
    found = {one.name: one.inputs for one in recorded("prod-models").registrations}
    config = json.loads(found["digits-retraining-config"]["data"]["config.json"])
    assert config == {"credHelpers": {"111122223333.dkr.ecr.us-east-1.amazonaws.com": "ecr-login"}}
    pod = found["digits-retraining-job"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    secrets = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    assert secrets == {"retraining-repository", "retraining-signing"}
    (folder,) = [one["value"] for one in pod["containers"][0]["env"] if one["name"] == "DOCKER_CONFIG"]
    mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts[folder] == "digits-retraining"
    reached = json.dumps(found["digits-retraining-edges"]["spec"]["egress"])
    assert all(one in reached for one in ("203.0.113.0/28", "10.40.224.0/19", "169.254.170.23/32"))


def test_models_have_nothing_to_do_with_network_cluster_or_data(recorded: Any) -> None:
    """A release needs rights over images, roles and objects of models alone."""
    kinds = {one.type for one in recorded("prod-models").registrations if one.type.startswith("aws:")}
    assert kinds == {
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:ecr/repository:Repository",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "aws:iam/role:Role",
        "aws:iam/rolePolicy:RolePolicy",
    }


@pytest.mark.parametrize("stack", PLATFORMS)
def test_pods_ask_addresses_of_the_network_alone(recorded: Any, stack: str) -> None:
    """Every store and every service of AWS lies in the subnets that have no way out."""
    environment = recorded(stack).environment
    cluster = kubernetes_spec(environment)
    assert cluster is not None
    within = environment.aws.subnets.intra_range
    stores = (cluster.mlflow_postgres, cluster.feast_postgres, cluster.redis)
    assert {store.installed.address_range for store in stores if store.installed} == {within}
    assert cluster.object_storage.address_range == within
