"""`shipway doctor`: whether machine and local stack are in order, or how mature a model's path is; what to do next."""

import importlib
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from shipway.cli.context import emit, local, progress, project, service, table
from shipway.contract.errors import SpecError
from shipway.contract.layout import services
from shipway.delivery.checkup import Finding, check_stack

__all__ = ["register"]

_EXAMPLE = """Example: shipway doctor --env local --json

Example: shipway doctor --maturity flight-delay"""


def register(app: typer.Typer) -> None:
    """Adds the group's verb to `app`."""
    app.command(epilog=_EXAMPLE)(doctor)


def doctor(
    model: Annotated[str | None, typer.Argument(help="with --maturity: the model; by default every one")] = None,
    maturity: Annotated[
        bool, typer.Option("--maturity", help="judge how far a model's path is automated, level 0 to 2")
    ] = False,
    env: Annotated[str, typer.Option(help="the environment")] = "local",
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")] = False,
) -> None:
    """Check tools, ports, disk, processes, locks, delivery and the ledger; exit code 1 when something is wrong.

    With --maturity, judge how far models' paths are automated instead, and say what comes next.
    """
    root = project()
    if maturity:
        _maturity(root, model, env, as_json=as_json)
        return
    if model is not None:
        raise SpecError("shipway doctor", "MODEL", model, "--maturity beside it")
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


def _maturity(root: Path, model: str | None, env: str, *, as_json: bool) -> None:
    from shipway.maturity.criteria import LEVELS, Maturity, judge
    from shipway.maturity.gathering import gather

    def level(one: Maturity) -> str:
        return "none" if one.level is None else str(one.level)

    layout, _ = local(root, env)
    folders = services(root) if model is None else [service(root, model)[0]]
    found = [judge(gather(root, folder, layout)) for folder in folders]
    if model is None:
        rows = [
            (
                one.model,
                level(one),
                f"{sum(each.state != 'missing' for each in one.judged)} of {len(one.judged)}",
                one.following,
            )
            for one in found
        ]
        lines = [table(("MODEL", "LEVEL", "HELD", "NEXT"), rows)]
    else:
        rows = [(str(one.criterion.level), one.criterion.name, one.state, one.evidence) for one in found[0].judged]
        lines = [table(("LEVEL", "CRITERION", "STATE", "EVIDENCE"), rows)]
        reached = found[0].level
        lines.append(f"{model}: level {level(found[0])}{'' if reached is None else f', {LEVELS[reached]}'}")
        lines += [f"next: {found[0].following}"] if found[0].following else []
    result = [
        {
            "model": one.model,
            "level": one.level,
            "next": one.following,
            "criteria": [
                {
                    "name": each.criterion.name,
                    "level": each.criterion.level,
                    "demands": each.criterion.demands,
                    "state": each.state,
                    "evidence": each.evidence,
                    "next": each.remedy,
                }
                for each in one.judged
            ],
        }
        for one in found
    ]
    emit(result, "\n".join(lines), as_json=as_json)


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
