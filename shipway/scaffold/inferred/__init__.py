"""A whole service from one's own CSV: its columns profiled, decided on, measured with a baseline, and written."""

__all__ = [
    "code",
    "decisions",
    "gates",
    "literals",
    "making",
    "measuring",
    "names",
    "papers",
    "profile",
    "target",
]
