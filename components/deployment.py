"""One deployment: checks everything, then builds the layers that a stack holds."""

from pathlib import Path

import pulumi

from components.headroom import interruption, with_headroom
from components.model_service import ModelService
from components.parts import HANDOVER, ModelOutputs
from components.platform import Platform, attach_platform
from components.preflight import preflight
from components.services import load_services
from shipway.contract.environment import environment_path
from shipway.contract.errors import SpecError
from shipway.contract.stack import ELSEWHERE_KEY, StackSpec

__all__ = ["deploy"]


def deploy(root: Path, stack: StackSpec) -> None:
    """Builds the platform, or takes it as another stack provisioned it, and one ModelService for each service.

    Raises:
        ShipwayError: for anything that must not be applied; nothing was registered then.
    """
    environment = stack.environment
    if stack.elsewhere:
        own = f"a stack of this repository's own: the platform's repository deploys {stack.name}"
        raise SpecError(environment_path(root, stack.name), f"config.{ELSEWHERE_KEY}", True, own)
    services = load_services(root, environment.name) if stack.holds_models else ()
    for warning in preflight(root, environment, services, dry_run=pulumi.runtime.is_dry_run()):
        pulumi.log.warn(warning)

    if stack.holds_platform:
        platform = Platform("platform", root, environment).outputs
    else:
        platform = attach_platform(root, environment, stack.platform_project)
    pulumi.export("gateway_url", platform.routing.url)
    pulumi.export("prometheus_url", platform.monitoring.url)
    if stack.holds_models:
        # What no pool holds was refused above.
        services = with_headroom(services, platform.gpu_pool.gpus, environment_path(root, environment.name))
        for service in services:
            if service.room is not None and service.spec.resources.gpus:
                pulumi.log.info(f"{service.spec.name}: {service.room.way}, for {service.room.reason}")
            if warning := interruption(service):
                pulumi.log.warn(warning)
        models = {service.spec.name: ModelService(service, platform).outputs for service in services}
        pulumi.export("models", {name: _told(model) for name, model in models.items()})
    else:
        pulumi.export(HANDOVER, platform.handover)


def _told(model: ModelOutputs) -> dict[str, object]:
    slots = {str(slot): {"url": at.url, "digest": at.digest} for slot, at in model.slots.items()}
    return {"url": model.url, "slots": slots}
