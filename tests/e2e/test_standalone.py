"""A repository of one model, with nothing of this one but the two wheels: it trains, releases and is deployed."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools import environment
from tools.language_host import launchers
from tools.pins import PULUMI

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Repository:
    """The new repository, and the variables of a shell that sourced the platform's env file and then its own."""

    folder: Path
    variables: Mapping[str, str]

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """Returns what a command printed to standard output; fails with all that it said."""
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The wheels, built and installed here; `shipway new --standalone` by them, run in the platform's repository."""
    scratch = tmp_path_factory.mktemp("standalone")
    for source in (ROOT, ROOT / "packaging" / "shipway-stack"):
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(scratch / "dist")]
        subprocess.run(build, cwd=source, capture_output=True, check=True)
    venv = scratch / "churn" / ".shipway" / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(venv)]
    subprocess.run([*install, *map(str, (scratch / "dist").glob("*.whl"))], check=True, capture_output=True)
    # Everything else is this repository's, by a path alone: an editable package there stays out of reach.
    packages = Path(sysconfig.get_paths(vars={"base": str(venv), "platbase": str(venv)})["purelib"])
    (packages / "locked.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    found = environment.load(ROOT)
    pulumi = shutil.which(PULUMI.name, path=found["PATH"])
    assert pulumi
    # Its own host would do as well; this one is in this repository, and may be newer than the one that is set up.
    (scratch / "bin").mkdir()
    launchers.place(scratch / "bin", Path(sys.prefix), Path(pulumi), wanted=True)
    variables = {name: value for name, value in found.items() if name != "PYTHONPATH"} | {
        "PATH": os.pathsep.join([str(venv / "bin"), str(scratch / "bin"), found["PATH"]]),
        "VIRTUAL_ENV": str(venv),
        "PULUMI_BACKEND_URL": f"file://{scratch / 'state'}",
        "PULUMI_HOME": str(scratch / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "",
    }
    (scratch / "state").mkdir()
    made = Repository(scratch / "made", variables)
    options = ["--name", "churn", "--standalone", str(made.folder), "--platform-repository", "example/shipway"]
    made.run("shipway", "new", "--no-input", *options, cwd=ROOT)
    (made.folder / ".shipway").symlink_to(scratch / "churn" / ".shipway")
    return made


def test_nothing_of_the_platforms_checkout_is_in_reach(repository: Repository) -> None:
    """The library, the components and the policies are those of the wheels."""
    ask = "import components, policies, shipway; print(components.__file__, policies.__file__, shipway.__file__)"
    places = [Path(one) for one in repository.run("python", "-c", ask).split()]
    assert all(place.is_relative_to(repository.variables["VIRTUAL_ENV"]) for place in places), places


@pytest.mark.timeout(500)
def test_it_is_trained_released_and_deployed_from_there(repository: Repository) -> None:
    """The same verbs; its own local stack is foreseen under the policies, with the first version's slot."""
    trained = json.loads(repository.run("shipway", "train", "churn", "--json"))
    repository.run("shipway", "release", "churn", trained["digest"], "--reason", "first version")
    repository.run("pulumi", "stack", "init", "local", "--non-interactive")
    pack = ("--policy-pack", "policy-pack")
    foreseen = json.loads(repository.run("pulumi", "preview", "-s", "local", "--json", "--non-interactive", *pack))
    names = {step["urn"].rpartition("::")[2] for step in foreseen["steps"]}
    assert {"platform", "churn", "churn-blue", "churn-route"} <= names
    assert foreseen["changeSummary"].keys() == {"create"}


def test_the_platform_of_another_repository_is_refused(repository: Repository) -> None:
    """`pulumi up -s prod` from here would make a second production; it makes nothing and says where it is deployed."""
    repository.run("pulumi", "stack", "init", "prod", "--non-interactive")
    done = subprocess.run(
        ["pulumi", "preview", "-s", "prod", "--non-interactive"],
        cwd=repository.folder,
        env=repository.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "the platform's repository deploys prod" in done.stdout + done.stderr
