"""What `make up` and `make down` decide before, and between, the programs they start."""

import json
import shlex
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import pytest

from components.local.providers.rpc import wait_until
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.layout import PROCESS_MARKER, LocalLayout
from shipway.contract.release import Release, load_release, release_path, save_release
from shipway.delivery.ledger import Ledger
from tools import disk, down, ports, processes, up
from tools.errors import CommandError, DiskError

Program = Callable[[str, str], Path]
DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"


@pytest.fixture
def checkout(tmp_path: Path, root: Path) -> Path:
    """A project with one service and the local environment, set up as far as a test needs it."""
    shutil.copytree(root / "stacks", tmp_path / "stacks", ignore=shutil.ignore_patterns("__pycache__"))
    source = root / "services" / "flight_delay"
    service = tmp_path / "services" / "flight_delay"
    (service / "tests").mkdir(parents=True)
    shutil.copy(source / "model.yaml", service)
    for name in ("request.json", "request.headers"):
        shutil.copy(source / "tests" / name, service / "tests")
    return tmp_path


@pytest.fixture
def layout(checkout: Path) -> LocalLayout:
    """The local stack of that project."""
    return LocalLayout(checkout, "local")


@pytest.fixture
def service(checkout: Path) -> Path:
    """The folder of its service."""
    return checkout / "services" / "flight_delay"


@pytest.fixture
def calls(program: Program, tmp_path: Path) -> Callable[[], list[str]]:
    """A `shipway` command that notes what it is asked, and whose `train` gives a digest."""
    log = tmp_path / "calls"
    program("shipway", f'echo "$@" >> {log}; test "$1" = train && echo \'{{"digest": "{DIGEST}"}}\'; exit 0')
    return lambda: log.read_text(encoding="utf-8").splitlines() if log.exists() else []


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Variables that find that command."""
    return {"PATH": f"{tmp_path / 'path'}:/usr/bin:/bin"}


def store(layout: LocalLayout, digest: str) -> None:
    """Puts a folder where the bundle `digest` would lie."""
    (layout.artifacts / digest.replace(":", "/")).mkdir(parents=True)


def test_a_model_without_a_release_gets_its_newest_bundle(
    layout: LocalLayout, service: Path, calls: Callable[[], list[str]], variables: dict[str, str]
) -> None:
    """Training is asked to train only what is missing, and its digest is released with a reason."""
    up.release(service, layout, variables)
    assert calls() == [
        "train flight-delay --env local --if-missing --json",
        f"release flight-delay {DIGEST} --env local --reason make up",
    ]


def test_a_stack_comes_up_again_with_what_was_live(
    layout: LocalLayout, service: Path, calls: Callable[[], list[str]], variables: dict[str, str]
) -> None:
    """After a rollback the ledger's last live version is released, not the newer one that was taken back."""
    store(layout, DIGEST)
    store(layout, OTHER)
    for action, roles in (("promoted", {"live": DIGEST}), ("rolled_back", {"live": OTHER, "candidate": DIGEST})):
        Ledger(layout.ledger).append(
            time="2013-05-01T00:00:00+00:00",
            actor="ada",
            action=action,
            model="flight-delay",
            digests=roles,
            reason="errors",
        )
    up.release(service, layout, variables)
    assert calls() == [f"release flight-delay {OTHER} --env local --reason make up"]


def test_a_release_whose_bundle_is_there_is_kept(
    layout: LocalLayout, service: Path, calls: Callable[[], list[str]], variables: dict[str, str]
) -> None:
    """A second `make up` neither trains nor releases, and leaves the file as it is."""
    given = Release(blue=OTHER, green=DIGEST)
    save_release(release_path(service, "local"), given)
    store(layout, DIGEST)
    up.release(service, layout, variables)
    assert calls() == []
    assert load_release(release_path(service, "local")) == given


