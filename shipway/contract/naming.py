"""Which names a model may have, and what to suggest instead of a bad one."""

import keyword
import re

__all__ = ["MODEL_NAME_MAX_LENGTH", "RESERVED_NAMES", "check_model_name", "suggest_model_name"]

# A slot's Kubernetes object is `<model>-green-<10 hash characters>` and must stay within 63.
MODEL_NAME_MAX_LENGTH = 40

# Names the platform's own processes, routes and folders use, and words a Python package cannot be called.
RESERVED_NAMES: frozenset[str] = frozenset(
    {
        "alertmanager",
        "components",
        "contract",
        "delivery",
        "deny-all",
        "envoy",
        "feast",
        "feature-store",
        "features",
        "gateway",
        "grafana",
        "kubernetes",
        "labels",
        "livez",
        "local",
        "materialise",
        "metrics",
        "mlflow",
        "platform",
        "policies",
        "prometheus",
        "pulumi",
        "readyz",
        "registrar",
        "registry",
        "retraining",
        "routes",
        "services",
        "verify",
        "serving",
        "shipway",
        "stacks",
        "status",
        "supervisor",
        "templates",
        "test",
        "tests",
        "tools",
        *keyword.kwlist,
        "none",
        "true",
        "false",
    }
)

_PATTERN = re.compile(r"[a-z](?:[a-z0-9]|-(?=[a-z0-9]))*\Z")


def check_model_name(name: str) -> str:
    """Returns what is wrong with a model's name, with a suggestion, or an empty string when it is fine."""
    if not _PATTERN.match(name) or len(name) > MODEL_NAME_MAX_LENGTH:
        rule = f"lower-case words joined by single hyphens, at most {MODEL_NAME_MAX_LENGTH} characters"
        return f"a name of {rule}, not {name!r}; try {suggest_model_name(name)!r}"
    if name.replace("-", "_") in RESERVED_NAMES or name in RESERVED_NAMES:
        return f"a name the platform does not use itself, not {name!r}; try {suggest_model_name(name)!r}"
    return ""


def suggest_model_name(name: str) -> str:
    """Returns a valid name as close to `name` as the rules allow."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").lstrip("0123456789-")[:MODEL_NAME_MAX_LENGTH].strip("-")
    if not slug:
        return "my-model"
    if slug.replace("-", "_") in RESERVED_NAMES or slug in RESERVED_NAMES:
        return f"{slug[: MODEL_NAME_MAX_LENGTH - 6].strip('-')}-model"
    return slug
