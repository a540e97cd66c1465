"""A personal value stands nowhere in a record; what the schema says itself, and numbers, are left as they are."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.serving.personal import Redaction, hash_key, hashed

SCHEMA = Schema(
    fields=(
        FieldSpec(name="name", kind=FieldKind.TEXT, personal=True, nullable=True),
        FieldSpec(name="mail", kind=FieldKind.TEXT, personal=True),
        FieldSpec(name="card", kind=FieldKind.INTEGER, personal=True),
        FieldSpec(name="home", kind=FieldKind.VECTOR, length=2, personal=True),
        FieldSpec(name="note", kind=FieldKind.TEXT, nullable=True),
        FieldSpec(name="city", kind=FieldKind.CATEGORY),
        FieldSpec(name="plan", kind=FieldKind.CATEGORY, values=("basic", "gold")),
        FieldSpec(name="amount", kind=FieldKind.NUMBER),
    )
)
ROW: dict[str, Any] = {
    "name": "Ada Lovelace",
    "mail": "ada@example.com",
    "card": 4111111111111111,
    "home": [51.5, -0.14],
    "note": "call Ada Lovelace at ada@example.com, card 4111111111111111, or Ada",
    "city": "Ada Lovelace",
    "plan": "gold",
    "amount": 4111111111111111.0,
}
REDACTION = Redaction(SCHEMA, b"key" * 8)
VALUES = REDACTION.values(ROW)


def test_personal_fields_and_their_repetitions_are_hashed() -> None:
    """In free text inside other words too; closed categories and numbers hold what the schema allows."""
    shown = REDACTION.fields(ROW, VALUES)
    name, mail, card = (VALUES[value] for value in ("Ada Lovelace", "ada@example.com", "4111111111111111"))
    assert (shown["name"], shown["mail"], shown["card"]) == (name, mail, card)
    assert shown["home"] == VALUES["[51.5, -0.14]"]
    assert shown["note"] == f"call {name} at {mail}, card {card}, or Ada"
    assert (shown["city"], shown["plan"], shown["amount"]) == (name, "gold", 4111111111111111.0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Ada Lovelace", VALUES["Ada Lovelace"]),
        (4111111111111111, VALUES["4111111111111111"]),
        ("user/ada@example.com", f"user/{VALUES['ada@example.com']}"),
        ("user/bob", "user/bob"),
        # As a service makes a key of it.
        ("ada lovelace", VALUES["Ada Lovelace"]),
        (" Ada@Example.com ", f" {VALUES['ada@example.com']} "),
        ("user/ADA@example.COM", f"user/{VALUES['ada@example.com']}"),
        (7, 7),
    ],
)
def test_keys_and_unit_ids_are_looked_through(value: object, shown: object) -> None:
    """They may be a personal value, or hold one."""
    assert REDACTION.shown(value, VALUES) == shown


def test_a_null_stays_null_and_an_empty_text_hides_nothing() -> None:
    """Neither may turn every other value into a hash."""
    row = ROW | {"name": None, "mail": "", "note": "plain"}
    shown = REDACTION.fields(row, REDACTION.values(row))
    assert (shown["name"], shown["note"]) == (None, "plain")
    assert shown["mail"].startswith("blake2:")


def test_short_values_are_hashed_alone_only() -> None:
    """A name of two letters is part of many words."""
    row = ROW | {"name": "Al", "note": "Also Al", "city": "Al"}
    shown = REDACTION.fields(row, REDACTION.values(row))
    assert (shown["note"], shown["city"]) == ("Also Al", shown["name"])
    assert REDACTION.shown(" al", REDACTION.values(row)) == hashed(b"key" * 8, " al")


@example("0000", "", "\r")
@example("000\r", "", "0")
@given(st.text(min_size=4, max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_text_around_it_hides_a_personal_value(personal: str, before: str, behind: str) -> None:
    """Whatever the value is, a regular expression's own signs too, no field shows it."""
    row = ROW | {"name": personal, "note": before + personal + behind, "city": personal}
    shown = REDACTION.fields(row, REDACTION.values(row))
    hashed = shown["name"]
    for field in ("note", "city"):
        assert hashed in shown[field]
        assert not [part for part in shown[field].split(hashed) if personal in part]


@given(st.text(min_size=4, max_size=20), st.text(max_size=20), st.sampled_from((str.lower, str.upper, str.casefold)))
def test_no_case_hides_a_personal_value(personal: str, before: str, changed: Callable[[str], str]) -> None:
    """Also of letters that are several in another case."""
    row = ROW | {"name": personal}
    shown = str(REDACTION.shown(before + changed(personal), REDACTION.values(row)))
    rest = re.sub("blake2:[0-9a-f]{32}", "", shown)
    assert not personal.strip() or personal.strip().casefold() not in rest.casefold()


def test_another_folder_hashes_otherwise(tmp_path: Path) -> None:
    """Two slots of one model agree, two models do not: nobody joins people over models."""
    keys = [hash_key(tmp_path / name) for name in ("one", "one", "other")]
    hashes = [Redaction(SCHEMA, key).values(ROW)["Ada Lovelace"] for key in keys]
    assert hashes[0] == hashes[1] != hashes[2]
    assert (tmp_path / "one" / ".hash-key").stat().st_mode & 0o077 == 0