def test_a_release_whose_bundles_are_gone_is_made_anew(
    layout: LocalLayout,
    service: Path,
    calls: Callable[[], list[str]],
    variables: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After .shipway/ was removed, a leftover release file does not stop `make up`, which says what it does."""
    save_release(release_path(service, "local"), Release(blue=OTHER))
    up.release(service, layout, variables)
    assert [call.split()[0] for call in calls()] == ["train", "release"]
    assert "local.yaml names bbbbbbbbbbbb, whose bundle is gone; releasing anew" in capsys.readouterr().err


def test_a_training_that_fails_ends_it(
    layout: LocalLayout, service: Path, program: Program, variables: dict[str, str]
) -> None:
    """Nothing is released after a training that failed; the error names the command."""
    program("shipway", 'test "$1" = train && exit 4; touch released')
    with pytest.raises(CommandError, match=r"`shipway train flight-delay .*` ended with status 4"):
        up.release(service, layout, variables)
    assert not (layout.root / "released").exists()


@pytest.fixture
def running(layout: LocalLayout) -> Generator[subprocess.Popen[bytes]]:
    """A process of that stack, with the files that it and its like write again when they are removed."""
    served = layout.served_routes
    served.parent.mkdir(parents=True)
    served.touch()
    environ = {PROCESS_MARKER: str(layout.state)}
    with subprocess.Popen(["/bin/sleep", "600"], env=environ) as process:
        # Its variables can be read a moment after it was started.
        assert wait_until(lambda: bool(processes.marked(layout.state)), 10)
        yield process
        process.kill()


def test_a_stack_that_lost_its_files_is_ended_first(
    layout: LocalLayout, running: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """After `rm -rf .shipway/local` nothing of the old stack writes among the new one's files, or says what is live."""
    up.end_robbed(layout)
    assert running.wait(timeout=5) == -signal.SIGTERM
    assert not layout.envoy.exists()
    assert "the files of the running stack local are gone; ending its processes" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["supervisor", "routes"])
def test_a_stack_that_has_its_files_goes_on(layout: LocalLayout, running: subprocess.Popen[bytes], folder: str) -> None:
    """A second `make up` ends no process and keeps what is live."""
    (layout.state / folder).mkdir()
    up.end_robbed(layout)
    assert running.poll() is None
    assert layout.served_routes.exists()


def test_an_unknown_environment_is_said(checkout: Path) -> None:
    """`make up ENV=typo` names the environments that there are."""
    with pytest.raises(
        SpecError, match=r"Pulumi\.typo\.yaml: got 'no such file', expected one of the environments .*local"
    ):
        up.bring_up(checkout, "typo")


