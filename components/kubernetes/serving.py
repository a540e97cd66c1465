"""Serving: the namespaces of the platform's pods and of the models', closed until somebody names an edge."""

from collections.abc import Sequence

import pulumi

from components.kubernetes import edges
from components.kubernetes.labels import labels
from components.kubernetes.names import ClusterNames
from components.kubernetes.namespaces import PodSecurity, namespace
from components.parts import ServingOutputs
from shipway.contract.environment import EnvironmentSpec, Tier
from shipway.contract.kubernetes import KubernetesSpec

__all__ = ["Namespaces", "Serving"]


class Namespaces(pulumi.ComponentResource):
    """Where the platform's own pods run and where the models' do; both enforce the restricted standard."""

    platform: pulumi.Resource
    models: pulumi.Resource

    def __init__(
        self, name: str, environment: EnvironmentSpec, cluster: KubernetesSpec, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("shipway:kubernetes:Namespaces", name, {}, opts)
        names, given, version = ClusterNames(environment.name), labels(environment, name), cluster.pod_security_version
        brings_stores = None in (
            cluster.feast_postgres.installed,
            cluster.mlflow_postgres.installed,
            cluster.redis.installed,
        )
        keeps_data = environment.tier is Tier.PROD and brings_stores
        self.platform = namespace(names.platform, PodSecurity.RESTRICTED, version, given, self, keeps_data=keeps_data)
        # policy-controller looks at namespaces that bear its label, and at no others.
        checked = {"policy.sigstore.dev/include": "true"} if cluster.admission else {}
        self.models = namespace(names.models, PodSecurity.RESTRICTED, version, given | checked, self)
        edges.deny_all(
            f"{name}-platform-deny-all",
            names.platform,
            given,
            pulumi.ResourceOptions(parent=self, depends_on=[self.platform]),
        )
        self.register_outputs({})


class Serving(pulumi.ComponentResource):
    """What a model waits for: its namespace is closed, and the kinds of objects it is made of are known."""

    outputs: ServingOutputs

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        provider: pulumi.ProviderResource,
        waits: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:kubernetes:Serving", name, {}, opts)
        ready = edges.deny_all(
            f"{name}-deny-all",
            ClusterNames(environment.name).models,
            labels(environment, name),
            pulumi.ResourceOptions(parent=self, depends_on=list(waits)),
        )
        self.outputs = ServingOutputs(provider, ready)
        self.register_outputs({})
