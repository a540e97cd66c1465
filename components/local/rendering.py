"""The files of the local target from their templates."""

from pathlib import Path

from shipway.observability.rendering import render_template

__all__ = ["render"]

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: object) -> str:
    """Returns the text of a template of this folder; a value it needs and does not get is an error."""
    return render_template(_TEMPLATES, template, **values)
