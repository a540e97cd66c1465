"""Volumes: what a claim gets: gp3 under the cluster's key, in the zone of the pod that uses it first."""

import pulumi
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.storage.v1 import StorageClass

from components.kubernetes.labels import labels
from shipway.contract.environment import EnvironmentSpec

__all__ = ["Volumes"]


class Volumes(pulumi.ComponentResource):
    """The storage class of all claims of this environment."""

    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        *,
        storage_class: str,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:Volumes", name, {}, opts)
        self.ready = StorageClass(
            f"{name}-class",
            metadata=ObjectMetaArgs(
                name=storage_class,
                labels=labels(environment, name),
                annotations={"storageclass.kubernetes.io/is-default-class": "true"},
            ),
            provisioner="ebs.csi.aws.com",
            parameters={"type": "gp3", "encrypted": "true", "kmsKeyId": key_arn},
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            reclaim_policy="Delete",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
