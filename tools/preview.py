"""`make preview`: what the next deployment would change; with JSON=1 one JSON document is all of standard output.

An environment on a cluster or in a cloud is previewed offline, on stand-ins, unless the real providers are asked for.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from components.aws.price_list import PRICES
from shipway.contract.environment import ENVIRONMENT_KEY, Target, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.stack import StackSpec, load_stack
from tools import cost, environment, locks, offline, report, summary
from tools.engine import Stack
from tools.errors import CommandError
from tools.foreseen import read_events

__all__ = ["main", "preview_offline", "sources_of", "stacks_of"]

ROOT = Path(__file__).resolve().parents[1]
_NOTHING = "an empty account"


def stacks_of(root: Path, name: str) -> tuple[StackSpec, ...]:
    """Returns the stacks that a preview of stack `name` takes, in the order in which they are deployed.

    A platform's models come with it, and models need their platform before them.

    Raises:
        SpecError: when there is no such stack, or a document is wrong.
    """
    named = load_stack(root, name)
    platform = named if named.holds_platform else load_stack(root, named.environment.name)
    if platform.holds_models:
        return (platform,)
    if not named.holds_platform:
        return platform, named
    known = sorted(path.stem.removeprefix("Pulumi.") for path in (root / "stacks").glob("Pulumi.*.yaml"))
    others = [load_stack(root, other) for other in known if other != platform.name]
    built_on = [one for one in others if not one.holds_platform and one.environment.name == platform.name]
    return platform, *built_on


def sources_of(root: Path, project: Path, name: str) -> tuple[tuple[StackSpec, Path], ...]:
    """Returns the stacks that a preview of another repository's models takes, each with the repository that deploys it.

    Args:
        root: the platform's repository.
        project: the other one, which names stack `name` or the platform that it stands on.

    Raises:
        SpecError: when there is no such stack, or its copy of the environment is not what the platform's file says.
    """
    *_, models = stacks_of(project, name)
    platform = load_stack(root, models.environment.name)
    if models.environment != platform.environment:
        path, own = environment_path(project, platform.name), environment_path(root, platform.name)
        raise SpecError(path, ENVIRONMENT_KEY, "another environment", f"a copy of {own}, which counts: copy it anew")
    return (platform, root), (models, project)


def preview_offline(
    root: Path, name: str, *, base: str | None, policies: bool, project: Path | None = None
) -> summary.Summary:
    """Returns what would change, having previewed and then rehearsed each stack on the stand-ins.

    The rehearsal is an `up` in an account that is not there: it shows what only known values show, and gives the next
    stack the outputs that it is built on.

    Args:
        root: the repository.
        name: a stack.
        base: the commit whose deployment is in place before; None for nothing at all.
        policies: whether the pack judges what is foreseen.
        project: a repository that holds models alone, to run on this one's platform; `base` is a commit of it.
    """
    found = sources_of(root, project, name) if project else tuple((stack, root) for stack in stacks_of(root, name))
    stacks, sources = [stack for stack, _ in found], {stack.name: source for stack, source in found}
    with locks.exclusive(root / ".shipway" / "preview" / f"{name}.lock", f"`make preview ENV={name}`"):
        place = offline.prepare(root, name, stacks)
        compared_with, problem = _NOTHING, ""
        if base is not None:
            compared_with, problem = _deploy_base(project or root, place, found, base)
        if problem:
            # What half a deployment left behind compares with nothing.
            place, compared_with = offline.prepare(root, name, stacks), f"{_NOTHING}, because {problem}"
        pack = ("--policy-pack", str(root / "policies")) if policies else ()
        reports: list[summary.StackReport] = []
        for stack in stacks:
            reports.append(_look_ahead(place, stack.name, sources[stack.name], pack))
            if reports[-1].failed:
                break
    platform = stacks[0].environment
    bill = None
    if platform.target is Target.AWS:
        last = [one.rehearsal or one.preview for one in reports]
        bill = cost.bill_of(last, PRICES)
    return summary.Summary(
        name,
        compared_with,
        tuple(reports),
        bill,
        platform.budget_usd_per_month,
        policies,
        left_out=tuple(stack.name for stack in stacks[len(reports) :]),
    )


def _look_ahead(place: offline.Offline, name: str, source: Path, pack: Sequence[str]) -> summary.StackReport:
    """Previews and then rehearses one stack."""
    stack = place.stack(name, source)
    stack.ensure()
    events = place.folder / f"{name}-preview.jsonl"
    with report.step(name, "previewing"):
        code = stack.recorded("preview", events, *pack)
    foreseen = read_events(events)
    _refuse_silence(code, foreseen.errors, foreseen.findings, events)
    if code:
        return summary.StackReport(name, foreseen, None, failed=True)
    events = place.folder / f"{name}-rehearsal.jsonl"
    with report.step(name, "rehearsing `up` on the stand-ins"):
        code = place.stack(name, source, rehearsed=True).recorded("up", events, "--yes", "--skip-preview", *pack)
    rehearsed = read_events(events)
    _refuse_silence(code, rehearsed.errors, rehearsed.findings, events)
    return summary.StackReport(name, foreseen, rehearsed, failed=code != 0)


def _refuse_silence(code: int, errors: Sequence[str], findings: Sequence[object], events: Path) -> None:
    """Raises what the engine printed when it failed and its events do not say why."""
    if code and not errors and not findings:
        raise CommandError(["pulumi"], code, events.with_suffix(".txt").read_text(encoding="utf-8"))


def _deploy_base(
    root: Path, place: offline.Offline, stacks: Sequence[tuple[StackSpec, Path]], base: str
) -> tuple[str, str]:
    """Deploys the commit `base` on the stand-ins; returns in words what is in place then, and why nothing is.

    A stack that another repository deploys is deployed as it lies there.
    """
    checkout = place.folder / "base"
    git = ["git", "-C", str(root)]
    commit = report.run([*git, "rev-parse", "--short", f"{base}^{{commit}}"], subject="git").strip()
    archive = place.folder / "base.tar"
    report.run([*git, "archive", "--output", str(archive), commit], subject="git")
    shutil.unpack_archive(archive, checkout, filter="data")
    archive.unlink()
    done: list[str] = []
    for stack, source in stacks:
        if not environment_path(checkout, stack.name).exists():
            continue
        there = place.stack(stack.name, checkout if source == root else source, rehearsed=True)
        there.ensure()
        events = place.folder / f"{stack.name}-base.jsonl"
        with report.step(stack.name, f"deploying {commit} on the stand-ins"):
            code = there.recorded("up", events, "--yes", "--skip-preview")
        if code:
            told = [*read_events(events).errors, *_last_words(events)]
            return "", f"{base} ({commit}) itself cannot be deployed on the stand-ins: {told[0]}"
        done.append(stack.name)
    missing = ", ".join(stack.name for stack, _ in stacks if stack.name not in done)
    return f"{base} ({commit})" + (f", which has no {missing}" if missing else ""), ""


def _last_words(events: Path) -> list[str]:
    return events.with_suffix(".txt").read_text(encoding="utf-8").strip().splitlines()[-1:] or ["it printed nothing"]


def main() -> int:
    """Runs the verb."""
    parser = argparse.ArgumentParser(prog="make preview", description=__doc__)
    parser.add_argument("--env", default="local", help="a stack; a platform's models are previewed with it")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--policies", action=argparse.BooleanOptionalAction, help="under the policy pack; offline it is"
    )
    parser.add_argument("--live", action="store_true", help="ask the real providers, with the credentials in force")
    parser.add_argument("--base", help="offline: the commit to compare with, instead of an empty account")
    parser.add_argument("--project", type=Path, help="offline: another repository, whose models run on this platform")
    parser.add_argument("--markdown", type=Path, help="offline: also write the summary to this file")
    options = parser.parse_args()
    # Before the engine makes a file and a stack for a name that was mistyped.
    project: Path | None = options.project.resolve() if options.project else None
    target = load_stack(project or ROOT, options.env).environment.target
    if options.live or target is Target.LOCAL:
        if options.base or options.markdown or project:
            parser.error("--base, --markdown and --project are for a preview offline")
        stack = Stack(ROOT, options.env, environment.load(ROOT))
        stack.ensure()
        return stack.preview(as_json=options.json, policies=bool(options.policies))
    found = preview_offline(
        ROOT, options.env, base=options.base, policies=options.policies is not False, project=project
    )
    if options.markdown:
        options.markdown.write_text(summary.as_markdown(found), encoding="utf-8")
    print(json.dumps(summary.as_document(found), indent=2) if options.json else summary.as_text(found))
    return 1 if found.failed else 0


if __name__ == "__main__":
    report.fail_clearly(main)
