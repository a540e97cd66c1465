"""The vocabulary every other part speaks: specs, names, errors. Pydantic, PyYAML and the standard library only."""

__all__ = [
    "alerts",
    "aws",
    "cluster",
    "documents",
    "environment",
    "errors",
    "evidence",
    "kubernetes",
    "layout",
    "ledger",
    "metrics",
    "model",
    "naming",
    "record",
    "release",
    "rollout",
    "route",
    "schema",
]
