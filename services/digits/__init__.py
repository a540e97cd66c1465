"""Which digit was written by hand? Asked with the picture's 64 pixels."""

__all__ = ["inputs", "schema", "service", "train"]
