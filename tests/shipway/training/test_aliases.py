"""The registry's aliases follow the ledger, in a real registry on SQLite."""

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.model import ModelSpec
from shipway.delivery.ledger import Ledger
from shipway.training.__main__ import main
from shipway.training.aliases import bring_up_to_date, roles
from shipway.training.follow import Follower, bring_aliases
from shipway.training.pipeline import Training
from shipway.training.registry import Registry

MODEL = "toy-train"
STACK = """
config:
  shipway:environment:
    {name: local, tier: local, target: local, ports: {base: 20000}, cpu_pool: {cpu_millicores: 1, memory_mib: 1}}
"""


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


@pytest.fixture
def spec(job: Training) -> ModelSpec:
    return job.spec


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with its tables, which take seconds to make."""
    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    Registry(path)
    return path


@pytest.fixture
def layout(tmp_path: Path, empty: Path, spec: ModelSpec) -> LocalLayout:
    """A stack whose registry knows the digests 1, 2 and 3 as versions of one model."""
    found = LocalLayout(tmp_path, "local")
    found.registry.parent.mkdir(parents=True)
    shutil.copy(empty, found.registry)
    registry = Registry(found.registry)
    for number in (1, 2, 3):
        registry.register(spec, digest(number), tmp_path, {}, {}, {})
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.local.yaml").write_text(STACK)
    return found


def enter(layout: LocalLayout, generation: int | None, model: str = MODEL, **digests: int) -> None:
    """Writes what delivery writes after a transition, or what a release writes, which changes no route."""
    Ledger(layout.ledger).append(
        time="t",
        actor="delivery",
        action="moved",
        model=model,
        digests={role: digest(number) for role, number in digests.items()},
        reason="of the tests",
        generation=generation,
    )


def aliases(layout: LocalLayout) -> dict[str, str]:
    uri = f"sqlite:///{layout.registry}"
    client: Any = MlflowClient(tracking_uri=uri, registry_uri=uri)
    return {name: str(version) for name, version in client.get_registered_model(MODEL).aliases.items()}


def test_the_aliases_are_the_roles_of_the_last_transition(layout: LocalLayout) -> None:
    """A rollout from its candidate to its promotion and back, after each of which a second call changes nothing."""
    said: list[str] = []
    for generation, (digests, expected) in enumerate(
        (
            ({"live": 1}, {"champion": "1"}),
            ({"live": 1, "candidate": 2}, {"champion": "1", "challenger": "2"}),
            ({"live": 2, "previous": 1}, {"champion": "2", "previous": "1"}),
            ({"live": 1}, {"champion": "1"}),
            ({}, {}),
        ),
        1,
    ):
        enter(layout, generation, **digests)
        assert bring_up_to_date(layout, said.append) > 0
        assert aliases(layout) == expected
        assert bring_up_to_date(layout, said.append) == 0
    assert said == []


def test_what_changes_no_route_changes_no_alias(layout: LocalLayout) -> None:
    """A release says what is to come: its entry has no generation, and roles that are not served have no alias."""
    enter(layout, 1, live=1)
    enter(layout, None, released=2)
    enter(layout, None, live=3)
    enter(layout, 1, model="another", live=3, unheard_of=2)
    assert roles(layout.ledger) == {MODEL: {"live": digest(1)}, "another": {"live": digest(3)}}


def test_a_digest_the_registry_does_not_know_is_reported(layout: LocalLayout) -> None:
    """No version is invented, and the alias does not go on naming another one; a whole model may be unknown."""
    said: list[str] = []
    enter(layout, 1, live=1, candidate=2)
    bring_up_to_date(layout, said.append)
    enter(layout, 2, live=9, previous=1)
    enter(layout, 1, model="stranger", live=3)
    bring_up_to_date(layout, said.append)
    assert aliases(layout) == {"previous": "1"}
    assert said == [
        "stranger: the registry has no version of 000000000000, so none is its champion",
        "toy-train: the registry has no version of 000000000000, so none is its champion",
    ]


def test_an_alias_of_somebody_else_stays(layout: LocalLayout) -> None:
    """Only the three are Shipway's."""
    uri = f"sqlite:///{layout.registry}"
    MlflowClient(tracking_uri=uri, registry_uri=uri).set_registered_model_alias(MODEL, "favourite", "3")
    enter(layout, 1, live=1)
    assert bring_up_to_date(layout, print) == 1
    assert aliases(layout) == {"champion": "1", "favourite": "3"}


