"""What the template's documents say of a sample, said of the CSV: README.md, MODEL_CARD.md, RUNBOOK.md."""

import re
from collections.abc import Mapping

from shipway.contract.errors import ShipwayError
from shipway.scaffold.inferred.code import answer
from shipway.scaffold.inferred.decisions import Inference
from shipway.scaffold.inferred.gates import Measured
from shipway.training.csv_table import Table
from shipway.training.plan import Task

__all__ = ["filled_card", "filled_readme", "filled_runbook", "with_sections"]

# How the Hugging Face Hub calls our metrics.
_HUB = {"auc": "roc_auc", "brier": "brier_score", "accuracy": "accuracy", "mae": "mae", "rmse": "rmse"}

_NO_MODEL = "the model is late or does not answer: callers get 503; roll back"


def with_sections(text: str, sections: Mapping[str, str]) -> str:
    """Returns a YAML document with the blocks of some top-level keys replaced, all else as it was written.

    Raises:
        ShipwayError: for a key that the document does not have.
    """
    for key, block in sections.items():
        pattern = re.compile(rf"^{re.escape(key)}:.*\n(?:[ \t].*\n|\n(?=[ \t]))*", re.MULTILINE)
        text, count = pattern.subn(lambda _, block=block: block, text, count=1)
        if not count:
            raise ShipwayError(f"model.yaml of the template has no key {key}, expected one to fill in")
    return text


def filled_readme(text: str, table: Table, inference: Inference) -> str:
    """Returns README.md with the data in the place of the sample."""
    said = f"{len(table):,} rows of {_code(table.path.name)}, predicting {_code(inference.target.column)}"
    labels = _labels(inference)
    text = _line(text, "data", f"{said}; {labels}" if labels else said)
    return _line(text, "not for", "rows unlike those of the file")


def filled_card(text: str, table: Table, inference: Inference, measured: Measured, name: str) -> str:
    """Returns MODEL_CARD.md with what the baseline measured, and with the data in the place of the sample."""
    shown = {key: value for key, value in measured.metrics.items() if key in _HUB}
    matter, mark, body = text.removeprefix("---\n").partition("\n---\n")
    matter = re.sub(r"^metrics: .*$", f"metrics: [{', '.join(_HUB[key] for key in shown)}]", matter, flags=re.MULTILINE)
    matter, _, _ = matter.partition("model-index:\n")
    task = inference.target.kind
    index = [
        "model-index:",
        f"  - name: {name}",
        "    # What training measures on the validation rows; a test compares.",
        "    results:",
        f"      - task: {{type: {task}, name: {task.replace('-', ' ').capitalize()}}}",
        f"        dataset: {{type: csv, name: {name}, split: validation}}",
        "        metrics:",
        *(f"          - {{type: {_HUB[key]}, name: {key}, value: {_short(value)}}}" for key, value in shown.items()),
    ]
    body = _line(body, "what it answers", answer(inference))
    body = _line(body, "model", "gradient-boosted trees (scikit-learn's HistGradientBoosting), as a baseline")
    body = _line(body, "not for", "rows unlike those of the file")
    labels = _labels(inference)
    columns = ", ".join(_code(one.column) for one in inference.left_out)
    data = [
        f"{len(table):,} rows of {_code(table.path.name)}; {_code(inference.target.column)} is predicted from "
        f"{len(inference.fields)} columns.",
        *([f"Labels: {labels}."] if labels else []),
        *([f"Left out: {columns}."] if columns else []),
        f"{measured.train_rows:,} rows train, {measured.validation_rows:,} validate: "
        + (
            "the newest ones."
            if inference.time
            else "drawn by what they hold, so that a row stays on its side as the file grows."
        ),
    ]
    body = _section(body, "Data", data)
    body = _section(body, "Limits", ["Not looked into yet. It knows what the rows of the file were like, and no more."])
    return f"---\n{matter}{chr(10).join(index)}{mark}{body}"


def filled_runbook(text: str, inference: Inference) -> str:
    """Returns RUNBOOK.md; classes have no constant that would stand for them."""
    if inference.target.task is not Task.MULTICLASS:
        return text
    return re.sub(r"(?<=\| )the model is late[^|]*(?= \|)", lambda _: _NO_MODEL, text)


def _line(text: str, name: str, value: str) -> str:
    return re.sub(rf"^\| {name} \|.*$", lambda _: f"| {name} | {value} |", text, flags=re.MULTILINE)


def _section(text: str, title: str, lines: list[str]) -> str:
    """Returns the text with the first paragraph of a section replaced."""
    pattern = rf"(?<=^## {title}\n)\n.*?(?=\n\n|\Z)"
    return re.sub(pattern, lambda _: "\n" + "\n".join(lines), text, count=1, flags=re.MULTILINE | re.DOTALL)


def _labels(inference: Inference) -> str:
    return ", ".join(f"{_code(value)} is {label}" for value, label in inference.target.labels.items())


def _code(text: str) -> str:
    """Returns a text of the CSV in Markdown: as code, on one line, in one cell of a table."""
    plain = "".join(sign if sign.isprintable() and sign != "`" else " " for sign in text)
    return f"`{plain.replace('|', '/')}`"


def _short(value: float) -> str:
    return f"{value:.4g}"
