"""Python source for values of a CSV, laid out as ruff lays it out: a generated file needs no reformatting."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["LINE", "call", "literal", "mapping", "nested", "of_tuples", "width"]

LINE = 120
_INDENT = "    "


def width(text: str) -> int:
    """Returns how many columns a line takes: East Asian signs are two wide."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def literal(value: object) -> str:
    """Returns `value` as source; text in double quotes unless single ones need fewer escapes.

    >>> literal('say "x"'), literal("it's"), literal(1.5)
    ('\\'say "x"\\'', '"it\\'s"', '1.5')
    """
    if not isinstance(value, str):
        return repr(value)
    quote = "'" if value.count('"') > value.count("'") else '"'
    # A sign that cannot be printed is written as its number.
    inner = "".join(sign if sign in "'\"" else repr(sign)[1:-1] for sign in value)
    return quote + inner.replace(quote, f"\\{quote}") + quote


def call(name: str, arguments: Mapping[str, str], depth: int) -> list[str]:
    """Returns the lines of `name(argument=source, ...),`, `depth` indents deep: one, or one an argument."""
    indent = _INDENT * depth
    line = f"{indent}{name}({', '.join(f'{key}={source}' for key, source in arguments.items())}),"
    if width(line) <= LINE:
        return [line]
    return [f"{indent}{name}(", *(f"{indent}{_INDENT}{key}={one}," for key, one in arguments.items()), f"{indent}),"]


def nested(name: str, calls: Sequence[Mapping[str, str]]) -> list[str]:
    """Returns the lines of `name = Schema(fields=(FieldSpec(...), ...))`.

    A tuple of one is folded as far as it fits: its comma is no wish for lines of its own.
    """
    if len(calls) == 1:
        (line,) = call("FieldSpec", calls[0], 0)[:1]
        for lines in (
            [f"{name} = Schema(fields=({line}))"],
            [f"{name} = Schema(", f"{_INDENT}fields=({line})", ")"],
        ):
            if line.endswith("),") and all(width(one) <= LINE for one in lines):
                return lines
    fields = [line for one in calls for line in call("FieldSpec", one, 2)]
    return [f"{name} = Schema(", f"{_INDENT}fields=(", *fields, f"{_INDENT})", ")"]


def mapping(name: str, items: Mapping[str, object]) -> list[str]:
    """Returns the lines of `name = {key: value, ...}`: one, or one an item."""
    pairs = [f"{literal(key)}: {literal(value)}" for key, value in items.items()]
    line = f"{name} = {{{', '.join(pairs)}}}"
    return [line] if width(line) <= LINE else [f"{name} = {{", *(f"{_INDENT}{pair}," for pair in pairs), "}"]


def of_tuples(name: str, items: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns the lines of `name = {key: (text, ...), ...}`, one a key.

    A tuple that is longer than a line fills lines, which the formatter is told to leave alone.
    """
    lines: list[str] = []
    filled = False
    for key, values in items.items():
        sources = [literal(value) for value in values]
        whole = f"{_INDENT}{literal(key)}: ({', '.join(sources)}{',' if len(sources) == 1 else ''}),"
        if width(whole) <= LINE:
            lines.append(whole)
            continue
        filled = True
        lines += [f"{_INDENT}{literal(key)}: (", *_filled(sources, _INDENT * 2), f"{_INDENT}),"]
    whole = [f"{name} = {{", *lines, "}"]
    return ["# fmt: off", *whole, "# fmt: on"] if filled else whole


def _filled(sources: Iterable[str], indent: str) -> list[str]:
    lines = [indent]
    for source in sources:
        if lines[-1].strip() and width(lines[-1]) + width(source) + 1 > LINE:
            lines.append(indent)
        lines[-1] += f"{source}, "
    return [line.rstrip() for line in lines]
