"""`shipway release`, `promote` and `rollback` as a person meets them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from shipway.bundle.manifest import Manifest, covered_files
from shipway.bundle.store import ArtifactStore
from shipway.cli.main import main
from shipway.contract.errors import Retryable
from shipway.contract.evidence import Judgement
from shipway.contract.metrics import Slot
from shipway.contract.model import load_model
from shipway.contract.record import BundleRecord, load_record, record_path
from shipway.contract.release import Release, load_release, save_release
from shipway.contract.route import RolloutState
from shipway.delivery.ledger import Ledger
from shipway.loadtest.results import FolderResults, ObjectResults
from shipway.objects.storage import ObjectStorage
from shipway.training.registry import Registry
from tests.components.conftest import REPOSITORY
from tests.shipway.cli.project import run, serve
from tests.shipway.delivery.stack import ENVIRONMENT, Stack
from tests.shipway.loadtest.results_of import result
from tests.standins.object_store import ObjectStore


def bundle(stack: Stack, content: str, model: str = "digits") -> str:
    """Returns the digest of a bundle in the store whose only file holds `content`."""
    files = stack.root / f"files-{content}"
    files.mkdir()
    (files / "model.json").write_text(json.dumps(content))
    manifest = Manifest(model=model, service="digits.service:Digits", files=covered_files(files))
    return ArtifactStore(stack.layout.artifacts).put(files, manifest)


def release_file(stack: Stack) -> Path:
    return stack.root / "services" / "digits" / "releases" / f"{ENVIRONMENT}.yaml"


def test_release_fills_the_idle_slot(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first release goes to blue, the next beside the live one; each is in the ledger, and again is no change."""
    first, second = bundle(project, "one"), bundle(project, "two")
    assert run(monkeypatch, "release", "digits", first, "--reason", "start", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "model": "digits",
        "environment": ENVIRONMENT,
        "slot": "blue",
        "digest": first,
        "changed": True,
        "message": f"{first[7:19]} is released into blue",
        "next": f"pulumi up -s {ENVIRONMENT}",
    }
    serve(project.layout, RolloutState(live=Slot.BLUE, live_digest=first), first, "")
    assert run(monkeypatch, "release", "digits", second, "--reason", "better") == 0
    assert capsys.readouterr().out == f"{second[7:19]} is released into green\nnext: pulumi up -s {ENVIRONMENT}\n"
    release = load_release(release_file(project))
    assert release == Release(blue=first, green=second, live=Slot.BLUE, submitted_by="ada", reason="better")
    for digest, standing in ((first, "is already live in blue"), (second, "is already released into green")):
        assert run(monkeypatch, "release", "digits", digest, "--reason", "again") == 0
        assert capsys.readouterr().out == f"{digest[7:19]} {standing}; nothing was changed\n"
    entries = Ledger(project.layout.ledger).entries()
    assert [(entry.actor, entry.action, entry.reason) for entry in entries] == [
        ("ada", "released", "start"),
        ("ada", "released", "better"),
    ]


