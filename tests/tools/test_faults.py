"""The table of faults: what is known is not done again, and what was never reached is no pass."""

from pathlib import Path

from tools.faults import Results, summary, tree_hash

PASSED = {"problems": [], "notes": {}}


def test_results_are_known_again(tmp_path: Path) -> None:
    """A later run knows the results of the same sources, not those of others; a torn last line is passed over."""
    path = tmp_path / "faults" / "results.jsonl"
    Results(path, "this").add("F1", 3, PASSED)
    Results(path, "other").add("F1", 4, PASSED)
    with path.open("a") as stream:
        stream.write('{"tree": "this", "fau')
    assert list(Results(path, "this").known) == [("F1", 3)]


def test_the_hash_follows_content_and_name(tmp_path: Path) -> None:
    """A changed or a renamed source is another tree."""
    source = tmp_path / "shipway" / "one.py"
    source.parent.mkdir()
    source.write_text("a")
    first = tree_hash(tmp_path, ["shipway"])
    source.write_text("b")
    second = tree_hash(tmp_path, ["shipway"])
    source.rename(source.with_name("two.py"))
    assert len({first, second, tree_hash(tmp_path, ["shipway"])}) == 3


def test_the_table_counts_and_names() -> None:
    """A line says how many runs were as they must be, and what the first other one was about."""
    failed = {"problems": ["it is rolled back"], "notes": {}, "seed": 7}
    line, well = summary("F1", "candidate fails", [PASSED, failed])
    assert not well
    assert line.split(maxsplit=3)[3].endswith("1 of 2   seed 7: it is rolled back")


def test_a_part_that_was_never_reached_is_no_pass() -> None:
    """Where a fault has parts, each must have been reached by some seed, as soon as there are seeds enough for all."""
    one = {"problems": [], "notes": {"part": "before", "parts": ["before", "after"]}}
    other = {"problems": [], "notes": {"part": "after", "parts": ["before", "after"]}}
    assert summary("F11", "killed", [one]) == (f"F11  {'killed':<40}   1 of 1   never reached: after", True)
    assert not summary("F11", "killed", [one, one])[1]
    assert summary("F11", "killed", [one, other])[1]
