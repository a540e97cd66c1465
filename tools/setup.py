"""`make setup`: the Python environment, the external programs, and `.shipway/env` that puts them on PATH."""

import argparse
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools import environment, locks, pinned, programs, report, venv
from tools.language_host import launchers
from tools.pins import PULUMI, TEST_TOOLS, TOOLS, Tool
from tools.programs import Found

__all__ = ["main", "make_stacks", "prepare"]

ROOT = Path(__file__).resolve().parents[1]


def prepare(root: Path, environ: Mapping[str, str], tools: Sequence[Tool] = TOOLS) -> None:
    """Makes `.shipway/venv`, `.shipway/bin` with `tools`, and `.shipway/env`; does nothing that is done already.

    Raises:
        ShipwayError: for whatever cannot be made, naming it and what to do.
    """
    start = time.monotonic()

    def wait(message: str) -> None:
        report.say("setup", message)

    with locks.exclusive(root / ".shipway" / "setup.lock", "`make setup`", on_wait=wait):
        cache = programs.cache_folder(environ)
        venv.ensure(root, cache)
        found = [programs.locate(tool, root, environ, cache) for tool in tools]
        binaries = root / ".shipway" / "bin"
        binaries.mkdir(exist_ok=True)
        pulumi = next(each for each in found if each.tool is PULUMI)
        own_host = not launchers.has_host(pulumi.folder / "pulumi", os.pathsep.join(programs.machine_path(environ)))
        link([each for each in found if not (own_host and each is pulumi)], binaries)
        launchers.place(binaries, venv.folder(root), pulumi.folder / "pulumi", wanted=own_host)
        # The file backend does not make its own folder.
        (root / ".shipway" / "pulumi" / "state").mkdir(parents=True, exist_ok=True)
        _replace(environment.env_file(root), environment.render(root, environ, own_pulumi=pulumi.obtained))
        make_stacks(root)
        for each in found:
            origin = "the cache" if each.obtained else "PATH"
            report.say(each.tool.name, f"{each.folder} ({origin})")
    report.say("setup", f"ready after {time.monotonic() - start:.1f} s; `source .shipway/env` for a shell of your own")


def make_stacks(root: Path) -> None:
    """Makes the stack of each local environment in the project's own state, so that `pulumi up -s local` finds it.

    Which stacks a person's own backend holds is theirs to say; `make up` makes the one it needs.
    """
    variables = environment.load(root)
    if variables.get("PULUMI_BACKEND_URL") != environment.own_backend(root):
        return
    known = root / ".shipway" / "pulumi" / "state" / ".pulumi" / "stacks" / "shipway"
    for path in sorted((root / "stacks").glob("Pulumi.*.yaml")):
        name = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        # Read as text: this runs on whatever Python there is, before any package is.
        is_local = re.search(r"^\s+target:\s*local\s*$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if is_local and not (known / f"{name}.json").exists():
            command = ["pulumi", "stack", "init", name, "--no-select", "--non-interactive"]
            report.run(command, subject="pulumi", cwd=root, env=variables)


def link(found: list[Found], folder: Path) -> None:
    """Links every executable of the tools into `folder`."""
    for each in found:
        for name in each.tool.executables:
            target, path = each.folder / name, folder / name
            if path.is_symlink() and path.readlink() == target:
                continue
            # Onto the old link in one step: a running `pulumi up` may look for it at any moment.
            fresh = folder / f".{name}.new"
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(target)
            fresh.replace(path)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def main() -> int:
    """Runs the verb."""
    parser = argparse.ArgumentParser(prog="make setup", description=__doc__)
    parser.add_argument(
        "--cluster", action="store_true", help="also a control plane, a registry and checkers, for `make test-cluster`"
    )
    chosen = parser.parse_args()
    prepare(ROOT, os.environ, (*TOOLS, *TEST_TOOLS) if chosen.cluster else TOOLS)
    if chosen.cluster:
        for obtain in (pinned.definitions, pinned.checkov, pinned.workflow_checkers):
            obtain(ROOT, programs.cache_folder(os.environ))
    return 0


if __name__ == "__main__":
    report.fail_clearly(main)
