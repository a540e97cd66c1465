"""From data to a registered bundle: load -> check -> fit -> evaluate -> gate -> bundle -> register."""

__all__ = [
    "artifact",
    "champion",
    "drift_reference",
    "gates",
    "metrics",
    "packaging",
    "pipeline",
    "plan",
    "quality",
    "registry",
    "settings",
    "tables",
]
