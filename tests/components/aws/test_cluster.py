"""The cluster: who reaches it, what it records, and what it keeps secret by."""

import json
from typing import Any

import pytest

from components.aws.addons import AFTER_NODES, BEFORE_NODES, Addon, Addons
from components.aws.cluster import Cluster
from components.aws.cluster_key import ClusterKey
from shipway.contract.environment import Tier
from tests.components.aws.cloud import KEY, Part, environment, register

SUBNETS = ["subnet-aaaaaaaa", "subnet-bbbbbbbb", "subnet-cccccccc"]


def _cluster(**changes: Any) -> Part:
    def build(opts: Any) -> dict[str, Any]:
        found = Cluster(
            "cluster", environment(**changes), vpc_id="vpc-11111111", subnet_ids=SUBNETS, key_arn=KEY, opts=opts
        )
        return {"endpoint": found.outputs.endpoint, "nodes": found.outputs.nodes_group_id}

    return register(build)


def test_a_cluster_passes_every_rule_but_the_budget_that_is_elsewhere() -> None:
    """Private endpoint, five logs with retention, enveloped Secrets, a supported version, protected in prod."""
    said = {finding.message.partition(",")[0] for finding in _cluster().findings(Tier.PROD)}
    assert said == {"no budget in the stack"}


def test_whoever_made_the_cluster_is_nobody_in_it() -> None:
    """Access is by entries alone, one for each role that the environment names."""
    roles = ["arn:aws:iam::111122223333:role/one", "arn:aws:iam::111122223333:role/two"]
    part = _cluster(aws={"admin_role_arns": roles})
    access = part.one("cluster-eks").inputs["accessConfig"]
    assert access == {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}
    assert sorted(one.inputs["principalArn"] for one in part.all("AccessEntry").values()) == roles


def test_what_is_in_the_cluster_waits_for_all_admins_and_their_networks() -> None:
    """The one who runs Pulumi may be any of them; at the end none loses access while something is left to remove."""
    roles = [f"arn:aws:iam::111122223333:role/{one}" for one in ("one", "two", "three")]
    aws = {"admin_role_arns": roles, "operator_ranges": ["10.9.0.0/24", "10.8.0.0/24"]}

    def build(opts: Any) -> dict[str, Any]:
        found = Cluster(
            "cluster", environment(aws=aws), vpc_id="vpc-11111111", subnet_ids=SUBNETS, key_arn=KEY, opts=opts
        )
        Addons("addons", environment(), [Addon("coredns")], values={}, waits=[found.ready], opts=opts)
        return {}

    part = register(build)
    upstream, waiting = set[str](), [part.one("addons-coredns").urn]
    known = {one.urn: one for one in part.found}
    while waiting:
        waiting += (further := set(known[waiting.pop()].request.dependencies) - upstream)
        upstream |= further
    names = {known[urn].name for urn in upstream}
    assert {f"cluster-admin-{number}-rights" for number in range(3)} <= names
    assert {"cluster-operators-0", "cluster-operators-1"} <= names


def test_only_named_networks_reach_the_api_from_outside() -> None:
    """Without any, nobody does."""
    assert _cluster().all("SecurityGroupIngressRule") == {}
    rules = _cluster(aws={"operator_ranges": ["10.9.0.0/24"]}).all("SecurityGroupIngressRule")
    assert [(one.inputs["cidrIpv4"], one.inputs["fromPort"]) for one in rules.values()] == [("10.9.0.0/24", 443)]


def test_the_cluster_tells_where_it_is_and_the_group_of_its_nodes() -> None:
    """Databases let that group in, and kubectl goes to that address."""
    outputs = _cluster().outputs
    assert outputs["endpoint"].startswith("https://")
    assert outputs["nodes"].startswith("sg-")


def test_the_key_rotates_and_names_who_uses_it() -> None:
    """No statement of its policy lets everybody in or allows everything."""

    def build(opts: Any) -> dict[str, Any]:
        ClusterKey("cluster-key", environment(), opts)
        return {}

    part = register(build)
    assert part.findings(Tier.PROD) == []
    for statement in json.loads(part.all("Key")["cluster-key"].inputs["policy"])["Statement"]:
        assert statement["Principal"] != "*"
        assert not [action for action in statement["Action"] if "*" in action]


def _addons(which: Any) -> Part:
    def build(opts: Any) -> dict[str, Any]:
        Addons("addons", environment(), which, values={"cluster_key": KEY}, waits=[], opts=opts)
        return {}

    return register(build)


def test_every_addon_has_a_pinned_version_and_the_cni_enforces_policies() -> None:
    """All six are the stack's own, and nothing else on a node would enforce a network policy."""
    before, after = _addons(BEFORE_NODES), _addons(AFTER_NODES)
    found = {**before.all("Addon"), **after.all("Addon")}
    assert {one.inputs["addonName"] for one in found.values()} == set(environment().aws.addons.by_name())
    assert {one.inputs["addonVersion"] for one in found.values()} == {"v1.0.0-eksbuild.1"}
    settings = json.loads(before.one("addons-vpc-cni").inputs["configurationValues"])
    assert settings == {"enableNetworkPolicy": "true"}


@pytest.mark.parametrize("which", [BEFORE_NODES, AFTER_NODES])
def test_an_addons_rights_are_its_pods_and_no_node_has_them(which: Any) -> None:
    """A role for one service account of one namespace of one cluster, and an add-on that waits for it."""
    part = _addons(which)
    assert part.findings(Tier.PROD) == []
    for role in part.all("Role").values():
        (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        assert statement["Condition"]["StringEquals"] | {"aws:RequestTag/kubernetes-service-account": ""} == {
            "aws:SourceAccount": "111122223333",
            "aws:SourceArn": "arn:aws:eks:eu-central-1:111122223333:cluster/shipway-prod",
            "aws:RequestTag/kubernetes-namespace": "kube-system",
            "aws:RequestTag/kubernetes-service-account": "",
        }
