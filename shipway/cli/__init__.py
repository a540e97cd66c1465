"""The `shipway` command, one file a verb group; it talks to the layers below and holds no logic of its own."""

__all__ = [
    "app",
    "build",
    "check",
    "context",
    "doctor",
    "explain",
    "fleet",
    "labels",
    "main",
    "new",
    "plan",
    "release",
    "replay",
    "status",
    "train",
    "watch",
]
