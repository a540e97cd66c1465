# ruff: noqa: N803 - boto3's own names of arguments
"""Environments that end."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from components.aws.expiry import Expiry, expires_on, refuse_expired
from components.aws.functions.machine_expiry import end_machines
from components.aws.machine_expiry import MachineExpiry
from shipway.contract.environment import Tier
from shipway.contract.errors import SpecError
from tests.components.aws.cloud import KEY, TODAY, environment, register

ROOT = Path("project")


def test_nodes_go_on_the_day_after_the_last_one() -> None:
    """One schedule a group, which may delete the cluster's groups and nothing else: a group that stays fills again."""

    def build(opts: Any) -> dict[str, Any]:
        groups = {"system": "shipway-prod-system", "inference": "shipway-prod-inference"}
        return {"urn": Expiry("expiry", environment(), last=date(2026, 12, 31), node_groups=groups, opts=opts).urn}

    part = register(build)
    found = part.one("expiry-inference").inputs
    assert found["scheduleExpression"] == "at(2027-01-01T00:00:00)"
    assert found["target"]["arn"] == "arn:aws:scheduler:::aws-sdk:eks:deleteNodegroup"
    assert json.loads(found["target"]["input"]) == {
        "ClusterName": "shipway-prod",
        "NodegroupName": "shipway-prod-inference",
    }
    (statement,) = json.loads(part.one("expiry-grants").inputs["policy"])["Statement"]
    assert statement["Action"] == ["eks:DeleteNodegroup"]
    assert statement["Resource"] == ["arn:aws:eks:eu-central-1:111122223333:nodegroup/shipway-prod/*/*"]


class Machines:
    """EC2 as far as the function asks it: pages of machines, and those that were ended."""

    def __init__(self, *pages: list[str]) -> None:
        self.pages, self.filters, self.ended = pages, [], list[list[str]]()
        self.protected = set[str]()

    def get_paginator(self, action: str) -> "Machines":
        assert action == "describe_instances"
        return self

    def paginate(self, *, Filters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.filters = {one["Name"]: one["Values"] for one in Filters}
        return [{"Reservations": [{"Instances": [{"InstanceId": one}]} for one in page]} for page in self.pages]

    def terminate_instances(self, *, InstanceIds: list[str]) -> None:
        if self.protected & set(InstanceIds):
            raise ValueError("OperationNotPermitted")
        self.ended.append(InstanceIds)


def test_what_karpenter_made_goes_after_the_groups() -> None:
    """It is in no group, and runs on; only what bears the cluster's mark and Karpenter's may be ended, and is."""

    def build(opts: Any) -> dict[str, Any]:
        return {"urn": MachineExpiry("machines", environment(), last=date(2026, 12, 31), key_arn=KEY, opts=opts).urn}

    part = register(build)
    assert part.findings(Tier.PROD) == []
    found = part.one("machines-schedule").inputs
    assert found["scheduleExpression"] == "rate(1 hours)"
    assert (found["startDate"], found["endDate"]) == ("2027-01-01T01:00:00Z", "2027-01-01T23:59:59Z")
    assert json.loads(found["target"]["input"]) == {"cluster": "shipway-prod"}
    assert found["target"]["arn"].endswith("shipway-prod-machine-expiry")
    rows = {
        action: statement
        for statement in json.loads(part.one("machines-grants").inputs["policy"])["Statement"]
        for action in statement["Action"]
    }
    assert rows["ec2:TerminateInstances"]["Condition"] == {
        "StringEquals": {"aws:ResourceTag/kubernetes.io/cluster/shipway-prod": "owned"},
        "StringLike": {"aws:ResourceTag/karpenter.sh/nodepool": "*"},
    }
    (call,) = json.loads(part.one("machines-call-grants").inputs["policy"])["Statement"]
    assert (call["Action"], call["Resource"]) == (["lambda:InvokeFunction"], [found["target"]["arn"]])


def test_every_machine_of_karpenter_is_ended_and_no_other() -> None:
    """Over all pages, whatever their state, some at a time; where there is none nothing is asked for."""
    names = [f"i-{number:03}" for number in range(70)]
    machines = Machines(names[:60], names[60:])
    assert end_machines("shipway-prod", machines) == names
    assert machines.filters == {
        "tag:kubernetes.io/cluster/shipway-prod": ["owned"],
        "tag-key": ["karpenter.sh/nodepool"],
        "instance-state-name": ["pending", "running", "stopping", "stopped"],
    }
    assert [len(one) for one in machines.ended] == [50, 20]
    nothing = Machines([])
    assert (end_machines("shipway-prod", nothing), nothing.ended) == ([], [])


def test_a_machine_that_cannot_go_keeps_no_other_one() -> None:
    """EC2 ends none of a call with such a one; who looks at the function's errors is told which it is."""
    names = [f"i-{number:03}" for number in range(70)]
    machines = Machines(names)
    machines.protected = {"i-003"}
    with pytest.raises(RuntimeError, match=r"^shipway-prod: i-003 stays: OperationNotPermitted$"):
        end_machines("shipway-prod", machines)
    assert {one for part in machines.ended for one in part} == {*names} - {"i-003"}


def test_an_environment_stays_until_its_last_day_is_over() -> None:
    """On the day itself it may still be changed; without the tag it stays."""
    refuse_expired(ROOT, environment(), TODAY)
    refuse_expired(ROOT, environment(tags={"expires": "2026-11-27"}), TODAY)
    assert expires_on(ROOT, environment(tags={"expires": "2026-11-27"})) == TODAY


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-11-26", r"tags.expires: got '2026-11-26', expected 2026-11-27 or later, or the stack destroyed"),
        ("soon", r"tags.expires: got 'soon', expected a date such as 2027-01-31"),
    ],
)
def test_an_expired_environment_is_refused(text: str, message: str) -> None:
    """Before anything is created, and so is a day that is none."""
    with pytest.raises(SpecError, match=message):
        refuse_expired(ROOT, environment(tags={"expires": text}), TODAY)
