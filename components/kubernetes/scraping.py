"""What every monitor says: a target chooses no labels of the platform's, and cannot fill Prometheus."""

__all__ = ["MOST_SAMPLES", "without_own"]

# Ten times the page of a model with forty features; a scrape above it fails, and what it belongs to counts as down.
MOST_SAMPLES = 50_000


def without_own(*labels: str) -> list[dict[str, str]]:
    """Returns the rule that drops what a target says about itself under labels that the monitor gives it."""
    return [{"action": "labeldrop", "regex": f"exported_({'|'.join(labels)})"}]
