"""Retraining: a new version as of a moment, proved against the champion, then proposed or released; nothing else moves.

`retrain` is one whole run, the same from the command line, from the scheduler and from a cluster's CronJob. What trains
is another process, with limits of time and memory; what decides when is pure; what releases is `shipway release`.
"""

__all__ = [
    "applying",
    "checkout",
    "comparing",
    "examination",
    "freezing",
    "limits",
    "measures",
    "memory",
    "outcome",
    "pod",
    "process",
    "proposing",
    "run",
    "schedule",
    "stored",
    "traffic",
    "trainer",
    "verdicts",
    "waking",
    "watching",
]
