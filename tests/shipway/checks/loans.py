"""A model in a few lines, and the facts of it: whether a loan is paid back, by income, age, region and city."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from shipway.checks.facts import Facts, Labelled, Reply, Row, Values
from shipway.checks.finding import Finding, Status
from shipway.contract.check import ChecksSpec
from shipway.contract.documents import parse
from shipway.contract.model import ModelSpec
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.serving.outputs import checked
from shipway.serving.requests import Rejected, check_rows, parse_object
from shipway.training.metrics import evaluate
from shipway.training.plan import Task

SCHEMA = Schema(
    fields=(
        FieldSpec(name="income", kind=FieldKind.NUMBER, minimum=0, maximum=200_000, example=30_000.0),
        FieldSpec(name="age", kind=FieldKind.INTEGER, minimum=18, maximum=110, example=40),
        FieldSpec(name="region", kind=FieldKind.CATEGORY, values=("north", "south"), example="north"),
        FieldSpec(name="city", kind=FieldKind.TEXT, length=20, nullable=True, example="Ulm"),
    )
)
REGIONS = {"north": 0.3, "south": 0.0}

Predict = Callable[[Sequence[Row]], Values]


def logit(row: Row) -> float:
    """Returns the log odds that the loan is paid back: more with income, less with a long name of the city."""
    return row["income"] / 40_000 - row["age"] / 60 + REGIONS[row["region"]] - len(row["city"] or "") / 50


def predict(rows: Sequence[Row]) -> Values:
    """Returns the probability, one a row."""
    return np.array([1 / (1 + np.exp(-logit(row))) for row in rows])


def spec_of(**more: Any) -> ModelSpec:
    """Returns the model's spec with other keys."""
    document = {
        "name": "loans",
        "description": "Whether a loan is paid back.",
        "owner": {"team": "t", "contact": "a@b.c", "escalation": "a@b.c", "runbook_url": "https://example.com"},
        "resources": {"cpu_millicores": 250, "memory_mib": 256},
        "evaluation": {"gates": [{"metric": "auc", "minimum": 0.6}]},
        **more,
    }
    return parse(ModelSpec, document, "model.yaml")


def rows_of(count: int, seed: int = 1) -> pd.DataFrame:
    """Returns `count` plausible rows."""
    draw = np.random.default_rng(seed)
    cities = np.array(["Ulm", "Aachen", "Bad Salzdetfurth"])
    return pd.DataFrame(
        {
            "income": draw.uniform(5_000, 90_000, count).round(2),
            "age": draw.integers(18, 90, count),
            "region": draw.choice(["north", "south"], count),
            "city": draw.choice(cities, count),
        },
        index=pd.Index([f"loan-{number}" for number in range(count)], name="unit_id"),
    )


def labelled(rows: pd.DataFrame, seed: int = 2) -> Labelled:
    """Returns the rows with labels drawn from the model's own probabilities."""
    draw = np.random.default_rng(seed)
    chances = predict(rows.to_dict("records"))
    labels = pd.Series((draw.random(len(rows)) < chances).astype(int), index=rows.index)
    return Labelled(rows, labels, "drawn rows")


def slot(model: Predict, *, fallback: bool = False) -> Callable[[bytes], Reply]:
    """Returns what answers as a slot does: the real reading of a request, and the model behind it."""

    def send(body: bytes) -> Reply:
        try:
            asked = check_rows(parse_object(body), {}, SCHEMA, lambda: pd.Timestamp("2026-01-01", tz="UTC"))
        except Rejected as rejected:
            return Reply(rejected.status, {"error": rejected.error})
        try:
            values, problem = checked(model(asked.rows), len(asked.rows))
        except (ValueError, KeyError, OverflowError, TypeError) as error:
            values, problem = None, type(error).__name__
        if values is None:
            if fallback:
                return Reply(200, {"predictions": [0.5] * len(asked.rows), "source": "constant"})
            return Reply(503, {"error": problem})
        return Reply(200, json.loads(json.dumps({"predictions": values.tolist(), "source": "model"})))

    return send


def facts_of(model: Predict = predict, anew: Predict | None = None, **more: Any) -> Facts:
    """Returns the facts of a model; `more` replaces some, or is a key of model.yaml's `checks`."""
    checks = {key: value for key, value in more.items() if key in ChecksSpec.model_fields}
    rest = {key: value for key, value in more.items() if key not in checks}
    facts = Facts(
        spec=spec_of(checks=checks),
        schema=SCHEMA,
        task=Task.BINARY,
        request={"rows": [{"income": 30_000.0, "age": 40, "region": "north", "city": "Ulm"}]},
        held_out=labelled(rows_of(300)),
        frozen=None,
        ask=model,
        ask_anew=anew or model,
        entities=lambda row: {},
        measure=lambda labels, answers: evaluate(Task.BINARY, labels, answers),
        send=slot(model),
    )
    return replace(facts, **rest)


def statuses(findings: Sequence[Finding]) -> Mapping[str, Status]:
    """Returns subject -> status."""
    return {finding.subject: finding.status for finding in findings}


def of(findings: Sequence[Finding], subject: str) -> Finding:
    """Returns the finding on one subject."""
    return next(finding for finding in findings if finding.subject == subject)
