"""Hostile requests: a sound model answers or the slot refuses; what breaks on one is named."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.checks.adversarial import check_adversarial, wrong_answer, wrong_reply
from shipway.checks.cases import Case, cases
from shipway.checks.facts import Facts, Reply, Row, Values
from shipway.checks.finding import Finding, Status
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.serving.outputs import example_row
from shipway.serving.requests import Rejected, check_rows, parse_object
from shipway.training.plan import Task
from tests.shipway.checks.loans import SCHEMA, facts_of, of, predict, slot, statuses

KINDS = Schema(
    fields=(
        *SCHEMA.fields,
        FieldSpec(name="free", kind=FieldKind.NUMBER, nullable=True),
        FieldSpec(name="count", kind=FieldKind.INTEGER),
        FieldSpec(name="open", kind=FieldKind.CATEGORY, example="x"),
        FieldSpec(name="at", kind=FieldKind.TIMESTAMP),
        FieldSpec(name="picture", kind=FieldKind.IMAGE, shape=(4, 5, 3)),
        FieldSpec(name="pixels", kind=FieldKind.VECTOR, length=3, minimum=0, maximum=16),
    )
)


def found(facts: Facts) -> list[Finding]:
    return list(check_adversarial(facts))


def test_a_sound_model_stands_everything() -> None:
    """Every group of requests, the slot afterwards, and noise."""
    told = statuses(found(facts_of()))
    assert set(told.values()) == {Status.PASSED}
    groups = {"extremes", "out of range", "no numbers", "nulls", "unseen categories", "text", "wrong types", "envelope"}
    assert groups < set(told)


def test_a_crash_on_a_null_is_found() -> None:
    """The field is nullable, so the model has to stand it."""

    def crashes(rows: Sequence[Row]) -> Values:
        return predict([{**row, "city": row["city"] + ""} for row in rows])

    finding = of(found(facts_of(crashes)), "nulls")
    assert (finding.status, finding.value) == (Status.FAILED, 1)
    assert finding.sentence == "city null: status 503 (TypeError), expected an answer: it fits the schema"


def test_a_fallback_does_not_hide_a_crash() -> None:
    """An answer that the model did not give is none."""

    def crashes(rows: Sequence[Row]) -> Values:
        return predict([{**row, "city": row["city"] + ""} for row in rows])

    facts = replace(facts_of(crashes), send=slot(crashes, fallback=True))
    assert "answered by 'constant': the model itself failed" in of(found(facts), "nulls").sentence


def test_a_crash_on_an_unseen_category_is_found() -> None:
    """A category without a closed set may be anything."""
    schema = Schema(fields=(FieldSpec(name="word", kind=FieldKind.CATEGORY, example="yes"),))
    known = {"yes": 0.9, "no": 0.1}

    def send(body: bytes) -> Reply:
        try:
            rows = check_rows(parse_object(body), {}, schema, _now).rows
            return Reply(200, {"predictions": [known[row["word"]] for row in rows], "source": "model"})
        except Rejected as rejected:
            return Reply(400, {"error": rejected.error})
        except KeyError:
            return Reply(503, {"error": "the model raised KeyError"})

    def ask(rows: Sequence[Row]) -> Values:
        return np.array([known[row["word"]] for row in rows])

    facts = replace(facts_of(), schema=schema, ask=ask, send=send)
    told = of(list(_of_http(facts)), "unseen categories")
    assert told.sentence == (
        "word unseen: status 503 (the model raised KeyError), expected an answer: it fits the schema"
    )


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 1, 1, tzinfo=UTC)


def _of_http(facts: Facts) -> list[Finding]:
    rows = facts.held_out.rows.assign(word="yes")
    return found(replace(facts, held_out=replace(facts.held_out, rows=rows)))


def test_an_answer_out_of_range_is_found() -> None:
    """A linear model of a probability leaves 0 to 1 at the edges of its fields."""

    def linear(rows: Sequence[Row]) -> Values:
        return np.array([row["income"] / 60_000 for row in rows])

    finding = of(found(facts_of(linear)), "extremes")
    assert finding.status is Status.FAILED
    assert "expected a probability from 0 to 1" in finding.sentence


def test_a_model_that_a_request_changes_is_found() -> None:
    """After all of them the example has to get what it got before."""
    seen = 0.0

    def remembers(rows: Sequence[Row]) -> Values:
        nonlocal seen
        seen = max(seen, *(row["income"] for row in rows))
        return predict(rows) * (0.9 if seen > 150_000 else 1.0)

    finding = of(found(facts_of(remembers)), "after all of them")
    assert finding.status is Status.FAILED
    assert "something of them stayed in the model" in finding.sentence


def test_a_model_that_noise_turns_over_is_found() -> None:
    """Answers that jump when an income moves by a thousandth of its spread say nothing about incomes."""

    def jumps(rows: Sequence[Row]) -> Values:
        return np.array([int(row["income"] * 100) % 7 / 7 for row in rows])

    finding = of(found(facts_of(jumps)), "noise of 0.1% of each number's spread")
    assert (finding.status, finding.bound) == (Status.FAILED, 0.05)
    assert finding.value is not None
    assert finding.value > 0.5


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(0, {}), "the connection broke, expected a refusal"),
        (Reply(500, {}), "status 500, expected a refusal with 400: it is outside of the schema"),
        (Reply(200, {"predictions": [1.0], "source": "model"}), "status 200, expected a refusal with 400"),
        (Reply(400, {}), "status 400 without a word, expected `error` in the body"),
        (Reply(400, {"error": "1 violation"}), ""),
    ],
)
def test_what_does_not_fit_is_refused_in_words(reply: Reply, problem: str) -> None:
    """Nothing else is a contract: no answer, no crash, no silence."""
    told = wrong_reply(Case("envelope", "x", b"", valid=False), reply, Task.BINARY)
    assert told.startswith(problem)
    assert bool(told) == bool(problem)


@pytest.mark.parametrize(
    ("predictions", "task", "wrong"),
    [
        ([0.5], Task.BINARY, False),
        ([1.5], Task.BINARY, True),
        ([float("nan")], Task.REGRESSION, True),
        ([True], Task.REGRESSION, True),
        ([1.5], Task.REGRESSION, False),
        ([3.0], Task.MULTICLASS, False),
        ([0.5, 0.5], Task.BINARY, True),
        (None, Task.BINARY, True),
    ],
)
def test_an_answer_is_a_number_in_range(predictions: Any, task: Task, wrong: bool) -> None:
    """One a row, of the task's kind."""
    assert bool(wrong_answer(Reply(200, {"predictions": predictions, "source": "model"}), 1, task)) is wrong


