"""What every resource of an environment on AWS says of itself, and which of them outlive the stack."""

import pulumi

from shipway.contract.environment import EnvironmentSpec, Tier

__all__ = ["keeps_data", "kept", "tags"]


def tags(environment: EnvironmentSpec) -> dict[str, str]:
    """Returns the tags of every resource: where its cost belongs and whom it belongs to."""
    return {
        "shipway/env": environment.name,
        **{f"shipway/{key}": value for key, value in environment.tags.items()},
    }


def keeps_data(environment: EnvironmentSpec) -> bool:
    """Returns whether what holds data must outlive a mistake: a `destroy`, a rename, a replacement."""
    return environment.tier is Tier.PROD


def kept(environment: EnvironmentSpec, opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    """Returns the options of what holds data."""
    keeps = keeps_data(environment)
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=keeps, retain_on_delete=keeps))