def test_release_refuses_what_is_no_bundle_of_the_model(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tag, an unknown digest, a damaged bundle, another model's and an unknown model: one line, nothing written."""
    good, foreign, damaged = bundle(project, "one"), bundle(project, "two", "flights"), bundle(project, "three")
    (ArtifactStore(project.layout.artifacts).path(damaged) / "files" / "model.json").write_text("{}")
    for model, digest, code, message in (
        ("digits", "latest", 2, "the command line: DIGEST: got 'latest', expected sha256: and 64 hexadecimal digits"),
        ("digits", good[:19], 2, "DIGEST: got 'sha256:"),
        ("digits", "sha256:" + "0" * 64, 1, "in this store, expected one of 3 digests; `shipway train` makes one"),
        ("digits", damaged, 1, "model.json: found sha256"),
        ("digits", foreign, 1, f"{foreign} is a bundle of 'flights', expected one of 'digits'"),
        ("digit", good, 1, "did you mean 'digits'?"),
    ):
        assert run(monkeypatch, "release", model, digest, "--reason", "why") == code
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert message in error
    assert not release_file(project).exists()
    assert Ledger(project.layout.ledger).entries() == []


def test_a_release_without_its_ledger_entry_is_undone(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the ledger cannot be written, the release file is as before."""
    digest = bundle(project, "one")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ledger, "append", full)
    assert run(monkeypatch, "release", "digits", digest, "--reason", "why") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not release_file(project).exists()


def test_a_release_that_is_interrupted_is_undone(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C between the release file and its ledger entry leaves neither, and says where to look."""
    digest = bundle(project, "one")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "append", interrupt)
    assert run(monkeypatch, "release", "digits", digest, "--reason", "start") == 130
    assert "the service's release file shows whether it was released" in capsys.readouterr().err
    assert not release_file(project).exists()


def test_promote_needs_what_was_released_to_be_applied(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While a release waits for `pulumi up`, a promotion would move another version: refused, naming both."""
    first, second = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    serve(project.layout, RolloutState(live=Slot.BLUE, live_digest=first), first, "")
    save_release(release_file(project), Release(blue=first, green=second, live=Slot.BLUE))
    assert run(monkeypatch, "promote", "digits", "--reason", "why") == 1
    assert capsys.readouterr().err == (
        "error: bbbbbbbbbbbb is released into green, which still holds nothing; "
        f"run `pulumi up -s {ENVIRONMENT}` first\n"
    )


def test_without_a_gateway_nothing_is_promoted(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With everything down both verbs are one line and exit code 1."""
    for verb in ("promote", "rollback"):
        patience = ["--wait-seconds", "0"] if verb == "promote" else []
        assert run(monkeypatch, verb, "digits", *patience) == 1
        assert "the gateway does not answer on its admin port" in capsys.readouterr().err


def test_promote_waits_for_a_candidate_that_still_loads(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A candidate that becomes ready within the patience is promoted; what it waits for is said once."""
    answers = iter([Retryable("b in green is not ready", 0.01)] * 3)
    done = {"action": "promoted", "message": "b takes all", "state": {"live": "green"}}

    def act(*_arguments: object) -> dict[str, object]:
        for answer in answers:
            raise answer
        return done

    monkeypatch.setattr("shipway.delivery.client.act", act)
    assert run(monkeypatch, "promote", "digits", "--wait-seconds", "5") == 0
    printed = capsys.readouterr()
    assert printed.out == "b takes all\n"
    assert printed.err == "waiting up to 5 s: b in green is not ready\n"


@pytest.mark.e2e
def test_promote_and_rollback_move_the_traffic(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both verbs move real traffic, write `live` into the release file, and say so a second time without acting."""
    for slot, letter in ((Slot.BLUE, "a"), (Slot.GREEN, "b")):
        project.start_slot(slot, letter)
    first, second = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    project.declare(blue="a", green="b")
    save_release(release_file(project), Release(blue=first, green=second, live=Slot.BLUE))
    project.start_gateway()
    controller = project.controller()
    while project.state().live is None:
        controller.tick()
    for verb, live, changed in (
        ("promote", "green", True),
        ("promote", "green", False),
        ("rollback", "blue", True),
        ("rollback", "blue", False),
    ):
        assert run(monkeypatch, verb, "digits", "--reason", "why", "--json") == 0
        result = json.loads(capsys.readouterr().out)
        assert (result["model"], result["live"], result["changed"]) == ("digits", live, changed)
        assert load_release(release_file(project)).live == live
        assert project.call().slot == live


def test_a_release_on_a_cluster_names_the_image_and_leaves_a_record(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file holds bundle and image, git the bundle's record; who submitted it cannot approve it."""
    digest, image = bundle(project, "one"), "sha256:" + "e" * 64
    stacks = project.root / "stacks"
    document = (REPOSITORY / "stacks" / "Pulumi.onprem.yaml").read_text()
    (stacks / "Pulumi.onprem.yaml").write_text(document)
    way = SimpleNamespace(served=dict, problems=dict[str, str], declared=dict)
    monkeypatch.setattr("shipway.cli.release.reach", lambda *_: way)
    monkeypatch.setattr("shipway.images.find.image_for_release", lambda *_: image)
    spec = load_model(project.root / "services" / "digits" / "model.yaml")
    FolderResults(project.layout.loadtests).put(result(digest=digest, started_at=datetime.now(UTC)))
    arguments = ["release", "digits", digest, "--reason", "start", "--from", ENVIRONMENT, "--env", "onprem"]

    def release(*more: str) -> int:
        monkeypatch.setattr("sys.argv", ["shipway", *arguments, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    assert release() == 1
    assert f"found no version of {digest}; `shipway train` registers it" in capsys.readouterr().err
    assert not release_file(project).with_name("onprem.yaml").exists()
    Registry(project.layout.registry).register(
        spec, digest, project.layout.artifacts, {"accuracy": 0.9}, {}, {"data_version": "d1"}
    )
    assert release() == 0
    written = load_release(release_file(project).with_name("onprem.yaml"))
    assert (written.blue, written.image(Slot.BLUE), list(written.load_tested)) == (digest, image, [digest])
    assert release("--approved-by", "ada") == 2
    assert "--approved-by: got 'ada', expected another person than ada, who submitted it" in capsys.readouterr().err
    # Its test is old by now, which is no reason to take it out of its slot: what was seen then stays written.
    stale = datetime.now(UTC) - timedelta(days=60)
    FolderResults(project.layout.loadtests).put(result(digest=digest, started_at=stale))
    record_path(project.root / "services" / "digits", digest).unlink()
    capsys.readouterr()
    assert release("--approved-by", "grace") == 0
    assert "what was seen of its load tests stays as it is written" in capsys.readouterr().err
    assert load_release(release_file(project).with_name("onprem.yaml")) == written
    FolderResults(project.layout.loadtests).put(result(digest=digest, started_at=datetime.now(UTC)))
    assert release("--approved-by", "grace") == 0
    assert (
        load_release(release_file(project).with_name("onprem.yaml")).load_tested[digest] > written.load_tested[digest]
    )
    record = load_record(project.root / "services" / "digits", digest)
    assert (record.data_version, dict(record.metrics), record.owner) == ("d1", {"accuracy": 0.9}, "vision")
    assert (record.submitted_by, record.approved_by, record.files) == ("ada", "grace", ("model.json",))
    # What it has passed is in git too: the next environment goes by it.
    assert [(test.profile, test.digest, test.stages) for test in record.load_tests] == [("load", digest, ())]


def test_a_release_on_a_cluster_demands_a_load_test_of_the_very_version(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: ObjectStore
) -> None:
    """None, another version's, a failed one: each is named with the command; one in the bucket is as good as a file."""
    digest, other = bundle(project, "one"), bundle(project, "two")
    document = (REPOSITORY / "stacks" / "Pulumi.onprem.yaml").read_text()
    (project.root / "stacks" / "Pulumi.onprem.yaml").write_text(document)
    way = SimpleNamespace(served=dict, problems=dict[str, str], declared=dict)
    monkeypatch.setattr("shipway.cli.release.reach", lambda *_: way)
    monkeypatch.setattr("shipway.images.find.image_for_release", lambda *_: "sha256:" + "e" * 64)
    in_bucket = ObjectResults(ObjectStorage("s3://bucket/records/loadtests"))
    monkeypatch.setattr("shipway.cli.gate.bucket_results", lambda *_: in_bucket)
    record = BundleRecord(
        digest=digest, files=("x",), data_version="d1", metrics={"auc": 1}, owner="vision", submitted_by="ada"
    )
    monkeypatch.setattr("shipway.training.records.record_of", lambda *_, **__: record)
    now, kept = datetime.now(UTC), FolderResults(project.layout.loadtests)
    path = release_file(project).with_name("onprem.yaml")

    def release() -> tuple[int, str]:
        words = ["release", "digits", digest, "--reason", "start", "--from", ENVIRONMENT, "--env", "onprem"]
        monkeypatch.setattr("sys.argv", ["shipway", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().err

    command = f"`shipway loadtest digits --digest {digest} --profile load --env {ENVIRONMENT}`"
    refusal = f"error: {digest[7:19]} may not go to onprem yet: load test load: "
    assert release() == (1, f"{refusal}there is none; {command}\n")
    kept.put(result(digest=other, started_at=now))
    assert release() == (1, f"{refusal}there is none of {digest[7:19]}, only of {other[7:19]}; {command}\n")
    kept.put(result(digest=digest, started_at=now - timedelta(hours=2), judgement=Judgement.FAIL, sentence="too slow"))
    assert release() == (1, f"{refusal}the last one says fail: too slow; {command}\n")
    assert not path.exists()
    store.answers = False
    code, said = release()
    assert code == 1
    assert "the bucket of onprem could not be asked: " in said
    store.answers = True
    in_bucket.put(result(digest=digest, started_at=now - timedelta(hours=1)))
    assert release()[0] == 0
    assert load_release(path).blue == digest
    # What is released already needs no other test.
    in_bucket.put(result(digest=digest, started_at=now, judgement=Judgement.FAIL))
    assert release()[0] == 0


def test_a_route_that_cannot_be_read_stops_a_release(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody knows which slot is live then, so none is written."""
    digest = bundle(project, "one")
    way = SimpleNamespace(served=dict, problems=lambda: {"digits": "HTTPRoute digits: torn"}, declared=dict)
    monkeypatch.setattr("shipway.cli.release.reach", lambda *_: way)
    assert run(monkeypatch, "release", "digits", digest, "--reason", "start") == 1
    assert capsys.readouterr().err == "error: which slot of digits is live is not known: HTTPRoute digits: torn\n"
    assert not release_file(project).exists()


@pytest.mark.parametrize("option", ["--from", "--approved-by"])
def test_an_option_of_a_cluster_has_no_silent_meaning_on_a_laptop(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """It is refused by its name, and nothing is written."""
    digest = bundle(project, "one")
    assert run(monkeypatch, "release", "digits", digest, "--reason", "start", option, "grace") == 2
    expected = f"the command line: {option}: got 'grace', expected no such option: {ENVIRONMENT} runs on no cluster"
    assert expected in capsys.readouterr().err
    assert not release_file(project).exists()
