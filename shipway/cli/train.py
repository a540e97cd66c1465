"""Placeholder of the verb group until its slice lands."""

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the group's verbs to `app`."""
