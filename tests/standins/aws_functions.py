"""The functions of the AWS provider that a program may call; any other one is refused by its name."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.standins.aws_objects import Place

__all__ = ["FUNCTIONS"]

Answer = dict[str, Any]


def _caller_identity(_arguments: Mapping[str, Any], place: Place) -> Answer:
    role = f"arn:aws:sts::{place.account}:assumed-role/deployment/stand-in"
    return {"id": place.account, "accountId": place.account, "arn": role, "userId": "AROASTANDIN:stand-in"}


def _partition(_arguments: Mapping[str, Any], place: Place) -> Answer:
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def _region(_arguments: Mapping[str, Any], place: Place) -> Answer:
    region = place.region
    return {"id": region, "name": region, "region": region, "endpoint": f"ec2.{region}.amazonaws.com", "description": ""}


def _zones(_arguments: Mapping[str, Any], place: Place) -> Answer:
    identifiers = [f"{place.region}-az{number}" for number, _ in enumerate(place.zones, 1)]
    return {"id": place.region, "names": list(place.zones), "zoneIds": identifiers, "groupNames": [place.region]}


def _parameter(arguments: Mapping[str, Any], place: Place) -> Answer:
    name = str(arguments["name"])
    image = "ami-0123456789abcdef0"
    arn = f"arn:aws:ssm:{place.region}::parameter{name}"
    return {"id": name, "name": name, "arn": arn, "type": "String", "value": image, "version": 1, "insecureValue": image}


def _policy_document(arguments: Mapping[str, Any], _place: Place) -> Answer:
    statements = [_statement(one) for one in arguments.get("statements") or []]
    text = json.dumps({"Version": arguments.get("version") or "2012-10-17", "Statement": statements})
    return {"id": str(len(text)), "json": text, "minifiedJson": text}


def _statement(given: Mapping[str, Any]) -> Answer:
    conditions: dict[str, dict[str, Any]] = {}
    for one in given.get("conditions") or []:
        conditions.setdefault(one["test"], {})[one["variable"]] = one["values"]
    principals = {one["type"]: one["identifiers"] for one in given.get("principals") or []}
    lists = {"Action": "actions", "NotAction": "notActions", "Resource": "resources", "NotResource": "notResources"}
    return {
        **({"Sid": given["sid"]} if given.get("sid") else {}),
        "Effect": given.get("effect") or "Allow",
        **{name: given[key] for name, key in lists.items() if given.get(key)},
        **({"Principal": principals} if principals else {}),
        **({"Condition": conditions} if conditions else {}),
    }


FUNCTIONS: Mapping[str, Callable[[Mapping[str, Any], Place], Answer]] = {
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getRegion:getRegion": _region,
    "aws:ssm/getParameter:getParameter": _parameter,
}
