"""Registry: MLflow on SQLite, and the bundles in a folder by digest."""

from collections.abc import Sequence

import pulumi

from components.local.providers.directory import Directory
from components.local.providers.registry import RegistrySchema
from components.parts import RegistryOutputs
from components.services import Service
from shipway.contract.errors import SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import Slot
from shipway.contract.release import release_path

__all__ = ["Registry", "refuse_missing_bundles"]


def refuse_missing_bundles(layout: LocalLayout, services: Sequence[Service]) -> None:
    """Refuses a release of a digest that is not in the artifact store.

    Raises:
        SpecError: naming the release file, the slot and the digest.
    """
    for service in services:
        for slot in Slot:
            digest = service.release.digest(slot)
            if digest and not (layout.bundle(digest) / "manifest.json").exists():
                raise SpecError(
                    release_path(service.folder, layout.environment),
                    str(slot),
                    digest,
                    f"the digest of a bundle in {layout.artifacts}; `shipway train {service.spec.name}` makes one",
                )


class Registry(pulumi.ComponentResource):
    """Where versions and their bundles are kept; both outlive the stack."""

    outputs: RegistryOutputs

    def __init__(self, name: str, layout: LocalLayout, opts: pulumi.ResourceOptions) -> None:
        super().__init__("shipway:local:Registry", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        # Bundles are the way back to any version.
        Directory(f"{name}-artifacts", layout.artifacts, child, outlives_stack=True)
        RegistrySchema(f"{name}-schema", layout.registry, child)
        self.outputs = RegistryOutputs(f"sqlite:///{layout.registry}", str(layout.artifacts))
        self.register_outputs({})
