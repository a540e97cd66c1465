"""What the pages tell a reader to type exists, what they show is well-formed, and their links lead somewhere."""

import ast
import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml
from typer.core import TyperGroup

from shipway.cli.app import app
from tools.transcript import commands

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

# Services that a reader is told to make, and files that they get or write.
_MADE = re.compile(r"services/(my[-_]model|churn|MODEL)\b")
_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def texts() -> Iterator[tuple[Path, str]]:
    for path in PAGES:
        yield path, path.read_text(encoding="utf-8")


def typed() -> Iterator[tuple[Path, list[str]]]:
    """Yields each command of each page as its words, also those behind `;`, `&&` and pipes."""
    for path, text in texts():
        for command in commands(text):
            for part in re.split(r"&&|;|\||&(?= |$)", command.replace("\\\n", " ")):
                try:
                    words = shlex.split(part)
                except ValueError:
                    # Half of a quoted program.
                    continue
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words = words[1:]
                if words:
                    yield path, words


def group() -> TyperGroup:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    return command


def test_every_verb_and_option_of_shipway_on_a_page_exists() -> None:
    """A page that names an option of yesterday is noticed."""
    unknown: list[str] = []
    for path, words in typed():
        if words[0] != "shipway":
            continue
        command, rest = group().commands.get(words[1] if len(words) > 1 else ""), words[2:]
        if isinstance(command, TyperGroup) and rest and rest[0] in command.commands:
            command, rest = command.commands[rest[0]], rest[1:]
        options = {name for one in command.params for name in one.opts} | {"--help"} if command else set[str]()
        asked = {word.partition("=")[0] for word in rest if word.startswith("--")}
        if len(words) > 1 and words[1].startswith(("--help", "[")):
            continue
        if command is None or asked - options:
            unknown.append(f"{path.relative_to(ROOT)}: {' '.join(words)}: {', '.join(sorted(asked - options))}")
    assert not unknown


def test_every_make_target_module_and_test_path_on_a_page_exists() -> None:
    """What is typed in the README works in the checkout it stands in."""
    missing: list[str] = []
    for path, words in typed():
        if words[0] == "make":
            missing += [
                f"{path.name}: make {one}" for one in words[1:] if re.fullmatch(r"[a-z-]+", one) and one not in TARGETS
            ]
        if words[:2] in (["python", "-m"], ["python3", "-m"]) and importlib.util.find_spec(words[2]) is None:
            missing.append(f"{path.name}: python -m {words[2]}")
        if words[0] == "pytest":
            paths = [one for one in words[1:] if "/" in one and not _MADE.search(one)]
            missing += [f"{path.name}: {one}" for one in paths if not (ROOT / one).exists()]
    assert not missing


def parse(language: str, text: str) -> None:
    if language == "json":
        json.loads(text)
    elif language == "yaml":
        list(yaml.safe_load_all(text))
    elif language == "python":
        ast.parse(
            text if text.strip().endswith(("\n", ")", ":")) or "\n" in text.strip() else text.rstrip().rstrip(",")
        )


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_snippet_is_well_formed(path: Path) -> None:
    """A reader who copies a snippet gets no syntax error."""
    for indent, language, body in _FENCE.findall(path.read_text(encoding="utf-8")):
        text = "".join(line.removeprefix(indent) for line in body.splitlines(keepends=True))
        try:
            parse(language, text)
        except (SyntaxError, ValueError, yaml.YAMLError) as error:
            pytest.fail(f"{path.relative_to(ROOT)}: {language}: {error}\n{text}")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    """Anchors within the site are held by mkdocs itself; links of the pages beside it are not."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in _LINK.findall(text):
        if link.startswith(("https://", "mailto:", "#")):
            continue
        assert not link.startswith("http:"), f"{link}: expected https"
        assert (path.parent / link.partition("#")[0]).exists(), link
