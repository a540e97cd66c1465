"""`shipway doctor`: whether the machine and the local stack are in order, and what to do where they are not."""

import importlib
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from shipway.cli.context import emit, local, progress, project, table
from shipway.delivery.checkup import Finding, check_stack

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the group's verb to `app`."""
    app.command(epilog="Example: shipway doctor --env local --json")(doctor)


def doctor(
    env: Annotated[str, typer.Option(help="the environment")] = "local",
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")] = False,
) -> None:
    """Check tools, ports, disk, processes, locks, delivery and the ledger; exit code 1 when something is wrong."""
    root = project()
    layout, ports = local(root, env)
    progress("asking each tool for its version")
    found = [*tools(root), *check_stack(layout, ports)]
    problems = [one for one in found if not one.ok]
    rows = [(one.subject, "ok" if one.ok else "PROBLEM", one.detail) for one in found]
    lines = [table(("PART", "STATE", "SEEN"), rows)]
    lines += [f"{one.subject}: {one.remedy}" for one in problems]
    lines.append(f"{len(problems)} of {len(found)} are a problem" if problems else f"all {len(found)} are in order")
    result = {"environment": env, "ok": not problems, "findings": [asdict(one) for one in found]}
    emit(result, "\n".join(lines), as_json=as_json)
    if problems:
        raise typer.Exit(1)


def tools(root: Path) -> list[Finding]:
    """Returns whether each external program that the project names is there in a version that will do."""
    if not (root / "tools" / "pins.py").exists():
        return [Finding("tools", True, "not part of this install")]
    # The project's own register, which the installed library neither holds nor knows.
    sys.path.insert(0, str(root))
    try:
        pins: Any = importlib.import_module("tools.pins")
        programs: Any = importlib.import_module("tools.programs")
    finally:
        sys.path.remove(str(root))
    if not Path(pins.__file__).is_relative_to(root):
        return [Finding("tools", True, "not part of this install")]
    where = os.pathsep.join([str(root / ".shipway" / "bin"), os.environ.get("PATH", os.defpath)])
    return [_tool(tool, programs, where) for tool in pins.TOOLS]


def _tool(tool: Any, programs: Any, where: str) -> Finding:
    executable = shutil.which(str(tool.name), path=where)
    subject, remedy = f"tool {tool.name}", f"`make setup` gets {tool.name} ({tool.accepted}) from {tool.source}"
    if executable is None:
        return Finding(subject, False, "not found", remedy)
    version = programs.version_of(Path(executable), tool)
    said = ".".join(map(str, version)) if version else "an unknown version"
    if not tool.accepts(version):
        return Finding(subject, False, f"{executable} is {said}, expected {tool.accepted}", remedy)
    return Finding(subject, True, f"{said} at {executable}")
