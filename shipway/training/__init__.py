"""From data to a registered bundle: load -> check -> fit -> evaluate -> gate -> bundle -> register."""

__all__ = ["plan"]
