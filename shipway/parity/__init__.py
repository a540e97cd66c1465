"""Training-serving skew: logged requests against the offline point-in-time join, by hand, in CI and live."""

__all__ = [
    "causes",
    "comparing",
    "decoding",
    "fitting",
    "found",
    "journal",
    "looking",
    "measures",
    "offline",
    "outcomes",
    "places",
    "process",
    "recorded",
    "recording",
    "report",
    "running",
    "sampling",
    "telling",
    "versions",
    "waiting",
]
