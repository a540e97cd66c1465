"""The rules, one file a family; a Rule in any file here is part of the pack."""

__all__ = [
    "access",
    "admission",
    "artifacts",
    "availability",
    "cluster",
    "cost",
    "environments",
    "features",
    "identity",
    "monitoring",
    "network",
    "ownership",
    "placement",
    "pod_security",
    "registry",
    "resources",
    "rollout",
    "secrets",
    "storage",
]
