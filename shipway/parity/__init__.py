"""Training-serving skew: logged requests against the offline point-in-time join, by hand, in CI and live."""

__all__ = [
    "causes",
    "comparing",
    "decoding",
    "fitting",
    "journal",
    "measures",
    "offline",
    "outcomes",
    "process",
    "recorded",
    "report",
    "running",
    "sampling",
    "telling",
    "waiting",
]
