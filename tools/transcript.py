"""Console blocks of a page: which commands they show, what each printed, and whether it prints that again."""

import doctest
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

__all__ = ["Block", "Shown", "blocks", "commands", "prints_again", "rewritten"]

_FENCE = re.compile(r"^(?P<indent> *)```console\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)

# What differs between two runs that print the same: digests, ids, times, counts, and the width they take in a table.
_VOLATILE = (
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "HEX"),
    (re.compile(r"\d[\d,]*(\.\d+)?(e[-+]?\d+)?"), "N"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True)
class Shown:
    """One command of a block.

    Args:
        command: as it is typed, continued lines included.
        output: the lines below it; `...` stands for any.
    """

    command: str
    output: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """One console block: where it stands in its page, and what it shows."""

    start: int
    end: int
    indent: str
    shown: tuple[Shown, ...]


def blocks(page: str) -> list[Block]:
    """Returns the console blocks of a page in Markdown, in order."""
    found: list[Block] = []
    for match in _FENCE.finditer(page):
        indent = match["indent"]
        lines = [line.removeprefix(indent) for line in match["body"].splitlines()]
        found.append(Block(match.start("body"), match.end("body"), indent, _shown(lines)))
    return found


def commands(page: str) -> list[str]:
    """Returns each command of a page's console blocks, without the remark behind it."""
    return [re.sub(r"\s+# .*$", "", one.command) for block in blocks(page) for one in block.shown]


def prints_again(expected: Sequence[str], got: Sequence[str]) -> bool:
    """Returns whether `got` is `expected` but for what differs between two runs; a line `...` stands for any lines."""
    # A line of three dots stands for no line, too: the end of the line before it goes with it.
    want, have = re.sub(r"(?m)^\.\.\.\n", "...", _settled(expected)), _settled(got)
    want = re.sub(r"\n\.\.\.", "...\n", want)
    return doctest.OutputChecker().check_output(want, have, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)


def rewritten(page: str, outputs: Sequence[Sequence[Sequence[str]]]) -> str:
    """Returns the page with what its commands printed, block by block, in place of what it showed."""
    for block, printed in reversed(list(zip(blocks(page), outputs, strict=True))):
        told = [replace(one, output=tuple(lines)) for one, lines in zip(block.shown, printed, strict=True)]
        lines = [line for one in told for line in (*_typed(one.command), *one.output)]
        body = "".join(f"{block.indent}{line}".rstrip() + "\n" for line in lines)
        page = page[: block.start] + body + page[block.end :]
    return page


def _settled(lines: Sequence[str]) -> str:
    text = "\n".join(lines) + "\n"
    for pattern, instead in _VOLATILE:
        text = pattern.sub(instead, text)
    return text


def _shown(lines: Sequence[str]) -> tuple[Shown, ...]:
    found: list[Shown] = []
    for line in lines:
        if line.startswith("$ "):
            found.append(Shown(line.removeprefix("$ "), ()))
        elif line.startswith("> ") and found and not found[-1].output:
            found[-1] = replace(found[-1], command=f"{found[-1].command}\n{line.removeprefix('> ')}")
        elif found:
            found[-1] = replace(found[-1], output=(*found[-1].output, line))
    return tuple(found)


def _typed(command: str) -> list[str]:
    first, *rest = command.split("\n")
    return [f"$ {first}", *(f"> {line}" for line in rest)]
