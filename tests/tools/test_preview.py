"""`make preview`: which stacks it takes, what it refuses, and an environment of the repository from end to end."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from shipway.contract.errors import ShipwayError, SpecError
from tools.foreseen import Change
from tools.offline import prepare
from tools.preview import preview_offline, sources_of, stacks_of


@pytest.fixture
def layered(tmp_path: Path, root: Path) -> Path:
    """A project whose cluster environment is two stacks, with a local one beside it."""
    (tmp_path / "stacks").mkdir()
    document = yaml.safe_load((root / "stacks" / "Pulumi.onprem.yaml").read_text())
    shutil.copy(root / "stacks" / "Pulumi.local.yaml", tmp_path / "stacks")
    write(tmp_path, "onprem", {**document["config"], "shipway:layers": ["platform"]})
    write(tmp_path, "onprem-models", {"shipway:layers": ["models"], "shipway:platform": "onprem"})
    return tmp_path


def write(project: Path, name: str, config: dict[str, object]) -> None:
    (project / "stacks" / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": config}))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("onprem", ["onprem", "onprem-models"]), ("onprem-models", ["onprem", "onprem-models"]), ("local", ["local"])],
)
def test_a_platform_and_its_models_are_previewed_together(layered: Path, name: str, expected: list[str]) -> None:
    """Either name means both, in the order in which they are deployed; a stack that holds both layers is alone."""
    assert [stack.name for stack in stacks_of(layered, name)] == expected


def test_a_mistyped_environment_makes_nothing(layered: Path) -> None:
    """The error names those that there are, and no folder was made."""
    with pytest.raises(SpecError, match="one of the environments local, onprem, onprem-models"):
        preview_offline(layered, "onprme", base=None, policies=True)
    assert not (layered / ".shipway").exists()


def test_a_checkout_without_stand_ins_says_so(layered: Path) -> None:
    """Nothing is previewed against the real providers because the stand-ins are missing."""
    with pytest.raises(ShipwayError, match="LIVE=1"):
        prepare(layered, "onprem", stacks_of(layered, "onprem"))


@pytest.fixture
def checkout(tmp_path: Path, root: Path) -> Path:
    """A clone of this repository with its programs, in which a commit can be made."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{root}", clone], check=True)
    # What the test is about may not be committed yet.
    for part in ("components", "shipway", "stacks", "tests", "tools", "policies", "services"):
        shutil.copytree(root / part, clone / part, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (clone / ".shipway").mkdir()
    for part in ("bin", "venv"):
        (clone / ".shipway" / part).symlink_to((root / ".shipway" / part).resolve())
    text = (root / ".shipway" / "env").read_text()
    (clone / ".shipway" / "env").write_text(text.replace(str(root), str(clone)))
    commit(clone)
    return clone


def commit(clone: Path) -> None:
    named = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", "-C", clone, "add", "--all"], check=True)
    subprocess.run(["git", "-C", clone, *named, "commit", "--quiet", "--allow-empty", "-m", "base"], check=True)


@pytest.mark.standins
@pytest.mark.timeout(180)
def test_a_change_is_compared_with_the_commit_before_it(checkout: Path) -> None:
    """What the base deployed is there: only what the change touches is foreseen, and it can be deployed on top."""
    path = checkout / "stacks" / "Pulumi.onprem.yaml"
    path.write_text(path.read_text().replace("hostname: models.example.com", "hostname: inference.example.com"))
    before = path.read_text()
    found = preview_offline(checkout, "onprem", base="HEAD", policies=False)
    (stack,) = found.stacks
    assert found.compared_with.startswith("HEAD (")
    assert stack.errors == ()
    changed = {step.part for step in stack.preview.steps if step.change is not Change.SAME}
    assert "routing" in changed
    assert {step.change for step in stack.preview.steps} == {Change.SAME, Change.UPDATE}
    assert stack.rehearsal is not None
    assert len(stack.rehearsal.steps) >= len(stack.preview.steps)
    # The engine writes the salt of a passphrase into a stack's file; that was a copy.
    assert path.read_text() == before


def test_another_repositorys_models_come_with_this_ones_platform(repository_of_one: Path, root: Path) -> None:
    """Each stack is deployed by the repository whose it is, whichever of the two was named."""
    for name in ("dev", "dev-models"):
        found = sources_of(root, repository_of_one, name)
        assert [(stack.name, source) for stack, source in found] == [("dev", root), ("dev-models", repository_of_one)]
        assert not found[0][0].elsewhere


def test_a_copy_that_is_not_the_platforms_any_more_is_refused(repository_of_one: Path, root: Path) -> None:
    """What would be foreseen for another environment says nothing; the error names both files."""
    path = repository_of_one / "stacks" / "Pulumi.dev.yaml"
    path.write_text(path.read_text().replace("budget_usd_per_month: 600", "budget_usd_per_month: 700"))
    with pytest.raises(SpecError) as refused:
        sources_of(root, repository_of_one, "dev-models")
    assert str(path) in str(refused.value)
    assert f"expected a copy of {root / 'stacks' / 'Pulumi.dev.yaml'}, which counts" in str(refused.value)


@pytest.mark.standins
@pytest.mark.timeout(300)
def test_another_repositorys_model_is_rehearsed_on_this_platform(repository_of_one: Path, root: Path) -> None:
    """The real engine deploys the platform from here, and on its outputs the model from there, and nothing else."""
    found = preview_offline(root, "dev-models", base=None, policies=False, project=repository_of_one)
    platform, models = found.stacks
    assert (platform.name, models.name) == ("dev", "dev-models")
    assert platform.errors == models.errors == ()
    assert models.rehearsal is not None
    parts = {step.part for step in models.rehearsal.steps}
    assert parts == {"model churn", "stack"}
