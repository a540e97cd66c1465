"""The policy pack: each rule is a pure function over a resource's inputs, run at preview and as a library in tests."""

__all__ = [
    "addresses",
    "containers",
    "iam",
    "judge",
    "kubernetes",
    "pack",
    "resource",
    "rule",
    "rules",
    "serve",
    "settings",
    "unknown",
    "waivers",
]
