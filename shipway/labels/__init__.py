"""Late labels joined to the predictions they judge: counted by version for a rollout, and as quality over time."""

__all__ = [
    "files",
    "importing",
    "join",
    "measures",
    "output",
    "process",
    "quality",
    "recent",
    "records",
    "rounds",
    "sample",
    "statistics",
    "stored",
    "verdicts",
    "watched",
]
