"""Pages of the reference that are read off the code itself: the command line, metrics, errors."""
# typer's own generator of pages has no types.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from typer.cli import get_docs_for_click

from shipway.contract import errors, metrics

__all__ = ["cli_page", "errors_page", "metric_texts", "metrics_page"]

ROOT = Path(__file__).resolve().parents[1]

# Who exports a series, by the package whose code names it.
_EXPORTERS = {
    "serving": "slot",
    "delivery": "delivery",
    "drift": "drift worker",
    "labels": "labels worker",
    "parity": "parity worker",
    "retraining": "retraining",
    "observability": "every worker",
}


def cli_page() -> str:
    """Returns the page of every verb and option of `shipway`."""
    from shipway.cli.app import app

    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="shipway")
    # The list of verbs is cut to a width; each has its whole sentence below. Headings make the page's own contents.
    text = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+\n?", "", text)
    text = re.sub(r"^(Example: .*?) *$", r"\1", text, flags=re.MULTILINE)
    text = re.sub(r"^Example: (.*)$", "Example:\n\n```console\n$ \\1\n```", text, flags=re.MULTILINE)
    head = (
        "# The command line\n\nMade from `shipway/cli/`; `shipway VERB --help` says the same. Exit codes: 0 done,\n"
        "1 refused or failed, 2 wrong input, 130 interrupted. What takes over two seconds tells its progress on stderr."
    )
    return re.sub(r"\A# `shipway`", head, text).rstrip() + "\n"


def metrics_page() -> str:
    """Returns the page of every series that Shipway exports."""
    lines = [
        "# Metrics",
        "",
        "Made from the code that exports them. A slot's series carry `model`, `version` (the first twelve digits of",
        "its digest) and `slot`; those of a worker carry `model`. Names are the same on every target.",
        "",
        "| series | exported by | what it says |",
        "|---|---|---|",
    ]
    found: dict[str, tuple[set[str], str]] = {}
    for name, text, package in metric_texts():
        found.setdefault(name, (set(), text))[0].add(_EXPORTERS[package])
    lines += [f"| `{name}` | {', '.join(sorted(whose))} | {text} |" for name, (whose, text) in sorted(found.items())]
    lines += ["", "Recorded, so that a decision and a dashboard read the same number:", ""]
    lines += ["| recorded | of |", "|---|---|"]
    lines += [f"| `{recorded}` | `{series}` |" for recorded, series in sorted(metrics.RECORDED.items())]
    return "\n".join(lines) + "\n"


def metric_texts() -> Iterator[tuple[str, str, str]]:
    """Yields series, help text and package of each place in `shipway/` that makes one: a name, then its text."""
    for package in sorted(_EXPORTERS):
        for path in sorted((ROOT / "shipway" / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            known = _constants(tree)
            for node in ast.walk(tree):
                items = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
                if len(items) > 1 and (name := _series(items[0], known)) and (text := _sentence(items[1:])):
                    yield name, text, package


def _constants(tree: ast.Module) -> dict[str, str]:
    """Returns the module's own names of series, and the contract's."""
    known = {name: value for name, value in vars(metrics).items() if isinstance(value, str)}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            known |= {one.id: str(node.value.value) for one in node.targets if isinstance(one, ast.Name)}
    return {name: value for name, value in known.items() if value.startswith("shipway_")}


def _series(node: ast.expr, known: dict[str, str]) -> str:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return known.get(name, "")


def _sentence(nodes: Sequence[ast.expr]) -> str:
    """Returns the help text among arguments: the one that is a sentence."""
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return next((text for text in texts if text.endswith(".")), "")


def errors_page() -> str:
    """Returns the page of the error tree."""
    tree = (inspect.getdoc(errors) or "").partition("\n\n")[2]
    lines = [
        "# Errors",
        "",
        "Made from `shipway/contract/errors.py`. Whatever Shipway refuses is one sentence on stderr that begins with",
        "`error:`; a wrong document is named with its file, key, value and what was expected. Problems in data are",
        "no errors: a request's violations stand in its answer ([serving.md](serving.md)), a rollout's verdicts in",
        "`shipway explain`.",
        "",
        "```text",
        tree,
        "```",
        "",
        "| error | exit code | what it says |",
        "|---|---|---|",
    ]
    for name in errors.__all__:
        kind = getattr(errors, name)
        if isinstance(kind, type):
            code = 2 if issubclass(kind, errors.SpecError) else 1
            lines.append(f"| `{name}` | {code} | {(inspect.getdoc(kind) or '').partition('Args:')[0].strip()} |")
    return "\n".join(lines) + "\n"
