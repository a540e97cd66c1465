"""Ranges of addresses that are about everybody, and rules that find them however they are cut."""

import ipaddress
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from policies.addresses import is_open
from policies.judge import judge
from policies.resource import Resource
from policies.rules.network import default_deny, gateway_only
from shipway.contract.environment import Tier

HALVES = ["0.0.0.0/1", "128.0.0.0/1"]
PIECES = [str(one) for one in ipaddress.ip_network("0.0.0.0/0").subnets(new_prefix=8)]
ALL_BUT_ONE = [
    str(one) for one in ipaddress.ip_network("0.0.0.0/0").address_exclude(ipaddress.ip_network("203.0.113.7/32"))
]
OWN = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10", "2001:db8::/32"]


@pytest.mark.parametrize(
    "ranges",
    [
        *(
            [one]
            for one in ("0.0.0.0/0", "::/0", "0::/0", "0.0.0.0/1", "128.0.0.0/1", "2000::/3", "8.0.0.0/7", "1.2.3.4/0")
        ),
        *(HALVES, PIECES, ALL_BUT_ONE, ["11.0.0.0/8", "13.0.0.0/8"]),
    ],
)
def test_most_of_the_internet_is_the_internet(ranges: list[str]) -> None:
    """A half, all of it in pieces, all but one address; two networks that no owner has both of."""
    assert is_open(ranges)


@pytest.mark.parametrize("ranges", [OWN, [], ["203.0.113.0/24"], [None, "no-range", "pl-12345"], PIECES[1:2]])
def test_what_one_owner_has_is_not(ranges: list[Any]) -> None:
    """Private networks, all of them at once; what is no range."""
    assert not is_open(ranges)


def _found(resource: Resource) -> list[str]:
    rules = [default_deny, gateway_only]
    found = judge([resource], Tier.PROD, (), date(2026, 11, 27), rules=rules)
    return [one.message.partition(", expected")[0] for one in found]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        (HALVES, ["egress.0 allows 0.0.0.0/1", "egress.1 allows 128.0.0.0/1"]),
        (PIECES, ["egress allows 256 ranges that are too much together"]),
        (OWN, []),
    ],
)
def test_a_policy_lets_nobody_reach_everybody(ranges: Sequence[str], expected: list[str]) -> None:
    """Named in one edge or in many."""
    spec = {"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": one}}]} for one in ranges]}
    props = {"metadata": {"namespace": "models"}, "spec": spec}
    assert _found(Resource("kubernetes:networking.k8s.io/v1:NetworkPolicy", "x", props)) == expected


@pytest.mark.parametrize(
    ("kind", "props", "expected"),
    [
        ("ec2/securityGroupRule:SecurityGroupRule", {"cidrBlocks": HALVES}, ["ingress is open to 0.0.0.0/1"]),
        (
            "vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            {"cidrIpv6": "2000::/3"},
            ["ingress is open to 2000::/3"],
        ),
        (
            "ec2/securityGroup:SecurityGroup",
            {"ingress": [{"cidrBlocks": [one], "fromPort": 22, "toPort": 22} for one in PIECES]},
            ["ingress is open to ranges that are too much together"],
        ),
        ("ec2/securityGroup:SecurityGroup", {"ingress": [{"cidrBlocks": OWN[:4]}]}, []),
    ],
)
def test_a_security_group_lets_not_everybody_in(kind: str, props: dict[str, Any], expected: list[str]) -> None:
    """By one rule or by many."""
    assert _found(Resource(f"aws:{kind}", "x", props)) == expected
