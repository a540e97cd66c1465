"""The ledger keeps everything, in order, and shows every damage."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shipway.contract.errors import Fatal
from shipway.contract.ledger import Entry
from shipway.delivery.ledger import Ledger


def add(ledger: Ledger, model: str = "digits", reason: str = "because") -> Entry:
    return ledger.append(
        time="t", actor="ada", action="released", model=model, digests={"released": "d"}, reason=reason
    )


def edit(path: Path, text: str) -> None:
    path.chmod(0o644)
    path.write_text(text)


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    """Each entry has the next number and the hash of the one before; a model sees its own."""
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.entries() == []
    first, second = add(ledger), add(ledger, "flights")
    assert (first.number, first.previous, second.number) == (1, "0" * 64, 2)
    assert ledger.entries() == [first, second]
    assert ledger.entries("flights") == [second]
    assert ledger.verify() == []


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    """Forty entries by eight writers at once are forty numbers in one unbroken chain."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add(Ledger(tmp_path), reason=str(number)), range(40)))
    ledger = Ledger(tmp_path)
    assert [entry.number for entry in ledger.entries()] == list(range(1, 41))
    assert {entry.reason for entry in ledger.entries()} == {str(number) for number in range(40)}
    assert ledger.verify() == []


def test_an_event_that_two_writers_have_is_entered_once(tmp_path: Path) -> None:
    """Who was stopped before its write finds the entry of who followed it; the same words later are another event."""
    ledger = Ledger(tmp_path)
    add(ledger)
    event = {"time": "t", "actor": "ada", "action": "a", "model": "digits", "digests": {}, "reason": "r"}
    first = ledger.append(**event, generation=7)
    add(ledger, "flights")
    assert ledger.append(**event, generation=7, checked=1) == first
    assert ledger.append(**event, generation=8, checked=1).number == 4
    assert ledger.append(**event, generation=8).number == 5


def test_an_edit_is_found(tmp_path: Path) -> None:
    """Changing any entry but the last breaks the chain at the one after it."""
    ledger = Ledger(tmp_path)
    for _ in range(3):
        add(ledger)
    path = tmp_path / "00000002.json"
    edit(path, json.dumps(json.loads(path.read_text()) | {"actor": "mallory"}))
    assert [line.split(": ")[0] for line in ledger.verify()] == [str(tmp_path / "00000003.json")]
    assert "the entry before it was changed" in ledger.verify()[0]


def test_a_missing_entry_is_found(tmp_path: Path) -> None:
    """A removed entry is named."""
    ledger = Ledger(tmp_path)
    for _ in range(3):
        add(ledger)
    (tmp_path / "00000002.json").unlink()
    assert ledger.verify() == [f"{tmp_path / '00000002.json'}: no such entry, expected one before 00000003.json"]


def test_a_torn_last_entry_is_named_and_nothing_is_chained_to_it(tmp_path: Path) -> None:
    """A half-written last entry is reported with its file; the ledger refuses to go on from it."""
    ledger = Ledger(tmp_path)
    add(ledger)
    path = tmp_path / "00000001.json"
    edit(path, path.read_text()[:20])
    damage = rf"the ledger is damaged; {path}: got .*expected valid JSON"
    with pytest.raises(Fatal, match=damage):
        add(ledger)
    with pytest.raises(Fatal, match=damage):
        ledger.entries()
    assert len(ledger.verify()) == 1
    assert sorted(tmp_path.iterdir()) == [path]


def test_whether_an_entry_could_be_added_is_known_before_one_is(tmp_path: Path) -> None:
    """An empty ledger and a whole one are fit and stay as they are; a damaged one, or no folder, is not."""
    folder = tmp_path / "ledger"
    ledger = Ledger(folder)
    ledger.check()
    add(ledger)
    before = sorted(path.name for path in folder.iterdir())
    ledger.check()
    assert sorted(path.name for path in folder.iterdir()) == before
    edit(folder / before[-1], "no entry")
    with pytest.raises(Fatal, match="the ledger is damaged"):
        ledger.check()
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        Ledger(tmp_path / "file").check()
