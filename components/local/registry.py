"""Registry: MLflow on SQLite, and the bundles in a folder by digest."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.local.providers.directory import Directory
from components.local.providers.process import SupervisedProcess
from components.local.providers.registry import RegistrySchema
from components.parts import RegistryOutputs, ServingOutputs
from components.services import Service
from shipway.contract.documents import read_json
from shipway.contract.errors import SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import Slot
from shipway.contract.release import release_path

__all__ = ["Registrar", "Registry", "refuse_missing_bundles"]


def refuse_missing_bundles(layout: LocalLayout, services: Sequence[Service]) -> None:
    """Refuses a release of a digest that is not in the artifact store, or there for another model.

    Raises:
        SpecError: naming the release file, the slot and the digest.
    """
    for service in services:
        for slot in Slot:
            digest = service.release.digest(slot)
            manifest = layout.bundle(digest) / "manifest.json" if digest else None
            if manifest and manifest.exists():
                _refuse_another_models(layout, service, slot, manifest)
            elif digest:
                raise SpecError(
                    release_path(service.folder, layout.environment),
                    str(slot),
                    digest,
                    f"the digest of a bundle in {layout.artifacts}; `shipway train {service.spec.name}` makes one",
                )


def _refuse_another_models(layout: LocalLayout, service: Service, slot: Slot, manifest: Path) -> None:
    found = read_json(manifest).get("model")
    if found != service.spec.name:
        raise SpecError(
            release_path(service.folder, layout.environment),
            str(slot),
            service.release.digest(slot),
            f"the digest of a bundle of {service.spec.name}; this one is of {found}",
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


class Registrar(pulumi.ComponentResource):
    """What keeps the registry's aliases at what the ledger says."""

    def __init__(self, name: str, layout: LocalLayout, serving: ServingOutputs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("shipway:local:Registrar", name, {}, opts)
        SupervisedProcess(
            "registrar",
            layout,
            command=[
                *(sys.executable, "-m", "shipway.training", "follow"),
                *("--root", str(layout.root), "--env", layout.environment),
            ],
            ports=[],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[serving.ready]),
        )
        self.register_outputs({})
