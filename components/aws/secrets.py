"""SecretFiles: secrets of Secrets Manager as the files that pods read, by the Secrets Store CSI driver."""

from collections.abc import Mapping, Sequence

import pulumi
import yaml
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.aws.account import Account
from components.kubernetes.charts import Chart, install
from components.kubernetes.labels import labels
from components.kubernetes.names import ClusterNames
from components.kubernetes.places import FEAST, MLFLOW, ONLINE_STORE, PG_SERVICE
from components.kubernetes.serving import Namespaces
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.kubernetes import KubernetesSpec

__all__ = ["SecretFiles"]

_DRIVER = Chart(
    "secrets-store-csi-driver", "1.5.4", "https://kubernetes-sigs.github.io/secrets-store-csi-driver/charts"
)
_PROVIDER = Chart(
    "secrets-store-csi-driver-provider-aws", "2.2.0", "https://aws.github.io/secrets-store-csi-driver-provider-aws"
)
# It holds node agents alone, and is there in every cluster.
_NAMESPACE = "kube-system"
# A pod that needs a secret may be on any node, one with GPUs too.
_EVERY_NODE = [{"operator": "Exists"}]
# How soon a pod sees a changed password; until then its open connections go on.
_POLL = "2m"

# File -> where its content lies in a secret, in JMESPath. The last is what libpq reads whenever it connects.
_LOGIN = {"username": "username", "password": "password"}
_POSTGRES = {
    **_LOGIN,
    "service": f"""join('', [`"[{PG_SERVICE}]\\nuser="`, username, `"\\npassword="`, password, `"\\n"`])""",
}


class SecretFiles(pulumi.ComponentResource):
    """The driver, AWS's provider for it, and a SecretProviderClass for each secret in the namespace of its pods.

    A pod gets the files only if the role of its own ServiceAccount may read the secret; nothing makes a Secret of them.

    Args of the constructor:
        namespaces: of the pods.
        secrets: ARN of each store's secret.
    """

    platform: pulumi.Resource
    models: pulumi.Resource

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        cluster: KubernetesSpec,
        namespaces: Namespaces,
        secrets: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:SecretFiles", name, {}, opts)
        self._environment, self._secrets = environment, secrets
        names, driver = ClusterNames(environment.name), self._driver(name)
        mlflow, feast, online = cluster.mlflow_postgres.secret, cluster.feast_postgres.secret, cluster.redis.secret
        self.platform = self._class(mlflow, names.platform, MLFLOW, _POSTGRES, [namespaces.platform, driver])
        first = self._class(feast, names.models, FEAST, _POSTGRES, [namespaces.models, driver])
        # Each waits for the one before, so that pods have one thing to wait for.
        self.models = self._class(online, names.models, ONLINE_STORE, _LOGIN, [first])
        self.register_outputs({})

    def _driver(self, name: str) -> pulumi.Resource:
        driver = install(
            f"{name}-driver",
            _DRIVER,
            release=_DRIVER.name,
            namespace=_NAMESPACE,
            values={
                "enableSecretRotation": True,
                "rotationPollInterval": _POLL,
                "tokenRequests": [{"audience": "pods.eks.amazonaws.com"}],
                "linux": {"tolerations": _EVERY_NODE},
            },
            parent=self,
            waits=[],
        )
        return install(
            f"{name}-provider",
            _PROVIDER,
            release=_PROVIDER.name,
            namespace=_NAMESPACE,
            # Its chart would bring a driver of any version.
            values={_DRIVER.name: {"install": False}, "tolerations": _EVERY_NODE},
            parent=self,
            waits=[driver],
        )

    def _class(
        self, name: str, space: str, store: str, files: Mapping[str, str], waits: Sequence[pulumi.Resource]
    ) -> CustomResource:
        paths = [{"path": path, "objectAlias": file} for file, path in files.items()]
        return CustomResource(
            f"{name}-files",
            api_version="secrets-store.csi.x-k8s.io/v1",
            kind="SecretProviderClass",
            metadata=ObjectMetaArgs(name=name, namespace=space, labels=labels(self._environment, name)),
            spec={
                "provider": "aws",
                "parameters": {
                    "region": Account.of(self._environment).region,
                    "usePodIdentity": "true",
                    "objects": pulumi.Output.from_input(self._secrets[store]).apply(
                        lambda arn: yaml.safe_dump([{"objectName": arn, "jmesPath": paths}])
                    ),
                },
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(waits)),
        )
