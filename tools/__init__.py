"""Gets the external programs and the Python environment, and runs the verbs of the Makefile.

Set-up and teardown run before, or without, any installed package, on the standard library alone.
"""

__all__ = [
    "checks",
    "disk",
    "docs",
    "down",
    "engine",
    "environment",
    "errors",
    "language_host",
    "locks",
    "pins",
    "ports",
    "preview",
    "processes",
    "programs",
    "report",
    "setup",
    "sources",
    "up",
    "venv",
]
