"""`shipway new --from-csv`: the template rendered, filled from a CSV, tried out, and only then put in its place."""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from shipway.contract.errors import SpecError
from shipway.contract.model import GateSpec, load_model
from shipway.contract.naming import suggest_model_name
from shipway.contract.schema import FieldSpec
from shipway.scaffold.card import load_card
from shipway.scaffold.inferred.code import Place, service_files
from shipway.scaffold.inferred.decisions import VALIDATION_RATIO, Inference, Options, infer
from shipway.scaffold.inferred.gates import METRICS, Measured, gate, too_good
from shipway.scaffold.inferred.measuring import measure
from shipway.scaffold.inferred.names import field_name
from shipway.scaffold.inferred.papers import filled_card, filled_readme, filled_runbook, with_sections
from shipway.scaffold.inferred.target import KINDS
from shipway.scaffold.rendering import render
from shipway.training.csv_table import Table, read_table
from shipway.training.examples import examples_of
from shipway.training.plan import Task
from shipway.training.splitting import first_draw

__all__ = ["MOST_COPIED_BYTES", "Made", "Renderer", "make_service", "model_sections"]

# (answers, kind, what fills the rendered service) -> its folder.
Renderer = Callable[[Mapping[str, str], str, Callable[[Path], None]], Path]

# What git holds without anybody noticing; a larger file stays where it is, in the project.
MOST_COPIED_BYTES = 10 * 2**20

_SHOWN = 6


@dataclass(frozen=True)
class Made:
    """The new service, and how it came to be what it is."""

    folder: Path
    inference: Inference
    measured: Measured
    gate: GateSpec
    warnings: tuple[str, ...]

    def story(self) -> list[str]:
        """Returns what was decided, one line each, for the person to agree with or not."""
        shown = [f"  {one.field.name}: {_shown(one.field)}" for one in self.inference.fields]
        gone = [f"  {one.column}: left out, {one.why}" for one in self.inference.left_out]
        name = self.gate.metric
        bar = f"at least {self.gate.minimum}" if self.gate.minimum is not None else f"at most {self.gate.maximum}"
        measured = (
            f"baseline: {name} {self.measured.metrics[name]:.4g} on {self.measured.validation_rows:,} rows it has not "
            f"seen, {self.measured.base_rate[name]:.4g} without any column; the gate wants {bar}"
        )
        return [*self.inference.notes, "fields:", *shown, *gone, measured]


def make_service(
    root: Path,
    path: Path,
    options: Options,
    answers: Mapping[str, str],
    today: date,
    progress: Callable[[str], None],
    *,
    elsewhere: Renderer | None = None,
) -> Made:
    """Returns the service that was made from the CSV at `path`; whatever is refused leaves nothing behind.

    Args:
        root: the project.
        path: the CSV.
        options: target, and what the person says about columns.
        answers: of the template's questions; without a name the model is called like the file.
        today: when the file was given.
        progress: called with one line for each step.
        elsewhere: renders it into another repository; by default it is rendered into the project.

    Raises:
        SpecError: for a file, column, option or answer that is wrong.
        ShipwayError: when the baseline cannot be trained, or is no better than chance.
    """
    if options.kind and options.kind not in KINDS:
        raise SpecError("shipway new", "kind", options.kind, f"with --from-csv one of {', '.join(KINDS)}, or none")
    table = read_table(path)
    progress(f"read {path}: {len(table):,} rows of {len(table.names)} columns")
    inference = infer(table, options)
    answers = {
        "name": suggest_model_name(path.stem),
        "description": f"Predicts {field_name(options.target) or 'the target'} from the columns of a CSV.",
        **answers,
    }
    found: list[tuple[Measured, GateSpec]] = []

    def fill(folder: Path) -> None:
        data = _place_data(None if elsewhere else root, table, folder)
        place = Place(folder.name.replace("_", "-"), data, today, _draw(table, inference))
        for name, text in service_files(inference, place).items():
            (folder / name).write_text(text, encoding="utf-8")
        progress("training a baseline")
        measured = measure(folder)
        bars = gate(inference.target.task, measured)
        found.append((measured, bars))
        _rewrite(folder / "model.yaml", lambda text: with_sections(text, model_sections(inference, measured, bars)))
        load_model(folder / "model.yaml")
        _rewrite(folder / "README.md", lambda text: filled_readme(text, table, inference))
        _rewrite(folder / "MODEL_CARD.md", lambda text: filled_card(text, table, inference, measured, place.name))
        load_card(folder / "MODEL_CARD.md")
        _rewrite(folder / "RUNBOOK.md", lambda text: filled_runbook(text, inference))

    kind = inference.target.kind
    folder = elsewhere(answers, kind, fill) if elsewhere else render(root, answers, kind=kind, fill=fill)
    measured, bars = found[0]
    return Made(folder, inference, measured, bars, tuple(_warnings(inference, measured)))


