"""Drift from counters: bins fixed at training, statistics of counts alone, and thresholds that say how sure one is."""

__all__ = [
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
