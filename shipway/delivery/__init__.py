"""Delivery: the one writer of route weights; decisions are pure, effects sit in files of their own."""

__all__ = [
    "client",
    "control",
    "controller",
    "decide",
    "declared",
    "envoy",
    "evidence",
    "lease",
    "ledger",
    "measures",
    "placing",
    "process",
    "readiness",
    "served",
    "simulate",
    "survey",
    "unix",
]
