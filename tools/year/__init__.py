"""`make year`: 2013 replayed at speed against a platform of its own: what drift, retraining and delivery made of it."""

__all__ = ["checkout", "draw", "journal", "months", "report", "steering"]
