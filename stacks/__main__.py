"""The program: one stack is one environment, built from its file, the services and nothing else."""

from pathlib import Path

import pulumi

from components.model_service import ModelService
from components.platform import Platform
from components.preflight import preflight
from components.services import load_services
from shipway.contract.environment import load_environment
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import find_root


def main() -> None:
    """Checks everything, then builds the platform and one ModelService for each service."""
    root = find_root(Path(__file__).parent)
    environment = load_environment(root, pulumi.get_stack())
    services = load_services(root, environment.name)
    for warning in preflight(root, environment, services, dry_run=pulumi.runtime.is_dry_run()):
        pulumi.log.warn(warning)

    platform = Platform("platform", root, environment)
    models = {service.spec.name: ModelService(service, platform.outputs).outputs for service in services}

    pulumi.export("gateway_url", platform.outputs.routing.url)
    pulumi.export("prometheus_url", platform.outputs.monitoring.url)
    pulumi.export(
        "models",
        {
            name: {
                "url": model.url,
                "slots": {str(slot): {"url": at.url, "digest": at.digest} for slot, at in model.slots.items()},
            }
            for name, model in models.items()
        },
    )


try:
    main()
except (ShipwayError, OSError) as error:
    # Pulumi prints the sentence of a RunError and the traceback of anything else.
    raise pulumi.RunError(str(error)) from None
