"""A page's console blocks are read as they are meant, and held to what was printed."""

import pytest

from tools.transcript import Shown, blocks, commands, prints_again, rewritten

PAGE = """# A page

```console
$ make up
...
done in 12.5 s
$ curl -d @a.json \\
> http://127.0.0.1:8080/x    # asks
{"id": "0123456789abcdef"}
```

Between.

1. In a list:

    ```console
    $ shipway status    # how it is
    ```

```text
$ not a command
```
"""


def test_commands_are_read_with_their_continued_lines_and_without_remarks() -> None:
    """A fence in a list counts, a fence of another language does not."""
    assert commands(PAGE) == ["make up", "curl -d @a.json \\\nhttp://127.0.0.1:8080/x", "shipway status"]


def test_output_belongs_to_the_command_above_it() -> None:
    """The lines below a command are what it printed."""
    first, _ = blocks(PAGE)
    assert [one.output for one in first.shown] == [("...", "done in 12.5 s"), ('{"id": "0123456789abcdef"}',)]


@pytest.mark.parametrize(
    ("expected", "got", "again"),
    [
        (["took 12.5 s"], ["took 9 s"], True),
        (["took 12.5 s"], ["needed 12.5 s"], False),
        (["digest 0123456789ab  5 %"], ["digest ba9876543210    100 %"], True),
        (["...", "ready"], ["one", "two", "ready"], True),
        (["...", "ready"], ["one", "two"], False),
        (["ready", "..."], ["ready"], True),
        (["...", "ready"], ["ready"], True),
        (["one", "...", "three"], ["one", "three"], True),
        (["one", "...", "three"], ["one", "two"], False),
        (["waits: ..."], ["waits: for evidence"], True),
        (["phase stepping"], ["phase paused"], False),
        ([], ["error: no such file"], False),
        (["one"], [], False),
    ],
)
def test_numbers_and_digests_may_differ_and_words_may_not(expected: list[str], got: list[str], again: bool) -> None:
    """What two runs have in common is what a page promises."""
    assert prints_again(expected, got) is again


def test_a_page_is_rewritten_where_its_outputs_stand_and_nowhere_else() -> None:
    """Prose, other fences and commands stay; a second reading finds what was put in."""
    outputs = [[["up"], ["answer"]], [["fine"]]]
    told = rewritten(PAGE, outputs)
    assert [[one.output for one in block.shown] for block in blocks(told)] == [[("up",), ("answer",)], [("fine",)]]
    assert commands(told) == commands(PAGE)
    assert rewritten(told, [[one.output for one in block.shown] for block in blocks(told)]) == told
    assert "Between.\n" in told
    assert "$ not a command" in told


def test_a_block_without_commands_shows_none() -> None:
    """Output alone is of no command."""
    [block] = blocks("```console\nonly output\n```\n")
    assert block.shown == ()
    assert Shown("a", ()).output == ()
