"""The kubernetes target: every part on a cluster that is there already, reached by a kubeconfig."""

__all__ = [
    "access",
    "charts",
    "delivery",
    "edges",
    "feature_files",
    "feature_store",
    "gpu_pool",
    "gpu_types",
    "labels",
    "model_service",
    "monitoring",
    "names",
    "namespaces",
    "places",
    "pods",
    "postgres",
    "registry",
    "routing",
    "serving",
    "target",
]
