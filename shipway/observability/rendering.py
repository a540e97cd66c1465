"""Templates to text: strict about missing values, and every value quoted as JSON, which YAML reads as it is."""

import json
from functools import cache
from pathlib import Path

import jinja2

__all__ = ["render_template", "seconds"]


def render_template(folder: Path, name: str, **values: object) -> str:
    """Returns the text of template `name` in `folder`.

    Raises:
        jinja2.UndefinedError: when the template needs a value that is not given.
    """
    return _environment(folder).get_template(name).render(**values)


@cache
def _environment(folder: Path) -> jinja2.Environment:
    # One for all models: compiling a template takes thirty times as long as rendering it.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the output is configuration, never HTML
    )
    # Jinja's own `tojson` escapes for HTML: an alert's `>` would become `\u003e`.
    environment.filters["tojson"] = _to_json
    environment.filters["seconds"] = seconds
    return environment


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def seconds(value: float) -> str:
    """Returns a duration as Prometheus writes it.

    >>> seconds(1), seconds(0.25)
    ('1s', '250ms')
    """
    milliseconds = round(value * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"
