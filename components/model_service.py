"""ModelService: one model's blue and green slot, route, targets and rules; the same call on every target."""

import pulumi

from components.parts import ModelOutputs, PlatformOutputs
from components.preflight import live_changes
from components.services import Service
from components.target import target_of
from shipway.contract.errors import SpecError

__all__ = ["ModelService"]


class ModelService(pulumi.ComponentResource):
    """All that belongs to one model and to nothing else.

    Its inputs carry what the policies judge: the model's spec, its release, and whether a live slot would change
    (left out while that cannot be decided).

    Args:
        service: the model, its folder and its release.
        platform: the platform it runs on.
    """

    outputs: ModelOutputs

    def __init__(self, service: Service, platform: PlatformOutputs) -> None:
        environment = platform.environment
        try:
            live = {"live_changes": live_changes(platform.root, environment, [service])}
        except SpecError:
            live = {}
        props = {
            "tier": str(environment.tier),
            "model": service.spec.model_dump(mode="json"),
            "release": {"blue": service.release.blue, "green": service.release.green},
            **live,
        }
        super().__init__("shipway:components:ModelService", service.spec.name, props)
        self.outputs = target_of(platform.root, environment).build_model(self, service, platform)
        self.register_outputs({"url": self.outputs.url})