def test_a_damaged_entry_and_a_missing_registry_are_errors(layout: LocalLayout, tmp_path: Path) -> None:
    """Each is one sentence with the file; an alias that might be wrong is not written, no registry is made."""
    assert bring_up_to_date(LocalLayout(tmp_path, "fresh"), print) == 0
    enter(layout, 1, live=1)
    layout.registry.rename(tmp_path / "away")
    with pytest.raises(ShipwayError) as caught:
        bring_up_to_date(layout, print)
    assert str(caught.value) == f"{layout.registry}: no registry, expected the one that training writes"
    assert not layout.registry.exists()
    path = layout.ledger / "00000002.json"
    path.write_text('{"model": 3, "digests": {}}')
    with pytest.raises(SpecError) as wrong:
        bring_up_to_date(layout, print)
    assert str(wrong.value) == f"{path}: number: got 'nothing', expected a value: this key is required"


def test_one_process_brings_them_up_to_date_and_reports(layout: LocalLayout) -> None:
    """What the follower starts is `python -m shipway.training aliases`; its report and its error come back."""
    said: list[str] = []
    enter(layout, 1, live=9, previous=1)
    assert bring_aliases(layout, said.append) == ""
    assert aliases(layout) == {"previous": "1"}
    assert said == ["toy-train: the registry has no version of 000000000000, so none is its champion"]
    layout.registry.unlink()
    assert (
        bring_aliases(layout, said.append) == f"{layout.registry}: no registry, expected the one that training writes"
    )


class Script:
    """A ledger and an attempt whose results are written down."""

    def __init__(self, *problems: str) -> None:
        self.head, self.tries, self.said, self._problems = 0, 0, list[str](), list(problems)
        self.follower = Follower(lambda: self.head, self.bring, self.said.append)

    def bring(self) -> str:
        self.tries += 1
        return self._problems.pop(0) if self._problems else ""


def test_the_follower_acts_once_for_new_entries() -> None:
    """Not before the first entry, once after each change however many entries it has, also for those of before."""
    script = Script()
    assert not script.follower.round(0.0)
    script.head = 3
    assert [script.follower.round(1.0), script.follower.round(2.0)] == [True, False]
    script.head = 5
    assert [script.follower.round(3.0), script.follower.round(4.0), script.tries] == [True, False, 2]
    assert script.said == []


def test_the_follower_tries_again_less_and_less_often() -> None:
    """After 2 s, 4 s and so on, at least every five minutes; one line for a reason, one when it works again."""
    script = Script(*["no registry"] * 12)
    script.head = 1
    tried: list[int] = []
    for second in range(3000):
        before = script.tries
        script.follower.round(float(second))
        tried += [second] if script.tries > before else []
    waits = [after - before for before, after in pairwise(tried)]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    assert script.said == [
        "the aliases do not follow the ledger, trying again: no registry",
        "the aliases follow the ledger again",
    ]


def test_the_follower_is_small() -> None:
    """What stays resident imports nothing of science or MLflow, and takes less than 40 MiB."""
    program = (
        "import sys, shipway.training.__main__, shipway.training.follow;"
        "heavy = {'numpy', 'pandas', 'mlflow', 'sqlalchemy', 'pyarrow', 'sklearn', 'filelock'};"
        "print(sorted(heavy & set(sys.modules)));"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmRSS')).split()[1])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy, resident_kib = done.stdout.splitlines()
    assert heavy == "[]"
    assert int(resident_kib) < 40 * 1024


def test_an_unknown_environment_is_one_line(layout: LocalLayout, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither verb polls a folder that will never be there."""
    for verb in ("follow", "aliases"):
        assert main([verb, "--root", str(layout.root), "--env", "lokal"]) == 1
        assert "expected one of the environments local" in capsys.readouterr().err
