"""The network: who has a way out, and what never has one."""

import json
from typing import Any

import pytest

from components.aws.endpoints import Endpoints, interface_services
from components.aws.network import Network
from shipway.contract.environment import Tier
from tests.components.aws.cloud import KEY, Part, environment, register

ZONES = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]


def _network(**aws: Any) -> Part:
    def build(opts: Any) -> dict[str, Any]:
        Network("network", environment(aws=aws), KEY, opts)
        return {}

    return register(build)


def test_the_network_passes_every_rule() -> None:
    """Whatever of it a rule speaks of."""
    assert _network().findings(Tier.PROD) == []


def test_each_zone_has_one_subnet_of_each_kind_and_none_gives_out_addresses() -> None:
    """Nodes of any zone find room, and nothing is on the Internet because of where it stands."""
    subnets = [one.inputs for one in _network().all("Subnet").values()]
    assert sorted(one["availabilityZone"] for one in subnets) == sorted(ZONES * 3)
    assert {one["mapPublicIpOnLaunch"] for one in subnets} == {False}
    assert len({one["cidrBlock"] for one in subnets}) == 9


@pytest.mark.parametrize(("nat", "gateways"), [("one", 1), ("per_zone", 3)])
def test_private_subnets_lead_out_by_nat(nat: str, gateways: int) -> None:
    """By one gateway, or each zone by its own, so that a lost zone takes no other's way."""
    part = _network(nat=nat)
    assert len(part.all("NatGateway")) == gateways
    ways = [one.references["natGatewayId"] for name, one in part.all("Route").items() if "private" in name]
    assert len(ways) == 3
    assert len({urn for urns in ways for urn in urns}) == gateways


def test_intra_subnets_lead_nowhere() -> None:
    """They keep the main route table, to which nothing adds a route."""
    part = _network()
    routed = {one.inputs["subnetId"] for one in part.all("RouteTableAssociation").values()}
    assert len(routed) == 6
    assert all("intra" not in name for name in part.all("RouteTable"))
    mains = {one.references["routeTableId"][0].rpartition("::")[2] for one in part.all("Route").values()}
    assert mains == set(part.all("RouteTable"))


def test_whatever_forgets_its_group_is_closed_in() -> None:
    """The default group of the network lets nothing through, in either direction."""
    (group,) = part.values() if (part := _network().all("DefaultSecurityGroup")) else ()
    assert "ingress" not in group.inputs
    assert "egress" not in group.inputs


def test_every_flow_is_written_down_and_kept() -> None:
    """In an encrypted group with its retention, by a role that is this account's and writes there alone."""
    part = _network()
    log = part.one("network-flow-log").inputs
    assert (log["trafficType"], log["logDestinationType"]) == ("ALL", "cloud-watch-logs")
    group = part.one("network-flows").inputs
    assert (group["kmsKeyId"], group["retentionInDays"]) == (KEY, 365)
    trust = json.loads(part.one("flow-logs-role").inputs["assumeRolePolicy"])["Statement"][0]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}
    (row,) = json.loads(part.one("flow-logs-grants").inputs["policy"])["Statement"]
    assert all(each.endswith("/shipway/prod/network:*") or ":log-group:" in each for each in row["Resource"])


def _endpoints(**aws: Any) -> Part:
    def build(opts: Any) -> dict[str, Any]:
        subnets = ["subnet-aaaaaaaa", "subnet-bbbbbbbb", "subnet-cccccccc"]
        Endpoints("endpoints", environment(aws=aws), vpc_id="vpc-11111111", subnet_ids=subnets, opts=opts)
        return {}

    return register(build)


def test_services_of_aws_are_asked_inside_the_network() -> None:
    """S3 too: a network policy names addresses, and only so has it private ones. Only nodes and pods may ask."""
    part = _endpoints()
    asked = {one.inputs["serviceName"].rpartition("eu-central-1.")[2] for one in part.all("VpcEndpoint").values()}
    assert {"s3", "ecr.api", "ecr.dkr", "eks-auth", "secretsmanager", "sts", "logs", "ec2"} <= asked
    assert {one.inputs["privateDnsEnabled"] for one in part.all("VpcEndpoint").values()} == {True}
    rules = [one.inputs for one in part.all("SecurityGroupIngressRule").values()]
    assert sorted(one["cidrIpv4"] for one in rules) == ["10.0.0.0/18", "10.0.128.0/18", "10.0.64.0/18"]
    assert {(one["fromPort"], one["toPort"]) for one in rules} == {(443, 443)}
    assert part.findings(Tier.PROD) == []


def test_s3_answers_inside_the_network_without_a_gateway() -> None:
    """By default its private names are for callers from outside, and AWS refuses that where there is no gateway."""
    endpoints = [one.inputs for one in _endpoints().all("VpcEndpoint").values()]
    assert {one["vpcEndpointType"] for one in endpoints} == {"Interface"}
    told = {one["serviceName"]: one["dnsOptions"] for one in endpoints if "dnsOptions" in one}
    assert told == {
        "com.amazonaws.eu-central-1.s3": {
            "dnsRecordIpType": "ipv4",
            "privateDnsOnlyForInboundResolverEndpoint": False,
        }
    }


@pytest.mark.parametrize(
    ("autoscaler", "own", "other"), [("karpenter", "sqs", "autoscaling"), ("cluster_autoscaler", "autoscaling", "sqs")]
)
def test_no_endpoint_is_paid_for_in_vain(autoscaler: str, own: str, other: str) -> None:
    """Each way of adding nodes has the services that it asks."""
    services = interface_services(environment(aws={"autoscaler": autoscaler}).aws)
    assert own in services
    assert other not in services


@pytest.mark.parametrize(("nat", "zones"), [("one", 1), ("per_zone", 3)])
def test_endpoints_are_in_as_many_zones_as_the_way_out(nat: str, zones: int) -> None:
    """Each zone of each endpoint is paid for."""
    found = {len(one.inputs["subnetIds"]) for one in _endpoints(nat=nat).all("VpcEndpoint").values()}
    assert found == {zones}
