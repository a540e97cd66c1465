"""Autoscaler: the cluster autoscaler, which adds and removes nodes of the managed groups."""

import pulumi

from components.aws.account import Account
from components.aws.identity import pod_identity
from components.kubernetes.charts import Chart, install
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec

__all__ = ["Autoscaler"]

_CHART = Chart("cluster-autoscaler", "9.59.1", "https://kubernetes.github.io/autoscaler")
# It must run where what it adds nodes for cannot crowd it out.
_NAMESPACE = "kube-system"
_NAME = "cluster-autoscaler"


class Autoscaler(pulumi.ComponentResource):
    """One that acts and one that waits."""

    def __init__(
        self, name: str, environment: EnvironmentSpec, cluster: pulumi.Resource, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("shipway:aws:Autoscaler", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=[cluster])
        identity = pod_identity(
            _NAME, _NAME, environment, namespace=_NAMESPACE, service_account=_NAME, values={}, opts=child
        )
        install(
            f"{name}-chart",
            _CHART,
            release=_NAME,
            namespace=_NAMESPACE,
            values={
                "fullnameOverride": _NAME,
                "autoDiscovery": {"clusterName": cluster_name(environment)},
                "awsRegion": Account.of(environment).region,
                "rbac": {"serviceAccount": {"name": _NAME}},
                "replicaCount": 2,
                "priorityClassName": "system-cluster-critical",
                "extraArgs": {
                    # The group that wastes least, and none that another zone's would balance better.
                    "expander": "least-waste",
                    "balance-similar-node-groups": True,
                    # Add-ons have budgets of their own; without this no node of theirs would ever go.
                    "skip-nodes-with-system-pods": False,
                },
                "containerSecurityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "resources": {"requests": {"cpu": "100m", "memory": "600Mi"}, "limits": {"memory": "600Mi"}},
            },
            parent=self,
            waits=[identity],
        )
        self.register_outputs({})
