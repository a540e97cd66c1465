"""FeatureStore: Feast with parquet offline, SQLite online and a registry file, all in one folder."""

import pulumi

from components.local.providers.rendered_file import RenderedFile
from components.local.rendering import render
from components.parts import FeatureStoreOutputs
from shipway.contract.layout import LocalLayout

__all__ = ["FeatureStore"]


class FeatureStore(pulumi.ComponentResource):
    """The feature repository; its values outlive the stack."""

    outputs: FeatureStoreOutputs

    def __init__(self, name: str, layout: LocalLayout, opts: pulumi.ResourceOptions) -> None:
        super().__init__("shipway:local:FeatureStore", name, {}, opts)
        repository = RenderedFile(
            f"{name}-repository",
            layout.features / "feature_store.yaml",
            render("feature_store.yaml.j2"),
            pulumi.ResourceOptions(parent=self),
        )
        self.outputs = FeatureStoreOutputs(str(layout.features), repository)
        self.register_outputs({})
