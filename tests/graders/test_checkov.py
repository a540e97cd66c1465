"""checkov finds nothing in any environment that nobody answers for, and would find it."""

from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from policies.waivers import Waiver, expired, load_waivers, waiver_for
from shipway.contract.environment import Target
from shipway.contract.stack import load_stack
from tests.components.conftest import REPOSITORY
from tests.components.recorded import STACKS, RecordedStack, registrations
from tests.components.recording import record
from tests.graders import mistakes
from tests.graders.checkov import Report, grade

pytestmark = pytest.mark.graders

WAIVERS = Path(__file__).with_name("waivers.yaml")
# A laptop's processes are no resources that checkov knows.
JUDGED = [name for name in STACKS if load_stack(REPOSITORY, name).environment.target is not Target.LOCAL]
MISTAKES = "mistakes"


@pytest.fixture(scope="session")
def report(recorded: Callable[[str], RecordedStack], tmp_path_factory: pytest.TempPathFactory) -> Report:
    """checkov's answer over all environments, and over resources that are wrong, at once."""
    wrong = registrations(record(mistakes.program, MISTAKES))
    everything = {name: recorded(name).registrations for name in JUDGED} | {MISTAKES: wrong}
    return grade(everything, tmp_path_factory.mktemp("checkov"))


@pytest.fixture(scope="session")
def waivers(report: Report) -> tuple[Waiver, ...]:
    """The waivers, each of a check that looked at something."""
    return load_waivers(WAIVERS, report.checks)


@pytest.mark.parametrize("stack", JUDGED)
def test_no_finding_without_a_waiver(report: Report, waivers: tuple[Waiver, ...], stack: str) -> None:
    """Kubernetes objects, the pods inside custom resources and AWS resources: what fails is waived or fails here."""
    today = datetime.now(UTC).date()
    open_ones = [
        str(one)
        for one in report.findings
        if one.resource.startswith(f"{stack}/") and not waiver_for(waivers, one.check, one.resource, today)
    ]
    assert open_ones == []
    assert report.judged(stack)


def test_no_waiver_has_ended(waivers: tuple[Waiver, ...]) -> None:
    """A waiver holds until its date, and then somebody decides again."""
    assert expired(waivers, datetime.now(UTC).date()) == []


def test_every_waiver_is_needed(report: Report, waivers: tuple[Waiver, ...]) -> None:
    """What was fixed needs no waiver: one that matches no finding would hide the next."""
    found = [one for one in report.findings if not one.resource.startswith(f"{MISTAKES}/")]
    unused = [
        f"{waiver.rule} {waiver.resource}"
        for waiver in waivers
        if not any(waiver.rule == one.check and fnmatchcase(one.resource, waiver.resource) for one in found)
    ]
    assert unused == []


@pytest.mark.parametrize(("resource", "check"), mistakes.MISTAKES.items())
def test_a_mistake_is_found_through_the_export(report: Report, resource: str, check: str) -> None:
    """No finding means something only because a wrong resource of the same type has one."""
    assert (check, f"{MISTAKES}/{resource}") in {(one.check, one.resource) for one in report.findings}


@pytest.mark.parametrize(("resource", "check"), mistakes.RIGHT.items())
def test_what_is_right_is_seen_to_be(report: Report, resource: str, check: str) -> None:
    """Blocks, lists and references arrive: a check that could not read them would fail on everything."""
    assert (check, f"{MISTAKES}/{resource}") in report.passed


@pytest.mark.parametrize("stack", JUDGED)
def test_every_type_that_is_judged_has_a_mistake(report: Report, stack: str) -> None:
    """A type of AWS that checkov looks at and that no mistake above covers could have lost its fields on the way."""
    judged = {name.partition(".")[0] for name in report.judged(stack) if name.startswith("aws_")}
    assert judged - {name.partition(".")[0] for name in mistakes.MISTAKES} == set()
