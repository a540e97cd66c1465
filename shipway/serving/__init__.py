"""What runs around a model in production: validation, features, fallback, metrics, prediction log, the BentoML base."""

__all__ = [
    "application",
    "base",
    "configuration",
    "faults",
    "features",
    "inputs",
    "launch",
    "measures",
    "model_files",
    "open_inference",
    "predictions",
    "references",
    "requests",
    "runtime",
    "segments",
    "units",
]
