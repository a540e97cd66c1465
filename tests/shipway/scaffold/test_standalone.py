"""A model as a repository of its own: what is in it, and what is left when it cannot be made."""

import json
import random
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from shipway.cli.main import main
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.layout import services
from shipway.contract.stack import load_stack
from shipway.scaffold.inferred import making
from shipway.scaffold.origin import RECORD
from shipway.scaffold.standalone import attachable, render_standalone
from tests.shipway.scaffold.inferred.tables import ROWS, columns, written

ROOT = Path(__file__).resolve().parents[3]
PLATFORM = "example/shipway"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered") / "churn-repository"
    service = render_standalone(ROOT, folder, {"name": "churn", "contact": "@example/growth"}, repository=PLATFORM)
    assert service == folder / "services" / "churn"
    return folder


def test_its_stacks_hold_its_models_on_each_platform_that_can_take_them(rendered: Path) -> None:
    """The environment is the platform's own, word for word; the platform itself is not this repository's to deploy."""
    names = [stack.name for stack in attachable(ROOT)]
    assert names == ["dev", "prod", "staging"]
    for name in names:
        models, platform = load_stack(rendered, f"{name}-models"), load_stack(rendered, name)
        assert models.environment == platform.environment == load_stack(ROOT, name).environment
        assert (models.holds_models, models.holds_platform, models.platform_project) == (True, False, "shipway")
        assert platform.elsewhere
        config = yaml.safe_load((rendered / "stacks" / f"Pulumi.{name}-models.yaml").read_text())["config"]
        assert config["pulumi:disable-default-providers"] == ["*"]
    assert load_stack(rendered, "local").holds_platform
    assert not (rendered / "stacks" / "Pulumi.onprem.yaml").exists()


def test_it_asks_for_the_packages_that_the_platform_has(rendered: Path) -> None:
    """Both distributions of this version; the lock and the decisions about policies are the platform's."""
    document = tomllib.loads((rendered / "pyproject.toml").read_text())
    assert f"shipway-stack=={version('shipway')}" in document["project"]["dependencies"]
    assert [one for one in document["project"]["dependencies"] if one.endswith(f"]=={version('shipway')}")]
    for taken, name in (
        ("requirements.lock", "requirements.lock"),
        ("policies/settings.yaml", "policy-pack/settings.yaml"),
        ("policies/waivers.yaml", "policy-pack/waivers.yaml"),
    ):
        assert (rendered / name).read_bytes() == (ROOT / taken).read_bytes()


def test_every_extra_that_it_names_is_one_of_shipways(rendered: Path) -> None:
    """A renamed extra would be installed as nothing, without an error."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    document = tomllib.loads((rendered / "pyproject.toml").read_text())
    asked = [*document["project"]["dependencies"], *document["dependency-groups"]["dev"]]
    named = {name for one in asked if one.startswith("shipway[") for name in one[8 : one.index("]")].split(",")}
    assert named
    assert named <= set(extras)


def test_nothing_of_the_template_is_left_in_it(rendered: Path) -> None:
    """Every file is plain; GitHub's own expressions are whole; the owner owns all of it."""
    texts = {path: path.read_text(encoding="utf-8") for path in rendered.rglob("*") if path.is_file()}
    for path, text in texts.items():
        # The lock names it as a package, the record of the template as the program that rendered it.
        assert "cookiecutter" not in text or path.name in ("requirements.lock", RECORD), path
        assert not any(mark in text for mark in ("{% ", "{{ cook", " %}")), path
        assert text.count("{{") == text.count("${{"), path
    owners = texts[rendered / "CODEOWNERS"].splitlines()
    assert owners[0] == "* @example/growth"
    assert "/services/churn/ @example/growth" in owners
    assert [folder.name for folder in services(rendered)] == ["churn"]


