"""`make down`: what `make up` made and started goes; bundles, the registry and logs stay, as a cache.

It works after half a set-up too: what it cannot do without is the standard library.
"""

import argparse
import shutil
from pathlib import Path

from shipway.contract.errors import SpecError
from shipway.contract.layout import LocalLayout, services
from tools import environment, locks, processes, report, venv
from tools.engine import Stack
from tools.errors import CommandError

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]


def take_down(root: Path, name: str) -> None:
    """Takes the local environment `name` down; nothing to do is fine.

    Raises:
        ShipwayError: for an environment that is not local, and when the engine cannot destroy the stack, which then
            can be tried again.
    """
    layout = LocalLayout(root, name)
    if environment.env_file(root).exists() and venv.python(root).exists():
        require_local(root, name)
        destroy(layout)
    # What a killed run, or a removed .shipway/, left behind outside the engine's knowledge.
    if stray := processes.stop(layout.state):
        report.say("down", f"stopped processes that no stack knew of: {', '.join(map(str, stray))}")
    shutil.rmtree(layout.sockets, ignore_errors=True)
    report.say("down", f"stack {name} is gone; bundles and the registry stay in {layout.state}")


def require_local(root: Path, name: str) -> None:
    """Refuses an environment that is not this machine's: its stack and release files are not ours to remove.

    Raises:
        SpecError: for another target, and for a name that is no environment.
    """
    from shipway.contract.environment import Target, environment_path, load_environment

    spec = load_environment(root, name)
    if spec.target is not Target.LOCAL:
        raise SpecError(
            environment_path(root, name), "target", str(spec.target), "local: `make down` ends processes here"
        )


def destroy(layout: LocalLayout) -> None:
    """Has the engine take away the stack, and removes its release files, which only this machine has."""
    from shipway.contract.release import release_path

    stack = Stack(layout.root, layout.environment, environment.load(layout.root))
    if stack.exists():
        with report.step("pulumi", f"destroying stack {stack.name}"):
            stack.unlock()
            try:
                stack.destroy()
            except CommandError:
                # A process that lost its files refuses what it is told; one that is gone refuses nothing.
                report.say("down", "the stack resists; ending its processes and trying once more")
                processes.stop(layout.state)
                stack.destroy()
    for folder in services(layout.root):
        release_path(folder, stack.name).unlink(missing_ok=True)


def main() -> int:
    """Runs the verb."""
    parser = argparse.ArgumentParser(prog="make down", description=__doc__)
    parser.add_argument("--env", default="local")
    name = parser.parse_args().env
    with locks.exclusive(ROOT / ".shipway" / "up.lock", "`make up` or `make down`"):
        take_down(ROOT, name)
    return 0


if __name__ == "__main__":
    report.fail_clearly(main)
