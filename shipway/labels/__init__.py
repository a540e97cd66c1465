"""Late labels joined to the predictions they judge, and counted by version for the rollout that waits for them."""

__all__ = ["join", "measures", "process", "recent", "records", "thresholds"]
