"""What to scrape, record and alert on, generated from the contract, so that every model is watched the same way."""

__all__ = ["alertmanager", "receiver", "rendering", "rules", "scrape", "targets"]
