"""Platform: what every model of an environment shares, provisioned once, here or by another stack."""

from pathlib import Path

import pulumi

from components.parts import PlatformOutputs
from components.target import target_of
from shipway.contract.environment import EnvironmentSpec

__all__ = ["Platform", "attach_platform"]


class Platform(pulumi.ComponentResource):
    """The platform of one environment; the environment's target decides what its parts are made of.

    Args:
        name: the component's name.
        root: the project's folder.
        environment: what to build.
    """

    outputs: PlatformOutputs

    def __init__(self, name: str, root: Path, environment: EnvironmentSpec) -> None:
        super().__init__("shipway:components:Platform", name, {"environment": environment.model_dump(mode="json")})
        self.outputs = target_of(root, environment).build_parts(self, root, environment)
        self.register_outputs(
            {
                "gateway_url": self.outputs.routing.url,
                "prometheus_url": self.outputs.monitoring.url,
                "registry": self.outputs.registry.tracking_uri,
            }
        )


def attach_platform(root: Path, environment: EnvironmentSpec, project: str = "") -> PlatformOutputs:
    """Returns the platform that the environment's own stack provisioned, for a stack that holds its models alone.

    Args:
        root: the project's folder.
        environment: what was built.
        project: the Pulumi project of that stack, this one when empty.
    """
    name = f"{pulumi.get_organization()}/{project or pulumi.get_project()}/{environment.name}"
    reference = pulumi.StackReference("platform", name)
    return target_of(root, environment).attach_parts(root, environment, reference)
