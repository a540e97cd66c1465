"""`shipway carry` as a person meets it."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shipway.cli.main import main
from shipway.contract.layout import LocalLayout
from shipway.contract.loadtest import LoadTestResult
from shipway.contract.metrics import Slot
from shipway.contract.record import BundleRecord, load_record, save_record
from shipway.contract.release import Release, load_release, release_path, save_release
from shipway.loadtest.results import FolderResults
from tests.components.conftest import REPOSITORY
from tests.shipway.cli.project import MODEL
from tests.shipway.loadtest.results_of import result

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
IMAGE = "sha256:" + "1" * 64


RECORD = BundleRecord(
    digest=NEW, files=("a",), data_version="1", metrics={"accuracy": 0.9}, owner="vision", submitted_by="ada"
)


def passed(days_ago: float = 1) -> LoadTestResult:
    """Returns what a release leaves in git of a load test."""
    return result(digest=NEW, started_at=datetime.now(UTC) - timedelta(days=days_ago), stages=())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The service `digits` of a project with this repository's environments; staging proved a version."""
    shutil.copytree(REPOSITORY / "stacks", tmp_path / "stacks")
    (tmp_path / "Pulumi.yaml").write_text("name: shipway\n")
    service = tmp_path / "services" / "digits"
    service.mkdir(parents=True)
    (service / "model.yaml").write_text(MODEL)
    save_release(release_path(service, "staging"), Release(green=NEW, live=Slot.GREEN, images={NEW: IMAGE}))
    save_record(service, RECORD.model_copy(update={"load_tests": (passed(),)}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHIPWAY_ACTOR", "grace")
    return service


def carry(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr("sys.argv", ["shipway", "carry", "digits", "--reason", "proved", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_digest_is_copied_and_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same bundle and the same image stand in the slot that is not live; again is no change; who agreed is kept."""
    save_release(release_path(folder, "prod"), Release(blue=OLD, live=Slot.BLUE, images={OLD: IMAGE}))
    before = release_path(folder, "staging").read_bytes()
    options = ["--from", "staging", "--to", "prod", "--offline", "--approved-by", "grace", "--json"]
    assert carry(monkeypatch, *options) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["digest"] == NEW
    assert said["slot"] == "green"
    assert said["next"] == "pulumi up -s prod"
    written = release_path(folder, "prod").read_bytes()
    release = load_release(release_path(folder, "prod"))
    # When its load tests were seen; the old version was carried before that was written down.
    assert list(release.load_tested) == [NEW]
    assert release.model_copy(update={"load_tested": {}}) == Release(
        blue=OLD, green=NEW, live=Slot.BLUE, submitted_by="grace", reason="proved", images={OLD: IMAGE, NEW: IMAGE}
    )
    assert load_record(folder, NEW).approved_by == "grace"
    assert carry(monkeypatch, *options) == 0
    assert json.loads(capsys.readouterr().out)["changed"] is False
    assert release_path(folder, "prod").read_bytes() == written
    assert release_path(folder, "staging").read_bytes() == before


def test_a_version_is_carried_with_its_load_test_or_not_at_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What git says of it is enough while it is fresh; a new test, kept here, is written into git with it."""
    options = ["--from", "staging", "--to", "prod", "--offline"]
    command = f"`shipway loadtest digits --digest {NEW} --profile load`"
    for tests, why in (((), "there is none"), ((passed(31),), "the last one is 31.0 days old, expected at most 30")):
        save_record(folder, RECORD.model_copy(update={"load_tests": tests}))
        assert carry(monkeypatch, *options) == 1
        expected = f"error: {NEW[7:19]} may not go to prod yet: load test load: {why}; {command}\n"
        assert capsys.readouterr().err == expected
        assert not release_path(folder, "prod").exists()
    FolderResults(LocalLayout(folder.parents[1], "local").loadtests).put(passed())
    assert carry(monkeypatch, *options) == 0
    [kept] = load_record(folder, NEW).load_tests
    assert (kept.digest, kept.stages) == (NEW, ())


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--from", "staging", "--to", "staging"], 2, "--to: got 'staging', expected another environment than --from"),
        (["--from", "local", "--to", "prod"], 2, "expected --from an environment on a cluster; here `shipway release`"),
        (["--from", "staging", "--to", "local"], 2, "expected --to an environment on a cluster"),
        (["--from", "stagign", "--to", "prod"], 2, "one of the environments"),
        (["--from", "dev", "--to", "prod"], 1, "digits in dev: nothing is released there"),
        (["--from", "staging", "--to", "prod", "--digest", "latest"], 2, "--digest: got 'latest'"),
        (["--from", "staging", "--to", "prod", "--digest", OLD], 1, "aaaaaaaaaaaa is not released there"),
        (["--from", "staging", "--to", "prod", "--approved-by", "ada"], 2, "expected another person than ada"),
    ],
)
def test_what_cannot_be_carried_writes_nothing(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    message: str,
) -> None:
    """One line, and the next environment's file is not there."""
    assert carry(monkeypatch, *options, "--offline") == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not release_path(folder, "prod").exists()


def test_a_version_without_image_or_record_is_not_carried(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could not run there is refused here; nothing is built in its place."""
    save_release(release_path(folder, "staging"), Release(green=NEW))
    assert carry(monkeypatch, "--from", "staging", "--to", "prod", "--offline") == 1
    assert "bbbbbbbbbbbb has no image in staging's release file" in capsys.readouterr().err
    save_release(release_path(folder, "staging"), Release(green=NEW, images={NEW: IMAGE}))
    (folder / "releases" / "bundles" / f"{'b' * 12}.yaml").unlink()
    assert carry(monkeypatch, "--from", "staging", "--to", "prod", "--offline") == 2
    assert "expected the bundle's record" in capsys.readouterr().err
    assert not release_path(folder, "prod").exists()


def test_without_a_cluster_nothing_is_taken_for_proved(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Where the route cannot be asked, the version is not proved, and the error says how to ask."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert carry(monkeypatch, "--from", "staging", "--to", "prod") == 2
    assert "a kubeconfig: there is none" in capsys.readouterr().err
    assert not release_path(folder, "prod").exists()
