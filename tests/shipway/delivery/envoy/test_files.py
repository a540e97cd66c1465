"""Writing Envoy's files against an Envoy that accepts, refuses, or says nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.contract.documents import write_atomic
from shipway.contract.errors import Retryable
from shipway.delivery.envoy.admin import Admin, Report
from shipway.delivery.envoy.configuration import Document
from shipway.delivery.envoy.files import EnvoyFiles
from shipway.delivery.target import Rejected
from tests.e2e.machine import free_port

GOOD, BETTER, BAD = (Document(v, json.dumps({"version_info": v})) for v in ("good", "better", "bad"))


class FakeEnvoy:
    """Accepts what is in the folder at each look, unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.accepted, self.refused, self.silent = (
            folder,
            dict.fromkeys(("cds", "lds", "rds"), ""),
            0,
            False,
        )

    def report(self) -> Report:
        for kind in self.accepted:
            path = self.folder / "dynamic" / f"{kind}.json"
            version = json.loads(path.read_text())["version_info"] if path.exists() else ""
            if version == "bad":
                self.refused += 1
            elif not self.silent:
                self.accepted[kind] = version
        return Report(dict(self.accepted), dict.fromkeys(self.accepted, self.refused), 0, frozenset())


@pytest.fixture
def envoy(tmp_path: Path) -> FakeEnvoy:
    return FakeEnvoy(tmp_path)


def writer(envoy: FakeEnvoy) -> EnvoyFiles:
    """Returns the files with a clock that moves by a second at each look."""
    seconds = iter(range(1_000))
    clock: Callable[[], float] = lambda: float(next(seconds))  # noqa: E731
    return EnvoyFiles(envoy.folder, envoy.report, clock, lambda _: None)


def served(envoy: FakeEnvoy, kind: str = "rds") -> str:
    return (envoy.folder / "dynamic" / f"{kind}.json").read_text()


def no_copies(path: Path, text: str, mode: int = 0o644, **_: bool) -> None:
    """Writes a file, unless it is a copy of what was confirmed: for those the disk is full."""
    if path.parent.name == "confirmed":
        raise OSError(28, "No space left on device")
    write_atomic(path, text, mode)


def test_an_accepted_file_stays(envoy: FakeEnvoy) -> None:
    """What Envoy confirms is in place, and a copy of it lies beside."""
    files = writer(envoy)
    files.apply([("cds", GOOD), ("rds", GOOD)])
    assert served(envoy) == GOOD.text
    assert (envoy.folder / "confirmed" / "rds.json").read_text() == GOOD.text
    before = (envoy.folder / "dynamic" / "rds.json").stat().st_mtime_ns
    files.apply([("cds", GOOD), ("rds", GOOD)])
    assert (envoy.folder / "dynamic" / "rds.json").stat().st_mtime_ns == before, "the same again writes nothing"


def test_a_refused_file_takes_those_written_with_it_back(envoy: FakeEnvoy) -> None:
    """When the second of two files is refused the first is undone as well."""
    writer(envoy).apply([("cds", GOOD), ("rds", GOOD)])
    with pytest.raises(Rejected, match=r"the gateway refused .*rds\.json; the last good one is back in place, "):
        writer(envoy).apply([("cds", BETTER), ("rds", BAD)])
    assert (served(envoy, "cds"), served(envoy, "rds")) == (GOOD.text, GOOD.text)


def test_a_copy_that_cannot_be_kept_undoes_nothing(envoy: FakeEnvoy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the gateway accepted is served; the copy is reported missing and written by the next round."""
    files = writer(envoy)
    files.apply([("rds", GOOD)])

    with monkeypatch.context() as patched:
        patched.setattr("shipway.delivery.envoy.files.write_atomic", no_copies)
        files.apply([("rds", BETTER)])
        assert served(envoy) == BETTER.text
        assert files.not_kept == f"{envoy.folder}/confirmed/rds.json: cannot be written (No space left on device)"
    files.apply([("rds", BETTER)])
    assert files.not_kept == ""
    assert (envoy.folder / "confirmed" / "rds.json").read_text() == BETTER.text


def test_what_is_served_is_put_back_and_not_an_older_copy(envoy: FakeEnvoy, monkeypatch: pytest.MonkeyPatch) -> None:
    """While copies cannot be written, a refused file goes back to what the gateway accepted last."""
    files = writer(envoy)
    files.apply([("rds", GOOD)])

    monkeypatch.setattr("shipway.delivery.envoy.files.write_atomic", no_copies)
    files.apply([("rds", BETTER)])
    with pytest.raises(Rejected):
        files.apply([("rds", BAD)])
    assert served(envoy) == BETTER.text


def test_silence_is_no_acceptance(envoy: FakeEnvoy) -> None:
    """A file that Envoy neither accepts nor refuses in time is taken back, and may be tried again."""
    writer(envoy).apply([("rds", GOOD)])
    envoy.silent = True
    with pytest.raises(Retryable, match=r"neither accepted nor refused rds\.json within 3 s") as caught:
        writer(envoy).apply([("rds", BETTER)])
    assert caught.value.after_seconds == 3
    assert served(envoy) == GOOD.text


def test_a_folder_that_cannot_be_written_changes_nothing(envoy: FakeEnvoy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is one sentence, and the file is the old one."""
    writer(envoy).apply([("rds", GOOD)])

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shipway.delivery.envoy.files.write_atomic", full)
    with pytest.raises(Retryable, match=r"cannot write in .* \(No space left on device\); nothing was changed"):
        writer(envoy).apply([("rds", BETTER)])
    assert served(envoy) == GOOD.text


def test_an_admin_port_nobody_listens_on() -> None:
    """A gateway that is down is one sentence naming its port, and worth another try."""
    port = free_port()
    with pytest.raises(Retryable, match=f"the gateway does not answer on its admin port {port}"):
        Admin(port).read()
