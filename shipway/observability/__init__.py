"""What to scrape, record and alert on, generated from the contract, so that every model is watched the same way."""

__all__ = [
    "alert_cases",
    "alert_rule",
    "alert_tests",
    "alertmanager",
    "answers",
    "burns",
    "dashboards",
    "grafana",
    "panels",
    "pictures",
    "presets",
    "receiver",
    "rendering",
    "rules",
    "scrape",
    "silence",
    "targets",
    "utilisation",
    "watchdog",
    "worker",
]
