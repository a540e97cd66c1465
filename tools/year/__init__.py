"""`make year`: 2013 replayed at speed against a platform of its own, and what drift, retraining and delivery did of it."""

__all__ = ["checkout", "draw", "journal", "months", "report", "steering"]
