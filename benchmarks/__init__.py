"""Figures as ratios or counts, each against a bare baseline of the same run."""

__all__ = ["gateway_hop", "policies", "ports", "road", "simulation"]
