"""Source for values of a CSV: what Python reads back is the same, and a formatter has no wish."""

import ast
import random
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.scaffold.inferred.literals import literal, mapping, nested, of_tuples

texts = st.text(st.characters(codec="utf-8"), max_size=30)


@settings(deadline=None)
@given(st.one_of(texts, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none()))
def test_python_reads_a_literal_back(value: object) -> None:
    """Quotes, backslashes, line ends, other scripts: on one line of source."""
    source = literal(value)
    assert ast.literal_eval(source) == value
    assert len(source.splitlines()) == 1


@settings(deadline=None)
@given(st.dictionaries(texts, st.lists(texts, min_size=1, max_size=40), max_size=5))
def test_python_reads_tuples_back(items: dict[str, list[str]]) -> None:
    """In whatever lines they are laid out."""
    (statement,) = ast.parse("\n".join(of_tuples("X", items))).body
    assert isinstance(statement, ast.Assign)
    assert ast.literal_eval(statement.value) == {key: tuple(values) for key, values in items.items()}


def some_text(chance: random.Random) -> str:
    return "".join(chance.choices("abc déß\"'\\温度-/%", k=chance.randint(0, 30)))


def test_a_formatter_leaves_the_lines_alone() -> None:
    """ruff's own opinion, of many of them in one file, around the length of a line."""
    chance = random.Random(7)
    lines: list[str] = []
    for number in range(150):
        items = {
            some_text(chance): [some_text(chance) for _ in range(chance.choice([1, 2, 5, 40]))]
            for _ in range(chance.randint(1, 4))
        }
        lines += of_tuples(f"X{number}", items)
        lines += mapping(f"Y{number}", {key: len(values) for key, values in items.items()})
        calls = [
            {"name": literal(some_text(chance)), "description": literal("x" * chance.randint(0, 90))}
            for _ in range(chance.randint(1, 3))
        ]
        lines += nested(f"Z{number}", calls)
    source = "\n".join(lines) + "\n"
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
    assert done.stdout == source