def test_every_call_of_a_workflow_fits_the_one_that_is_called(rendered: Path) -> None:
    """Inputs and secrets are known, what is required is given, and the rights reach as far as the called jobs need."""
    ours = ROOT / ".github" / "workflows"
    for path in sorted((rendered / ".github" / "workflows").glob("*.yml")):
        (job,) = yaml.safe_load(path.read_text())["jobs"].values()
        target, _, ref = job["uses"].partition("@")
        assert target.startswith(f"{PLATFORM}/.github/workflows/")
        assert ref == f"v{version('shipway')}"
        called = yaml.safe_load((ours / Path(target).name).read_text())
        # YAML 1.1 takes `on` for true.
        offered = called[True]["workflow_call"]
        inputs = offered.get("inputs", {})
        assert set(job.get("with", {})) <= set(inputs), path.name
        assert {name for name, one in inputs.items() if one.get("required")} <= set(job.get("with", {})), path.name
        assert set(job.get("secrets", {})) <= set(offered.get("secrets", {})), path.name
        needed = {name: right for one in called["jobs"].values() for name, right in one.get("permissions", {}).items()}
        assert needed.items() <= job["permissions"].items(), path.name


@pytest.fixture
def platform(tmp_path: Path) -> Path:
    """A platform's repository as far as a new one takes something from it."""
    root = tmp_path / "platform"
    root.mkdir()
    for name in ("templates", "stacks"):
        shutil.copytree(ROOT / name, root / name, symlinks=True)
    (root / "policies").mkdir()
    for name in ("Pulumi.yaml", "requirements.lock", "policies/settings.yaml", "policies/waivers.yaml"):
        shutil.copy(ROOT / name, root / name)
    return root