def test_cases_say_of_themselves_what_the_contract_says() -> None:
    """Every case is valid where the slot's own reading takes it, and only there; none is asked twice."""
    row = example_row(KINDS)
    listed = list(cases(KINDS, row))
    assert len({(case.name, case.body) for case in listed}) == len(listed)
    for case in listed:
        try:
            check_rows(parse_object(case.body), {}, KINDS, _now)
            taken = True
        except Rejected:
            taken = False
        assert taken is case.valid, (case.group, case.name, case.body[:200])
    assert {case.valid for case in listed} == {True, False}
    assert sum(case.valid for case in listed) > 20


@given(
    st.floats(-1e6, 1e6),
    st.floats(0, 1e6),
    st.sampled_from([FieldKind.NUMBER, FieldKind.INTEGER, FieldKind.VECTOR]),
)
def test_the_edges_of_any_range_are_asked(low: float, width: float, kind: FieldKind) -> None:
    """Whatever the bounds are, one case lies on each where the kind has it, and one lies beyond."""
    field = FieldSpec(name="x", kind=kind, minimum=low, maximum=low + width, length=2)
    schema = Schema(fields=(field,))
    inside = [low] * 2 if kind is FieldKind.VECTOR else low
    listed = list(cases(schema, {"x": inside}))
    assert all(json.loads(case.body)["rows"] for case in listed if case.valid)
    assert any(not case.valid for case in listed if case.group == "out of range")
    if kind is not FieldKind.INTEGER:
        assert sum(case.valid for case in listed if case.group == "extremes") >= 2
