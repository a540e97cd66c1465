"""From data to a registered bundle: load -> check -> fit -> evaluate -> gate -> bundle -> register."""

__all__ = [
    "aliases",
    "artifact",
    "brought",
    "champion",
    "csv_table",
    "drift_reference",
    "examples",
    "follow",
    "gates",
    "metrics",
    "packaging",
    "pipeline",
    "plan",
    "quality",
    "records",
    "registry",
    "regression",
    "settings",
    "splitting",
    "tables",
]
