"""Schema and regression: what fits and clears its bars passes, and each misfit is named."""

from dataclasses import replace

import pytest

from shipway.checks.facts import Reply
from shipway.checks.finding import Status
from shipway.checks.fitting import check_schema
from shipway.checks.regression import check_regression
from shipway.contract.errors import SpecError
from tests.shipway.checks.loans import facts_of, labelled, of, predict, rows_of, spec_of, statuses


def test_what_fits_passes() -> None:
    """Examples, held-out rows, the example request, and the answer to it."""
    told = statuses(list(check_schema(facts_of())))
    assert told == dict.fromkeys(
        ("examples of the fields", "held-out rows", "tests/request.json", "answer to it"), Status.PASSED
    )


def test_a_row_outside_of_the_schema_is_named() -> None:
    """By its number, field and what was expected."""
    rows = rows_of(20)
    rows.loc["loan-3", "income"] = -1.0
    finding = of(list(check_schema(replace(facts_of(), held_out=labelled(rows)))), "held-out rows")
    assert (finding.status, finding.value) == (Status.FAILED, 1)
    assert finding.sentence == "row 3 of held-out rows, field income: got -1.0, expected a value from 0.0 to 200000.0"


def test_a_column_that_is_not_there_is_named() -> None:
    """train.py and schema.py have to speak of the same fields."""
    held_out = labelled(rows_of(20))
    less = replace(facts_of(), held_out=replace(held_out, rows=held_out.rows.drop(columns="age")))
    assert of(list(check_schema(less)), "held-out rows").sentence.startswith("train.py's rows lack age, expected every")


def test_a_request_that_is_missing_or_wrong_is_no_pass() -> None:
    """Missing is missing; empty and misspelt are failures."""
    missing = of(list(check_schema(facts_of(request=None))), "tests/request.json")
    assert (missing.status, missing.value) == (Status.MISSING, None)
    assert "services/loans/tests/request.json is not there" in missing.sentence
    assert statuses(list(check_schema(facts_of(request={"rows": []}))))["tests/request.json"] is Status.FAILED
    wrong = of(list(check_schema(facts_of(request={"rows": [{"income": 1.0}]}))), "tests/request.json")
    assert (wrong.status, wrong.value) == (Status.FAILED, 3)


def test_an_example_that_a_fallback_answers_fails() -> None:
    """The model itself has to."""
    facts = replace(facts_of(), send=lambda body: Reply(200, {"predictions": [0.5], "source": "constant"}))
    assert of(list(check_schema(facts)), "answer to it").sentence == "answered by 'constant': the model itself failed"


def test_a_frozen_set_is_judged_by_the_absolute_bars() -> None:
    """The same rows, the same bar: the model passes it, one that answers backwards does not."""
    frozen = labelled(rows_of(600))
    (held,) = check_regression(replace(facts_of(), frozen=frozen))
    assert (held.subject, held.status, held.bound) == ("auc", Status.PASSED, 0.6)
    assert held.sentence == "on 600 frozen rows, expected at least 0.6"
    (failed,) = check_regression(facts_of(lambda rows: 1 - predict(rows), frozen=frozen))
    assert failed.status is Status.FAILED
    assert failed.value == pytest.approx(1 - (held.value or 0))


def test_without_a_frozen_set_the_command_is_named() -> None:
    """It is missing, not passed; labels that are all the same decide nothing."""
    (missing,) = check_regression(facts_of())
    assert missing.status is Status.MISSING
    assert "`shipway retrain loans --freeze-regression-set`" in missing.sentence
    rows = rows_of(10)
    one_label = replace(labelled(rows), labels=labelled(rows).labels * 0)
    (undecided,) = check_regression(replace(facts_of(), frozen=one_label))
    assert undecided.status is Status.UNDECIDED


def test_a_gate_of_no_such_metric_is_refused() -> None:
    """With the metrics there are."""
    spec = spec_of(evaluation={"gates": [{"metric": "auk", "minimum": 0.5}]})
    with pytest.raises(SpecError, match=r"evaluation\.gates\.0\.metric: got 'auk', expected one of auc, brier"):
        list(check_regression(replace(facts_of(), spec=spec, frozen=labelled(rows_of(50)))))


def test_a_gate_is_named_by_its_place_in_model_yaml() -> None:
    """Gates without an absolute bar before it are counted: the error leads to the line that is wrong."""
    gates = [{"metric": "log_loss", "beats_base_rate_by": 0.1}, {"metric": "nonsense", "minimum": 0.5}]
    facts = replace(facts_of(), spec=spec_of(evaluation={"gates": gates}), frozen=labelled(rows_of(50)))
    with pytest.raises(SpecError, match=r"evaluation\.gates\.1\.metric: got 'nonsense'"):
        list(check_regression(facts))


def test_bars_against_a_champion_are_not_judged_here() -> None:
    """A gate without an absolute bar says nothing of one version alone."""
    spec = spec_of(evaluation={"gates": [{"metric": "auc", "champion_tolerance": 0.01}]})
    (skipped,) = check_regression(replace(facts_of(), spec=spec, frozen=labelled(rows_of(50))))
    assert skipped.status is Status.SKIPPED
