"""ClusterNames: what things are called in the cluster, so that parts find each other without knowing each other."""

from dataclasses import dataclass

from shipway.contract.kubernetes import models_namespace, platform_namespace
from shipway.contract.metrics import Slot

__all__ = [
    "ALERTMANAGER_PORT",
    "DELIVERY_METRICS_PORT",
    "HTTPS_PORT",
    "MLFLOW_PORT",
    "POSTGRES_PORT",
    "PROMETHEUS_PORT",
    "REDIS_PORT",
    "SLOT_PORT",
    "WORKER_METRICS_PORT",
    "ClusterNames",
]

SLOT_PORT = 8080
MLFLOW_PORT = 5000
DELIVERY_METRICS_PORT = WORKER_METRICS_PORT = 9100
# The ports these programs have everywhere.
ALERTMANAGER_PORT, HTTPS_PORT, POSTGRES_PORT, PROMETHEUS_PORT, REDIS_PORT = 9093, 443, 5432, 9090, 6379


@dataclass(frozen=True)
class ClusterNames:
    """Names of one environment's objects.

    Several environments may share a cluster; all but one then take its operators as installed.

    All models share one namespace: the Secrets that slots read are given by name, and a namespace for each model would
    need its own copy of them before the model could start. Delivery's rights likewise stay one Role.
    """

    environment: str

    @property
    def platform(self) -> str:
        """The namespace of the platform's own pods."""
        return platform_namespace(self.environment)

    @property
    def models(self) -> str:
        """The namespace of every model's pods."""
        return models_namespace(self.environment)

    @property
    def gateway_namespace(self) -> str:
        """The namespace of the Gateway, its certificate and its data plane."""
        return f"{self.platform}-gateway"

    @property
    def monitoring(self) -> str:
        """The namespace of Prometheus and Alertmanager, when the platform brings them."""
        return f"{self.platform}-monitoring"

    @property
    def operators(self) -> str:
        """The namespace of CloudNativePG, when the platform brings it."""
        return f"{self.platform}-operators"

    @property
    def admission(self) -> str:
        """The namespace of policy-controller, when the platform brings it."""
        return f"{self.platform}-admission"

    @property
    def gpu_operator(self) -> str:
        """The namespace of the NVIDIA GPU operator, when the platform brings it."""
        return f"{self.platform}-gpu"

    @property
    def gateway(self) -> str:
        """The Gateway, and the class the platform brings: a class belongs to the whole cluster."""
        return self.platform

    def retrainer(self, model: str) -> str:
        """The job that retrains a model, its ServiceAccount and its volume."""
        return f"{model}-retraining"

    def slot(self, model: str, slot: Slot) -> str:
        """Returns the name of one slot's objects."""
        return f"{model}-{slot}"

    def service(self, name: str, namespace: str) -> str:
        """Returns the host name of a Service."""
        return f"{name}.{namespace}.svc"
