"""The local target: every part is a real process or file on this machine, under one supervisord."""

__all__ = [
    "alerting",
    "delivery",
    "feature_store",
    "gpu_pool",
    "model_service",
    "monitoring",
    "programs",
    "providers",
    "registry",
    "rendering",
    "routing",
    "serving",
    "target",
    "workers",
]
