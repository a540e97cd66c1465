"""Models that other programs made and saved as data: opened by their suffix, checked, asked for one number a row."""

__all__ = ["answers", "booster", "dense", "estimator", "network", "opening", "pictures"]
