"""The file to source."""

import json
import subprocess
from pathlib import Path

import pytest

from shipway.contract.errors import ShipwayError
from tools import environment


def sourced(root: Path, variables: dict[str, str], *, own_pulumi: bool = True) -> dict[str, str]:
    """Returns the variables after the file was written for, and sourced twice in, an environment."""
    path = environment.env_file(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(environment.render(root, variables, own_pulumi=own_pulumi), encoding="utf-8")
    script = '. "$0" && . "$0" && env -0'
    variables = {"PATH": "/usr/bin:/bin"} | variables
    printed = subprocess.run(["sh", "-euc", script, path], env=variables, capture_output=True, text=True, check=True)
    return dict(entry.split("=", 1) for entry in printed.stdout.split("\0") if entry)


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Variables of a person who has never used Pulumi, in a folder whose name needs quoting."""
    folder = tmp_path / "a person's home"
    folder.mkdir()
    return {"PULUMI_HOME": str(folder)}


def test_our_programs_come_first_and_once(tmp_path: Path, home: dict[str, str]) -> None:
    """Sourced twice, PATH starts with our two folders, each there once, also in a folder whose name has a space."""
    root = tmp_path / "my project"
    path = sourced(root, home)["PATH"].split(":")
    assert path == [f"{root}/.shipway/bin", f"{root}/.shipway/venv/bin", "/usr/bin", "/bin"]


def test_a_person_without_a_backend_gets_one_in_the_project(tmp_path: Path, home: dict[str, str]) -> None:
    """Nobody has to log in: state lies below .shipway/, and nothing is asked."""
    found = sourced(tmp_path, home)
    assert found["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/.shipway/pulumi/state"
    assert found["PULUMI_HOME"] == f"{tmp_path}/.shipway/pulumi/home"
    assert found["PULUMI_CONFIG_PASSPHRASE"] == ""


@pytest.mark.parametrize("own", [True, False])
def test_a_persons_own_backend_is_left_alone(tmp_path: Path, home: dict[str, str], own: bool) -> None:
    """A backend by variable, or by `pulumi login`, is used as it is configured, with its own home."""
    if own:
        home = home | {"PULUMI_BACKEND_URL": "s3://bucket", "PULUMI_CONFIG_PASSPHRASE": "secret"}
    else:
        credentials = json.dumps({"current": "https://pulumi.example.com"})
        Path(home["PULUMI_HOME"], "credentials.json").write_text(credentials, encoding="utf-8")
    found = sourced(tmp_path, home)
    assert found.get("PULUMI_BACKEND_URL") == home.get("PULUMI_BACKEND_URL")
    assert found["PULUMI_HOME"] == home["PULUMI_HOME"]
    assert found["PULUMI_CONFIG_PASSPHRASE"] == home.get("PULUMI_CONFIG_PASSPHRASE", "")


def test_a_backend_named_after_set_up_is_respected(tmp_path: Path, home: dict[str, str]) -> None:
    """The file written for our backend does not override a variable that a shell sets before sourcing it."""
    sourced(tmp_path, home)
    script = '. "$0" && printf %s "$PULUMI_BACKEND_URL"'
    variables = {"PATH": "/usr/bin:/bin", "PULUMI_BACKEND_URL": "s3://bucket"}
    path = environment.env_file(tmp_path)
    printed = subprocess.run(["sh", "-euc", script, path], env=variables, capture_output=True, text=True, check=True)
    assert printed.stdout == "s3://bucket"


def test_another_checkouts_backend_is_not_the_persons_own(tmp_path: Path, home: dict[str, str]) -> None:
    """In a shell that sourced another checkout's file, this checkout still keeps to its own state and home."""
    other = sourced(tmp_path / "other", home)
    found = sourced(tmp_path / "this", other)
    assert found["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/this/.shipway/pulumi/state"
    assert found["PULUMI_HOME"] == f"{tmp_path}/this/.shipway/pulumi/home"
    assert found["PATH"].startswith(f"{tmp_path}/this/.shipway/bin:")


def test_modules_are_compiled_into_one_folder(tmp_path: Path, home: dict[str, str]) -> None:
    """Compiling is on whatever the person's shell says, and leaves nothing beside the sources."""
    found = sourced(tmp_path, home | {"PYTHONDONTWRITEBYTECODE": "1"})
    assert "PYTHONDONTWRITEBYTECODE" not in found
    assert found["PYTHONPYCACHEPREFIX"] == f"{tmp_path}/.shipway/cache/pycache"


def test_only_our_own_engine_is_kept_from_downloading(tmp_path: Path, home: dict[str, str]) -> None:
    """A person's own pulumi may fetch its plugins; ours, which has no registry to ask, may not."""
    variable = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"
    assert variable in sourced(tmp_path, home)
    assert variable not in sourced(tmp_path, home, own_pulumi=False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"no_proxy": "example.com"}, "127.0.0.1,localhost,example.com"),
        ({"NO_PROXY": "example.com"}, "127.0.0.1,localhost,example.com"),
        ({"no_proxy": "a,127.0.0.1,b", "NO_PROXY": "c"}, "a,127.0.0.1,b"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_this_machine_is_asked_straight_also_behind_a_proxy(
    tmp_path: Path, home: dict[str, str], given: dict[str, str], expected: str
) -> None:
    """Pulumi talks to its program by gRPC, which goes to http_proxy unless it is told; what a person excludes stays."""
    found = sourced(tmp_path, home | {"http_proxy": "http://proxy:3128"} | given)
    assert (found["no_proxy"], found["NO_PROXY"]) == (expected, expected)
    assert found["http_proxy"] == "http://proxy:3128"


def test_verbs_before_set_up_are_told(tmp_path: Path) -> None:
    """Without `.shipway/env` the error says what to run."""
    with pytest.raises(ShipwayError, match="run `make setup` first"):
        environment.load(tmp_path)
