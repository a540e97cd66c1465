"""Laws and declared relations: each passes on a model that keeps it, and catches one that does not."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipway.checks.facts import Row, Values
from shipway.checks.finding import Status
from shipway.checks.metamorphic import check_metamorphic
from shipway.checks.relations import Relation, own_relations
from shipway.contract.check import Behaviour
from shipway.contract.errors import SpecError
from tests.shipway.checks.loans import facts_of, of, predict, statuses


def found(*arguments: Any, **more: Any) -> list[Any]:
    return list(check_metamorphic(facts_of(*arguments, **more)))


def test_a_sound_model_keeps_every_law() -> None:
    """Same answers again, shuffled, alone and anew; each field matters."""
    assert set(statuses(found()).values()) == {Status.PASSED}
    assert list(statuses(found())) == [
        "asked again",
        "in another order",
        "alone and in a batch",
        "loaded anew",
        "idle fields",
    ]


def test_a_model_that_remembers_is_caught() -> None:
    """Its second answer to the same rows is another one."""
    calls = 0

    def remembers(rows: Sequence[Row]) -> Values:
        nonlocal calls
        calls += 1
        return np.clip(predict(rows) + calls / 1000, 0, 1)

    finding = of(found(remembers), "asked again")
    assert finding.status is Status.FAILED
    assert "the model keeps something between two calls" in finding.sentence


def test_a_model_that_counts_its_rows_is_caught() -> None:
    """An answer that depends on the row's place fails in another order and alone."""

    def counts(rows: Sequence[Row]) -> Values:
        return predict(rows) * np.linspace(1, 0.9, len(rows))

    told = found(counts)
    assert of(told, "asked again").status is Status.PASSED
    assert "a row's answer depends on its place" in of(told, "in another order").sentence
    assert of(told, "in another order").status is of(told, "alone and in a batch").status is Status.FAILED


def test_a_model_that_looks_at_its_neighbours_is_caught() -> None:
    """Scaling by the batch is invisible in another order, and visible alone."""

    def scales(rows: Sequence[Row]) -> Values:
        answers = predict(rows)
        return answers / answers.max()

    told = found(scales)
    assert of(told, "in another order").status is Status.PASSED
    assert "depends on the rows beside it" in of(told, "alone and in a batch").sentence


def test_another_instance_that_answers_otherwise_is_caught() -> None:
    """A model drawn at random when it is loaded is no version of anything."""
    finding = of(found(predict, lambda rows: predict(rows) * 0.99), "loaded anew")
    assert (finding.status, finding.bound) == (Status.FAILED, 1e-5)
    assert finding.value == pytest.approx(0.01, rel=0.2)


def test_a_field_that_nobody_reads_is_named() -> None:
    """It is idle, unless model.yaml says that it is to be."""

    def no_city(rows: Sequence[Row]) -> Values:
        return predict([{**row, "city": "Ulm"} for row in rows])

    finding = of(found(no_city), "idle fields")
    assert (finding.status, finding.value) == (Status.FAILED, 1)
    assert "no other value of city changes an answer on 64 rows" in finding.sentence
    declared = found(no_city, relations=[{"field": "city", "answer": "same"}])
    assert of(declared, "idle fields").status is of(declared, "city: same").status is Status.PASSED


def test_a_field_whose_features_are_read_by_it_is_not_idle() -> None:
    """A key of the feature store changes answers through the store."""

    def no_city(rows: Sequence[Row]) -> Values:
        return predict([{**row, "city": "Ulm"} for row in rows])

    keyed = facts_of(no_city, entities=lambda row: {"city": row["city"]})
    assert of(list(check_metamorphic(keyed)), "idle fields").status is Status.PASSED


@pytest.mark.parametrize(
    ("relation", "status"),
    [
        ({"field": "income", "answer": "not_lower"}, Status.PASSED),
        ({"field": "income", "answer": "not_higher"}, Status.FAILED),
        ({"field": "age", "answer": "not_higher"}, Status.PASSED),
        ({"field": "age", "answer": "not_lower"}, Status.FAILED),
        ({"field": "age", "answer": "not_lower", "tolerance": 0.9}, Status.PASSED),
        ({"field": "city", "answer": "same"}, Status.FAILED),
        ({"field": "region", "answer": "same", "tolerance": 0.1}, Status.PASSED),
    ],
)
def test_a_declared_relation_is_held_or_broken(relation: dict[str, Any], status: Status) -> None:
    """It is judged at nine values of the field, or under other values of it, and the tolerance is the bound."""
    finding = found(relations=[relation])[-1]
    assert (finding.subject, finding.status) == (f"{relation['field']}: {relation['answer']}", status)
    assert finding.bound == relation.get("tolerance", 0.0)


def test_a_dent_in_a_growing_answer_is_found() -> None:
    """The sentence names the row and both values between which the answer falls."""

    def dented(rows: Sequence[Row]) -> Values:
        dents = np.array([0.4 if 40_000 < row["income"] < 60_000 else 0.0 for row in rows])
        return predict(rows) - dents

    finding = found(dented, relations=[{"field": "income", "answer": "not_lower"}])[-1]
    assert finding.status is Status.FAILED
    assert finding.value is not None
    assert 0.2 < finding.value <= 0.4
    told = re.fullmatch(r"row \d+ gets ([\d.]+) at ([\d.]+) and ([\d.]+) at ([\d.]+)", finding.sentence)
    assert told is not None, finding.sentence
    high, before, low, dent = map(float, told.groups())
    assert high - low == pytest.approx(finding.value, abs=1e-5)
    assert before < 40_000 < dent < 60_000


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        ({"field": "incom", "answer": "same"}, r"checks.relations.0.field: got 'incom', expected one of income, age"),
        ({"field": "city", "answer": "not_lower"}, "expected a number: a text does not grow"),
    ],
)
def test_a_relation_of_no_such_field_is_refused(relation: dict[str, Any], message: str) -> None:
    """The error names the key of model.yaml and what may stand there."""
    with pytest.raises(SpecError, match=message):
        found(relations=[relation])


def test_a_services_own_relations_are_asked(tmp_path: Path) -> None:
    """checks.py says how a row changes; what it says nothing about is undecided, never held."""
    (tmp_path / "checks.py").write_text(
        "from shipway.checks.relations import Relation\n"
        "from shipway.contract.check import Behaviour\n"
        "RELATIONS = (Relation('more of both', lambda row, rng: {**row, 'income': row['income'] * 2},"
        " Behaviour.NOT_LOWER),)\n"
    )
    (own,) = own_relations(tmp_path)
    nothing = Relation("of nobody", lambda row, rng: None, Behaviour.SAME)
    backwards = Relation("older", lambda row, rng: {**row, "age": row["age"] + 9}, Behaviour.NOT_LOWER)
    told = statuses(list(check_metamorphic(replace(facts_of(), relations=(own, nothing, backwards)))))
    assert told["checks.py: more of both"] is Status.PASSED
    assert told["checks.py: of nobody"] is Status.UNDECIDED
    assert told["checks.py: older"] is Status.FAILED


def test_a_checks_file_without_relations_is_refused(tmp_path: Path) -> None:
    """One that is there declares something; one that is not there declares nothing."""
    assert own_relations(tmp_path) == ()
    (tmp_path / "checks.py").write_text("RELATIONS = 3\n")
    with pytest.raises(SpecError, match=r"RELATIONS: got 3, expected a sequence of shipway.checks.relations.Relation"):
        own_relations(tmp_path)
