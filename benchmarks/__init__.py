"""Figures as ratios or counts, each against a bare baseline of the same run."""

__all__ = [
    "bare",
    "echo",
    "gateway_hop",
    "load",
    "monitoring",
    "policies",
    "ports",
    "road",
    "served",
    "serving",
    "simulation",
    "soak",
]
