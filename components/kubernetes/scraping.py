"""What every monitor says: a target chooses no labels of the platform's, and cannot fill Prometheus."""

from shipway.contract.metrics import HEARTBEAT_TIMESTAMP_SECONDS

__all__ = ["MOST_SAMPLES", "own_heartbeats", "without_own"]

# Ten times the page of a model with forty features; a scrape above it fails, and what it belongs to counts as down.
MOST_SAMPLES = 50_000


def without_own(*labels: str) -> list[dict[str, str]]:
    """Returns the rule that drops what a target says about itself under labels that the monitor gives it."""
    return [{"action": "labeldrop", "regex": f"exported_({'|'.join(labels)})"}]


def own_heartbeats(*jobs: str) -> list[dict[str, object]]:
    """Returns the rule that leaves a target its own heartbeats, of `jobs` alone: another's are not for it to set."""
    return [
        {
            "sourceLabels": ["__name__", "exported_job"],
            "regex": f"{HEARTBEAT_TIMESTAMP_SECONDS};({'|'.join(jobs)})",
            "targetLabel": "job",
            "replacement": "$1",
        }
    ]
