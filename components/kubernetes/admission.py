"""Which images a cluster runs: those that a release names by digest, signed where the environment has a key."""

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.helm.v3 import Release
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.kubernetes.charts import POLICY_CONTROLLER, install
from components.kubernetes.labels import labels
from components.kubernetes.names import ClusterNames
from components.kubernetes.namespaces import PodSecurity, namespace
from components.services import Service
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.errors import SpecError
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import Slot
from shipway.contract.release import release_path

__all__ = ["Admission", "refuse_missing_images"]

_PROVENANCE = "https://slsa.dev/provenance/v1"


def refuse_missing_images(environment: EnvironmentSpec, services: Sequence[Service]) -> None:
    """Refuses the first filled slot whose release names no image: its pods could not be made.

    Raises:
        SpecError: naming the release file, the bundle, and what makes its image.
    """
    for service in services:
        path, name, release = release_path(service.folder, environment.name), service.spec.name, service.release
        for slot in Slot:
            bundle = release.digest(slot)
            if bundle and not release.image(slot):
                build = f"`shipway build {name} {bundle} --env {environment.name} --push` makes it"
                raise SpecError(
                    path, f"images.{bundle}", None, f"the digest of the image that holds the bundle; {build}"
                )


class Admission(pulumi.ComponentResource):
    """Sigstore's policy-controller and what it asks of pods in the models' namespace; nothing where any image may run.

    `ready` is the last leaf: models that wait for it find their namespace, and nothing unsigned ran there before.
    """

    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        cluster: KubernetesSpec,
        models: pulumi.Resource,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:kubernetes:Admission", name, {}, opts)
        self._name, self._names, self._given = name, ClusterNames(environment.name), labels(environment, name)
        self.ready = models
        if (admission := cluster.admission) is not None:
            if not admission.installed:
                self.ready = self._controller(cluster, models)
            key = {"data": admission.public_key, "hashAlgorithm": "sha256"}
            ours = f"{cluster.image_registry}/**"
            # An authority with attestations looks at nothing else, and of several authorities one is enough; of several
            # policies each must be met.
            provenance = [{"name": "provenance", "predicateType": _PROVENANCE}]
            self._policy("signed", ours, {"name": "release", "key": key})
            self._policy("attested", ours, {"name": "release", "key": key, "attestations": provenance})
            # What no policy matches is refused. No release makes these images; their digests were reviewed.
            reviewed = {"feast": cluster.images.feast}
            if cluster.retraining is not None:
                reviewed["retraining"] = cluster.retraining.image
            for what, image in reviewed.items():
                self._policy(what, image, {"name": "reviewed", "static": {"action": "pass"}})
        self.register_outputs({})

    def _controller(self, cluster: KubernetesSpec, models: pulumi.Resource) -> Release:
        space = namespace(
            self._names.admission, PodSecurity.RESTRICTED, cluster.pod_security_version, self._given, self
        )
        return install(
            f"{self._name}-chart",
            POLICY_CONTROLLER,
            release="policy-controller",
            namespace=self._names.admission,
            values=_values(),
            parent=self,
            waits=[space, models],
            # They clear its leases away when it goes, in a pod that the namespace refuses; the leases go with that.
            runs_hooks=False,
        )

    def _policy(self, what: str, glob: str, authority: dict[str, Any]) -> None:
        self.ready = CustomResource(
            f"{self._name}-{what}",
            api_version="policy.sigstore.dev/v1beta1",
            kind="ClusterImagePolicy",
            # It belongs to the whole cluster, which several environments may share.
            metadata=ObjectMetaArgs(name=f"{self._names.platform}-{what}", labels=self._given),
            spec={"mode": "enforce", "images": [{"glob": glob}], "authorities": [authority]},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.ready]),
        )


def _values() -> dict[str, Any]:
    return {
        "webhook": {
            "replicaCount": 2,
            # While it is away no pod of a model is admitted, rather than any.
            "failurePolicy": "Fail",
            "configData": {"no-match-policy": "deny"},
            # Its defaults, and the two things that the restricted standard asks for beside them.
            "podSecurityContext": {
                "enabled": True,
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }
    }
