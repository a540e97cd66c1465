"""The program stays a page, and every stack file is an environment."""

import ast
from pathlib import Path

import pytest
import yaml

from shipway.contract.environment import Target
from shipway.contract.stack import load_stack

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = REPOSITORY / "stacks" / "__main__.py"
# What the program does, and what every other repository's program does.
PARTS = [REPOSITORY / "components" / name for name in ("program.py", "deployment.py")]
STACKS = sorted(path.stem.removeprefix("Pulumi.") for path in (REPOSITORY / "stacks").glob("Pulumi.*.yaml"))


def test_the_program_is_one_page_that_asks_for_no_environment_by_name() -> None:
    """What differs between environments stands in their files; the program compares nothing with a name of one."""
    text = "".join(path.read_text(encoding="utf-8") for path in (PROGRAM, *PARTS))
    assert len(text.splitlines()) <= 100
    assert [
        node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant) if node.value in STACKS
    ] == []


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_file_is_an_environment_or_the_models_of_one(name: str) -> None:
    """Each loads without an engine, bears its own name and bans default providers."""
    stack = load_stack(REPOSITORY, name)
    environment = stack.environment
    document = yaml.safe_load((REPOSITORY / "stacks" / f"Pulumi.{name}.yaml").read_text(encoding="utf-8"))
    assert name == (environment.name if stack.holds_platform else f"{environment.name}-models")
    assert document["config"]["pulumi:disable-default-providers"] == ["*"]
    if environment.target is Target.LOCAL:
        # Pulumi would otherwise write one into the tracked file when the stack is made.
        assert document["encryptionsalt"].startswith("v1:")
