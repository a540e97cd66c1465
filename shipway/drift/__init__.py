"""Drift from counters: bins fixed at training, statistics of counts alone, and thresholds that say how sure one is."""

    "bins",
    "calibration",
    "discovery",
    "judge",
    "persistence",
    "raw",
    "reference",
    "relation",
    "result",
    "space",
    "statistics",
    "windows",
]
__all__ = [
__all__ = ["bins", "counters", "exposition", "result"]
