"""Delivery on a Kubernetes cluster: HTTPRoutes for files, a Lease for a lock, an object store for the ledger."""

__all__ = [
    "api",
    "client",
    "connect",
    "lease",
    "process",
    "reach",
    "records",
    "route",
    "settings",
    "slots",
    "target",
    "warm",
]
