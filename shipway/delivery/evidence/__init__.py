"""The statistics of a rollout, pure: no I/O, no clock, and nothing but the standard library to compute with."""

__all__ = ["confidence", "counters", "eprocess", "gate", "guard", "planning", "shift", "steps", "verdicts"]