def test_a_full_disk_is_said_before_anything_is_made(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room names the stack, what it needs and what is free, and nothing has been made."""
    monkeypatch.setattr(ports, "require_free", lambda *_: None)
    monkeypatch.setattr(disk, "free_mib", lambda _: 100)
    with pytest.raises(
        DiskError, match=r"the stack local needs 500 MiB below .*, and 100 MiB are free: make room for 400"
    ):
        up.bring_up(checkout, "local")
    assert not (checkout / ".shipway").exists()


@pytest.mark.parametrize("verb", [up.bring_up, down.take_down], ids=["up", "down"])
def test_an_environment_elsewhere_is_refused(checkout: Path, verb: Callable[[Path, str], None]) -> None:
    """Neither verb touches an environment whose target is not this machine."""
    pretend_set_up(checkout)
    with pytest.raises(SpecError, match=r"Pulumi\.prod\.yaml: target: got 'aws', expected local"):
        verb(checkout, "prod")


def test_down_before_set_up_is_fine(checkout: Path, layout: LocalLayout, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing was set up there is nothing to destroy; the sockets of a killed run go all the same."""
    layout.sockets.mkdir()
    down.take_down(checkout, "local")
    assert not layout.sockets.exists()
    assert "stack local is gone" in capsys.readouterr().err


def test_a_model_that_never_answers_is_said(
    service: Path, layout: LocalLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the deadline the error has the model, the address, the last failure, and where to look."""
    monkeypatch.setattr(up, "ANSWER_DEADLINE_SECONDS", 0.2)
    expected = (
        r"flight-delay gave no answer within 0 s; the last try at http://127\.0\.0\.1:1/flight-delay/predict: "
        r".*refused.*\. `shipway status flight-delay` says what is down; logs are in .*logs"
    )
    with pytest.raises(ShipwayError, match=expected):
        up.await_answer(service, "http://127.0.0.1:1", layout)


@pytest.mark.parametrize(("published", "calls_expected"), [(3, True), (4, False)], ids=["not all", "all"])
def test_features_are_published_once(
    layout: LocalLayout,
    service: Path,
    calls: Callable[[], list[str]],
    variables: dict[str, str],
    published: int,
    calls_expected: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first `make up`, and one after a replay that was interrupted, sends one request of the service's traffic."""
    (service / "traffic.py").touch()
    layout.features.mkdir(parents=True)
    with closing(sqlite3.connect(layout.features / "online.db")) as database, database:
        views = ("aircraft_v1", "aircraft_arrival_v1", "carrier_origin_v1", "origin_weather_v1")
        for number, view in enumerate(views):
            database.execute(f"create table shipway_{view} (value blob)")
            database.executemany(f"insert into shipway_{view} values (?)", [("x",)] * (number < published))
    up.publish_first(service, layout, variables)
    assert calls() == ["replay flight-delay --requests 1 --rate 1 --env local"] * calls_expected
    assert ("publishing the first features" in capsys.readouterr().err) is calls_expected


def test_a_service_without_traffic_of_its_own_is_left_alone(
    layout: LocalLayout, service: Path, calls: Callable[[], list[str]], variables: dict[str, str]
) -> None:
    """Where nobody says what the features were, nothing is sent."""
    up.publish_first(service, layout, variables)
    assert calls() == []


def test_features_that_cannot_be_published_are_said(
    layout: LocalLayout, service: Path, program: Program, variables: dict[str, str]
) -> None:
    """The error names the command to repeat."""
    (service / "traffic.py").touch()
    program("shipway", "exit 3")
    with pytest.raises(CommandError, match=r"`shipway replay flight-delay .*` ended with status 3"):
        up.publish_first(service, layout, variables)


def test_the_shown_request_can_be_repeated(
    service: Path, checkout: Path, program: Program, only_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The printed curl carries the time at which the request was asked, and its answer follows."""
    program("curl", 'echo "$#" arguments')
    up.show(service, "http://127.0.0.1:1", checkout)
    command, answer = capfd.readouterr().out.splitlines()
    assert shlex.split(command) == [
        *("$", "curl", "-s", "http://127.0.0.1:1/flight-delay/predict"),
        *("-H", "content-type: application/json", "-H", "x-event-time: 2013-05-01T03:59:00-04:00"),
        *("-d", "@services/flight_delay/tests/request.json"),
    ]
    assert answer == "8 arguments"


@pytest.mark.parametrize(("name", "option"), [("local", ""), ("mine", " --env mine")])
def test_what_to_do_next_is_said(name: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The last lines are commands for the environment that was brought up."""
    up.hint("digits", name)
    said = capsys.readouterr().err
    assert f"source .shipway/env; shipway status{option}\n" in said
    assert f"shipway replay digits --requests 500 --rate 50{option}\n" in said
    assert said.endswith("make down\n" if name == "local" else "make down ENV=mine\n")


def pretend_set_up(checkout: Path) -> None:
    """Leaves what tells `make down` that the checkout was set up."""
    (checkout / ".shipway" / "venv" / "bin").mkdir(parents=True)
    (checkout / ".shipway" / "venv" / "bin" / "python").touch()
    (checkout / ".shipway" / "env").touch()


def test_every_service_has_a_request_to_show(root: Path) -> None:
    """Each service carries an example request, whole and in JSON: it is how `make up` knows that a model answers."""
    for model in sorted((root / "services").glob("*/model.yaml")):
        body = json.loads(up.request_path(model.parent).read_text(encoding="utf-8"))
        assert body["rows"], model
        assert set(up.request_headers(model.parent)) <= {"content-type", "x-event-time"}, model