def _draw(table: Table, inference: Inference) -> int:
    """Returns which draw decides what validates; where a time does, there is none to choose.

    Raises:
        ShipwayError: when every draw leaves a side with too little.
    """
    if inference.time:
        return 0
    target = inference.target
    found = examples_of(table, inference.schema, inference.renamed, target.column, target.labels or None)
    return first_draw(found.rows, VALIDATION_RATIO, found.labels if target.labels else None)


def _shown(field: FieldSpec) -> str:
    words = [field.kind.value]
    if field.minimum is not None:
        words.append(f"{field.minimum:g} to {field.maximum:g}")
    if field.values:
        words.append(f"one of {', '.join(field.values[:_SHOWN])}{', ...' if len(field.values) > _SHOWN else ''}")
    return ", ".join([*words, *(["or null"] if field.nullable else [])])


def _place_data(root: Path | None, table: Table, folder: Path) -> str:
    """Returns where the data lies, relative to the service; copies it there unless it is large.

    Args:
        root: the project, in which a large file stays where it is; None for one that is only being made.
        table: the data.
        folder: the service.
    """
    name = re.sub(r"[^a-z0-9]+", "-", table.path.stem.lower()).strip("-") or "data"
    if table.size_bytes <= MOST_COPIED_BYTES:
        (folder / "data").mkdir(exist_ok=True)
        shutil.copyfile(table.path, folder / "data" / f"{name}.csv")
        return f"data/{name}.csv"
    where = table.path.resolve()
    if root is None or not where.is_relative_to(root.resolve()):
        size, most = table.size_bytes / 2**20, MOST_COPIED_BYTES // 2**20
        other = (
            "fewer rows: its train.py can read all of them later"
            if root is None
            else f"a file inside {root}: move it there, such as to data/, and keep it out of git"
        )
        expected = f"at most {most} MiB, which are copied into the service, or {other}"
        raise SpecError(table.path, "", f"{size:.0f} MiB outside of the project", expected)
    # From services/<package> to the project's root.
    return f"../../{where.relative_to(root.resolve()).as_posix()}"


def model_sections(inference: Inference, measured: Measured, bars: GateSpec) -> dict[str, str]:
    """Returns top-level key of model.yaml -> its lines, for those that follow from the data."""
    task, name = inference.target.task, METRICS[inference.target.task]
    fallback = {
        Task.BINARY: ("the share of the label 1 in training", measured.label_mean),
        Task.REGRESSION: ("the mean label in training", measured.label_mean),
    }
    lines = ["serving:", "  timeout_seconds: 5"]
    if task in fallback:
        words, constant = fallback[task]
        lines += [f"  # What answers when the model cannot: here {words}. [] answers 503 instead."]
        lines += ["  fallback: [constant]", f"  fallback_constant: {_yaml(constant)}"]
    else:
        lines += [
            "  # No class stands for all others: without the model there is no answer, and the caller is told so."
        ]
        lines += ["  fallback: []"]
    labels = ["labels:", "  source: feedback", "  delay_seconds: 86400"]
    if task is Task.REGRESSION:
        labels += ["  # Twice what the baseline misses by on average: a prediction farther from its label was wrong."]
        labels += [f"  wrong_beyond: {_yaml(2 * measured.metrics[name])}"]
    given = bars.model_dump(exclude_none=True)
    shown = ", ".join(f"{key}: {value if key == 'metric' else _yaml(value)}" for key, value in given.items())
    evaluation = [
        "evaluation:",
        "  gates:",
        f"    # The baseline reached {measured.metrics[name]:.4g} on {measured.validation_rows:,} rows, give or take "
        f"{measured.metric_deviation:.2g}; without any column it is {measured.base_rate[name]:.4g}.",
        f"    - {{{shown}}}",
    ]
    return {
        key: "\n".join(part) + "\n"
        for key, part in zip(("serving", "labels", "evaluation"), (lines, labels, evaluation), strict=True)
    }


def _rewrite(path: Path, change: Callable[[str], str]) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(change(text if text.endswith("\n") else f"{text}\n"), encoding="utf-8")


def _yaml(value: float) -> str:
    """Returns a number as YAML reads it, in six digits."""
    short = float(f"{value:.6g}")
    return (
        str(int(short))
        if short.is_integer() and abs(short) < 1e6
        else f"{short:f}".rstrip("0")
        if abs(short) >= 1e-4 and abs(short) < 1e15
        else repr(short)
    )


def _warnings(inference: Inference, measured: Measured) -> list[str]:
    found = [f"{one.column} is left out: {one.why}" for one in inference.left_out if one.is_warning]
    if too_good(inference.target.task, measured):
        name = METRICS[inference.target.task]
        found.append(
            f"{name} is {measured.metrics[name]:.4g}, almost without a mistake: does a column know the answer? "
            "`--leave-out COLUMN` takes it out"
        )
    return found
