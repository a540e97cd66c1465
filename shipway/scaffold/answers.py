"""Which answers the template takes: each is one line of plain text, and is carried as it is into every file."""

import re
from collections.abc import Mapping

from shipway.contract.errors import SpecError

__all__ = ["check_answers"]

# Longer than any sentence that fits a table's cell.
_MOST_CHARACTERS = 200

# What opens an expression, a statement or a comment of the template's own language.
_JINJA = ("{{", "{%", "{#")

# A default that follows from an earlier answer, as cookiecutter shows it before it is rendered.
_EARLIER_ANSWER = re.compile(r"\{\{ cookiecutter\.\w+(?: \| slugify)? \}\}")

_CONTACT = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|@[\w-]+(?:/[\w.-]+)?", re.ASCII)
_ADDRESS = re.compile(r"https?://[\w.-]+(?::\d+)?(?:/[\w.~%&=+@:,;/?#!-]*)?", re.ASCII)
# The team's name without them is its name in the catalogue.
_TEAM = re.compile(r"(?=.{1,60}\Z).*[A-Za-z0-9].*")
_SHAPES = {
    "team": (_TEAM, "a name of at most 60 characters with a letter or a digit in it"),
    "contact": (_CONTACT, "an e-mail address such as growth@example.com, or a handle such as @example/growth"),
    "runbook_url": (_ADDRESS, "an address such as https://example.com/runbooks/churn"),
}


def check_answers(answers: Mapping[str, object]) -> SpecError | None:
    """Returns what is wrong with the first answer that cannot be taken, or None where all can.

    A refused answer is named with its key, its value and what was expected. The model's name has rules of its own, see
    `shipway.scaffold.naming`.

    Args:
        answers: question -> answer, as given or rendered.
    """
    for key, answer in answers.items():
        if expected := _expected(key, answer):
            return SpecError("shipway new", key, answer, expected)
    return None


def _expected(key: str, answer: object) -> str:
    if not isinstance(answer, str):
        return "one line of text"
    rendered = _EARLIER_ANSWER.sub("x", answer)
    # An answer of too many characters is told before it is looked at.
    if len(rendered) > _MOST_CHARACTERS:
        return f"at most {_MOST_CHARACTERS} characters, not {len(rendered)}"
    if not rendered.strip() or rendered != rendered.strip() or not rendered.isprintable():
        return "one line of text"
    if any(mark in rendered for mark in _JINJA):
        return f"plain text without any of {' '.join(_JINJA)}, which the template would take for its own"
    shape, words = _SHAPES.get(key, (None, ""))
    return words if shape and not shape.fullmatch(rendered) else ""
