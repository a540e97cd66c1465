"""The table of docs/kinds.md: the kinds that the template names, and what a request of each holds."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from shipway.contract.schema import Schema
from shipway.scaffold.rendering import Kind, kinds, template_folder

__all__ = ["kinds_page"]

_ROOT = Path(__file__).resolve().parents[1]
_MARKED = re.compile(r"(?<=<!-- kinds -->\n).*?(?=<!-- end of kinds -->)", re.DOTALL)


def kinds_page() -> str:
    """Returns docs/kinds.md with its table as the template says it; the rest of the page is written by hand."""
    lines = ["| `--kind` | what goes in and what comes out | fields of its sample |", "|---|---|---|"]
    for kind in kinds(template_folder(_ROOT)):
        lines.append(f"| `{kind.name}` | {kind.description} | {_fields(kind)} |")
    page = (_ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")
    return _MARKED.sub(lambda _: "\n".join(lines) + "\n", page)


def _fields(kind: Kind) -> str:
    (path,) = kind.folder.glob("*__package*/schema.py")
    spec = spec_from_file_location(f"schema_of_{kind.name}", path)
    assert spec is not None and spec.loader is not None  # noqa: PT018 - a file that was found has both
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    schema: Schema = module.SCHEMA
    counts: dict[str, int] = {}
    for field in schema.fields:
        counts[field.kind] = counts.get(field.kind, 0) + 1
    return ", ".join(f"{count} `{name}`" for name, count in counts.items())
