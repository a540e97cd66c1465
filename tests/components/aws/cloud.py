"""One part of the aws target at a time: an environment to build it in, and what it registers, judged."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime.mocks import MockResourceArgs, Mocks, set_mocks

from policies.judge import Finding, judge
from policies.resource import Resource
from shipway.contract.aws import AddonsSpec
from shipway.contract.documents import parse
from shipway.contract.environment import EnvironmentSpec
from tests.components.cloud import made
from tests.components.recorded import Registration, registrations
from tests.components.recording import Recorder, use_one_loop
from tests.standins.aws_objects import Place

__all__ = ["KEY", "TODAY", "Part", "environment", "register"]

TODAY = date(2026, 11, 27)
ACCOUNT, REGION = "111122223333", "eu-central-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/data"
_IMAGE = "{}.dkr.ecr.eu-central-1.amazonaws.com/shipway-prod/platform/{}@sha256:" + "1" * 64
_AWS: Mapping[str, Any] = {
    "account_id": ACCOUNT,
    "availability_zones": [f"{REGION}{zone}" for zone in "abc"],
    "vpc_cidr": "10.0.0.0/16",
    "admin_role_arns": [f"arn:aws:iam::{ACCOUNT}:role/admin"],
    "cpu_pools": [{"name": "system", "instance_types": ["m7i.large"], "min_nodes": 3, "max_nodes": 6}],
    "gateway": {"hostname": "models.example.com", "hosted_zone_id": "Z0123456789"},
    "images": {name: _IMAGE.format(ACCOUNT, name) for name in ("delivery", "feast", "mlflow")},
    "budget": {"emails": ["finance@example.com"]},
}


def environment(*, tags: Mapping[str, str] | None = None, aws: Mapping[str, Any] | None = None, **changes: Any) -> Any:
    """Returns an environment of tier prod, with some of it changed."""
    document: dict[str, Any] = {
        "name": "prod",
        "tier": "prod",
        "target": "aws",
        "region": REGION,
        "cluster_version": "1.35",
        "budget_usd_per_month": 5000,
        "retention_days": 30,
        "tags": {"cost-center": "ml", "owner": "platform", **(tags or {})},
        "aws": {**_AWS, **addons(), **(aws or {})},
        **changes,
    }
    return parse(EnvironmentSpec, document, Path("stacks/Pulumi.prod.yaml"))


def addons() -> dict[str, Any]:
    """Returns versions of all add-ons, of no meaning here."""
    names = AddonsSpec.model_fields
    return {"addons": dict.fromkeys(names, "v1.0.0-eksbuild.1")}


class _Cloud(Mocks):
    """Answers as AWS would, and takes nothing that the SDK's types do not."""

    def call(self, args: Any) -> dict[str, Any]:
        raise AssertionError(f"the program calls {args.token}")

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.typ.startswith("aws:"):
            return f"{args.name}-id", dict(args.inputs)
        return made(args.typ, args.name, args.inputs, Place(REGION, ACCOUNT))


class Part:
    """What was registered, and what the outputs of the part were."""

    def __init__(self, found: list[Registration], outputs: Mapping[str, Any]) -> None:
        self.found, self.outputs = found, outputs

    def all(self, ending: str) -> dict[str, Registration]:
        return {one.name: one for one in self.found if one.type.endswith(f":{ending}")}

    def one(self, name: str) -> Registration:
        (found,) = [each for each in self.found if each.name == name]
        return found

    def findings(self, tier: Any) -> list[Finding]:
        """Returns what the rules say of these resources: only of them, for the rest of the stack is not here."""
        resources = [
            Resource(
                one.type,
                one.name,
                one.inputs,
                one.urn,
                one.request.protect,
                {key: frozenset(urns) for key, urns in one.references.items()},
            )
            for one in self.found
        ]
        return judge(resources, tier, (), TODAY)


def register(build: Callable[[pulumi.ResourceOptions], Mapping[str, Any]], *, stack: str = "prod") -> Part:
    """Runs `build`, which returns outputs to look at."""
    mocks, seen = _Cloud(), dict[str, Any]()
    recorder = Recorder(mocks)
    use_one_loop()
    set_mocks(mocks, project="shipway", stack=stack, preview=False, monitor=recorder)

    def program() -> pulumi.Output[None]:
        outputs = build(pulumi.ResourceOptions())
        return pulumi.Output.all(**outputs).apply(seen.update)

    pulumi.runtime.test(program)()
    return Part(registrations(recorder), seen)
