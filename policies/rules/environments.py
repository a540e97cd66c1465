"""That environments differ in what their files declare, and in nothing else."""

from collections.abc import Iterator
from typing import Any

from policies.kubernetes import pods
from policies.resource import Resource, at
from policies.rule import MODEL_SERVICE, PLATFORM, Context, Scope, Severity, rule
from shipway.contract.environment import EnvironmentSpec

__all__ = ["declared_only"]

_ENV = "shipway/env"


def _stack(env: str) -> tuple[Resource, ...]:
    return (
        Resource(PLATFORM, "platform", {"environment": {"name": "prod", "tier": "prod", "target": "aws"}}),
        Resource("aws:s3/bucket:Bucket", "models", {"tags": {_ENV: env}}),
    )


@rule(
    "ML040",
    "environments declared",
    severity=Severity.HIGH,
    types=(PLATFORM, MODEL_SERVICE, "aws:*", "kubernetes:*"),
    scope=Scope.STACK,
    fix="Declare the difference in stacks/Pulumi.<env>.yaml, and take name and tier from there.",
    passing=_stack("prod"),
    failing=_stack("staging"),
)
def declared_only(resource: Resource, context: Context) -> Iterator[str]:
    """Every environment is what its file declares: no undeclared parameter, and no resource of another environment."""
    if resource.type == PLATFORM:
        environment = resource.props["environment"]
        for key in sorted(environment.keys() - EnvironmentSpec.model_fields.keys()):
            yield f"environment.{key} is {environment[key]!r}, expected a declared parameter"
        if environment.get("tier") != context.tier:
            yield f"environment.tier is {environment.get('tier')!r}, expected the stack's {str(context.tier)!r}"
        return
    if resource.type == MODEL_SERVICE:
        tier = resource.props.get("tier")
        if tier != context.tier:
            yield f"tier is {tier!r}, expected the stack's {str(context.tier)!r}"
        return
    for platform in context.stack.of(PLATFORM):
        name = at(platform.props, "environment", "name")
        for where, found in _said(resource):
            if found != name:
                yield f"{where} {_ENV} is {found!r}, expected {name!r}"


def _said(resource: Resource) -> Iterator[tuple[str, Any]]:
    """Returns where a resource says which environment it belongs to, and which."""
    places = [("tag", resource.props.get("tags")), ("label", at(resource.props, "metadata", "labels"))]
    if resource.type.startswith("kubernetes:"):
        places += [("label of the pods", pod.labels) for pod in pods(resource)]
    for where, labels in places:
        found = at(labels, _ENV)
        if found is not None:
            yield where, found