def test_a_place_that_cannot_be_is_refused_in_its_own_words(platform: Path, tmp_path: Path) -> None:
    """Inside the platform's repository, taken, a file, nowhere: one error each, and nothing is written."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    (tmp_path / "link").symlink_to(platform)
    before = sorted(tmp_path.rglob("*"))
    for folder, expected in (
        (platform / "services" / "x", "expected a folder outside the platform's"),
        (platform, "expected a folder outside the platform's"),
        (tmp_path / "link" / "x", "expected a folder outside the platform's"),
        (tmp_path / "taken", "expected a new or an empty folder, and this one holds files"),
        (tmp_path / "taken" / "file", "expected a folder, and this is a file"),
        (tmp_path / "no" / "x", f"expected a folder in one that exists, {tmp_path / 'no'} does not"),
    ):
        with pytest.raises(SpecError) as refused:
            render_standalone(platform, folder, {"name": "churn"}, repository=PLATFORM)
        assert str(
            refused.value
        ) == f"shipway new: --standalone: got {str(folder)!r}, {refused.value.expected}".replace(
            refused.value.expected, f"expected {refused.value.expected}", 1
        )
        assert expected in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("answers", "options", "expected"),
    [
        ({"name": "Big Model"}, {}, "try 'big-model'"),
        ({"name": "churn"}, {"kind": "poem"}, "kind: got 'poem', expected one of "),
        ({"name": "churn"}, {"repository": "shipway"}, "--platform-repository: got 'shipway', expected OWNER/NAME"),
        ({"name": "churn", "contact": "nobody"}, {}, "contact: got 'nobody', expected an e-mail address"),
    ],
)
def test_what_cannot_be_rendered_leaves_nothing(
    platform: Path, tmp_path: Path, answers: dict[str, str], options: dict[str, str], expected: str
) -> None:
    """A wrong answer, kind or repository: nothing is half-written, also where the folder is there already."""
    folder = tmp_path / "new"
    folder.mkdir()
    with pytest.raises(SpecError) as refused:
        render_standalone(platform, folder, answers, **{"repository": PLATFORM, **options})
    assert expected in str(refused.value)
    assert sorted(tmp_path.iterdir()) == [folder, platform]
    assert not list(folder.iterdir())


def test_a_platform_without_its_lock_is_said(platform: Path, tmp_path: Path) -> None:
    """What the new repository takes from the platform's has to be there."""
    (platform / "requirements.lock").unlink()
    with pytest.raises(
        ShipwayError, match=r"requirements\.lock: no such file, expected it: the new repository takes it"
    ):
        render_standalone(platform, tmp_path / "new", {"name": "churn"}, repository=PLATFORM)
    assert not (tmp_path / "new").exists()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["shipway", "new", "--no-input", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_command_says_where_it_is_and_what_comes_next(
    platform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The platform's name on GitHub is origin's; without one the option is asked for; alone it means nothing."""
    monkeypatch.chdir(platform)
    place = ["--name", "churn", "--standalone", str(tmp_path / "new"), "--json"]
    assert run(monkeypatch, *place) == 2
    assert "--platform-repository: got None, expected OWNER/NAME on GitHub" in capsys.readouterr().err
    subprocess.run(["git", "init", "--quiet"], cwd=platform, check=True)
    origin = "git@github.com:acme/ml-platform.git"
    subprocess.run(["git", "remote", "add", "origin", origin], cwd=platform, check=True)
    assert run(monkeypatch, *place) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["folder"] == str(tmp_path / "new" / "services" / "churn")
    assert said["next"][:3] == [f"cd {tmp_path / 'new'}", "make setup", ". .shipway/env"]
    assert "acme/ml-platform" in (tmp_path / "new" / ".github" / "workflows" / "services.yml").read_text()
    assert run(monkeypatch, "--name", "churn", "--platform-repository", PLATFORM) == 2
    assert "expected --standalone DIR beside it" in capsys.readouterr().err


def from_csv(monkeypatch: pytest.MonkeyPatch, path: Path, folder: Path, *options: str) -> int:
    asked = ("--from-csv", str(path), "--target", "sold", "--standalone", str(folder))
    return run(monkeypatch, *asked, *(options or ("--platform-repository", PLATFORM)))


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_it_is_made_whole_from_a_csv(
    platform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fields, baseline and data are the rows' own, its tests pass there, and the platform holds nothing of it."""
    monkeypatch.chdir(platform)
    before = sorted(platform.rglob("*"))
    sold = ["yes" if float(str(size)) > 45 else "no" for size in columns()["Size (m2)"]]
    path, folder = written(tmp_path, columns(sold=sold)), tmp_path / "houses-repository"
    assert from_csv(monkeypatch, path, folder, "--platform-repository", PLATFORM, "--team", "growth", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["model"], said["task"], said["folder"]) == ("houses", "binary", str(folder / "services" / "houses"))
    assert said["next"][0] == f"cd {folder}"
    assert [one["name"] for one in said["fields"]] == ["size_m2", "rooms", "town"]
    assert (folder / "services" / "houses" / "data" / "houses.csv").read_bytes() == path.read_bytes()
    assert "/services/houses/ growth@example.com" in (folder / "CODEOWNERS").read_text()
    assert load_stack(folder, "dev-models").holds_models
    command = [sys.executable, "-m", "pytest", "-q", "services/houses"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert sorted(platform.rglob("*")) == before


def test_what_no_model_can_be_made_of_makes_no_repository(
    platform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A place that is taken, a platform without a name, a column that is not there, too much data: one error each."""
    monkeypatch.chdir(platform)
    path, folder = written(tmp_path, columns()), tmp_path / "new"
    before = sorted(tmp_path.rglob("*"))
    large = "at most 0 MiB, which are copied into the service, or fewer rows"
    named = ("--platform-repository", PLATFORM)
    for options, place, most, expected in (
        (named, platform / "services" / "x", making.MOST_COPIED_BYTES, "--standalone: got"),
        (("--team", "growth"), folder, making.MOST_COPIED_BYTES, "--platform-repository: got None"),
        ((*named, "--time", "day"), folder, making.MOST_COPIED_BYTES, "--time: got 'day', expected one of the columns"),
        (named, folder, 1000, large),
    ):
        monkeypatch.setattr(making, "MOST_COPIED_BYTES", most)
        assert from_csv(monkeypatch, path, place, *options) == 2
        assert expected in capsys.readouterr().err
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.e2e
def test_a_baseline_that_is_no_better_than_chance_makes_no_repository(
    platform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was rendered by then is gone again."""
    monkeypatch.chdir(platform)
    chance = random.Random(0)
    path = written(tmp_path, columns(sold=[chance.random() for _ in range(ROWS)]))
    before = sorted(tmp_path.rglob("*"))
    assert from_csv(monkeypatch, path, tmp_path / "new") == 1
    assert "the columns say too little about the target" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
