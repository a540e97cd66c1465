"""Settings: what an organisation decides about the rules, in policies/settings.yaml."""

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from shipway.contract.documents import Spec, parse, read_yaml
from shipway.contract.environment import Tier
from shipway.contract.errors import SpecError

__all__ = ["Settings", "load_settings"]

Positive = Annotated[int, Field(gt=0)]


class Settings(Spec):
    """Limits the rules are judged against; what is left out keeps its default.

    Args:
        mandatory_on: rule -> tiers on which it stops a deployment, instead of the rule's own.
        allowed_registries: patterns of the registries, with path, that images may come from.
        system_namespaces: patterns of the namespaces of node agents and operators, which no rule about models' pods
            judges.
        kubernetes_versions: minor versions in standard support.
        node_policies: AWS managed policies a node's role may have; the minimal one, with which only nodes of EKS Auto
            Mode can join, is less than any of them.
        gpu_labels: node labels that only GPU pools carry.
        log_retention_days: how long the control plane's logs are kept at least.
        max_replicas: the most replicas that one slot may scale to.
        max_nodes, max_gpu_nodes: the most nodes of one pool, and of one GPU pool.
        max_gpus_per_model: the most GPUs that both slots of a model may take.
        max_series_per_model, max_samples_per_scrape: the budget of time series.
        short_lived_environments: patterns of environments that must say when they end.
    """

    mandatory_on: dict[str, tuple[Tier, ...]] = Field(default_factory=dict[str, tuple[Tier, ...]])
    allowed_registries: tuple[str, ...] = ("*.dkr.ecr.*.amazonaws.com", "public.ecr.aws/eks-distro", "registry.k8s.io")
    system_namespaces: tuple[str, ...] = ("gpu-operator", "kube-node-lease", "kube-public", "kube-system", "monitoring")
    kubernetes_versions: tuple[str, ...] = ("1.34", "1.35", "1.36", "1.37")
    node_policies: tuple[str, ...] = (
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonEC2ContainerRegistryReadOnly",
        "AmazonEKSWorkerNodeMinimalPolicy",
        "AmazonEKSWorkerNodePolicy",
        "AmazonSSMManagedInstanceCore",
    )
    gpu_labels: tuple[str, ...] = (
        "karpenter.k8s.aws/instance-gpu-name",
        "nvidia.com/gpu.present",
        "nvidia.com/gpu.product",
        "shipway/gpu-pool",
        "shipway/gpu-type",
    )
    log_retention_days: Positive = 90
    max_replicas: Positive = 50
    max_nodes: Positive = 100
    max_gpu_nodes: Positive = 16
    max_gpus_per_model: Positive = 16
    max_series_per_model: Positive = 50_000
    max_samples_per_scrape: Positive = 50_000
    short_lived_environments: tuple[str, ...] = ("dev*", "pr-*", "preview*", "sandbox*")

    def is_system(self, namespace: str | None) -> bool:
        """Returns whether node agents and operators run in `namespace`."""
        return _matches(namespace or "", self.system_namespaces)

    def tiers(self, rule: str, own: frozenset[Tier]) -> frozenset[Tier]:
        """Returns where `rule` is mandatory, which on its own would be `own`."""
        return frozenset(self.mandatory_on[rule]) if rule in self.mandatory_on else own


@cache
def _matches(text: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def load_settings(path: Path, known: frozenset[str]) -> Settings:
    """Returns the settings in `path`, the defaults when there is no such file.

    Raises:
        SpecError: naming the file, the first wrong key, its value and what was expected.
    """
    settings = parse(Settings, read_yaml(path), path) if path.exists() else Settings()
    for rule in settings.mandatory_on:
        if rule not in known:
            raise SpecError(path, "mandatory_on", rule, "the id of a rule, such as ML001")
    return settings
