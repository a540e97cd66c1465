import pytest

from shipway.bundle.served import FaultsSpec
from shipway.contract.errors import SpecError
from shipway.training.plan import TrainingSettings
from shipway.training.settings import parse_faults, parse_overrides, parse_settings


class Settings(TrainingSettings):
    """What `--set` may change here."""

    rounds: int = 10
    rate: float = 0.1
    start: str = "2013-01-01"
    balanced: bool = False


def test_values_have_the_types_of_the_settings() -> None:
    """Text stays text even where YAML would read a date."""
    overrides = parse_overrides(["rounds=5", "rate=1", "start=2013-02-01", "balanced=true"])
    assert parse_settings(Settings, overrides) == Settings(rounds=5, rate=1.0, start="2013-02-01", balanced=True)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["rounds"], r"--set: got 'rounds', expected key=value"),
        (["=5"], r"--set: got '=5', expected key=value"),
        (["rounds=1", "rounds=2"], r"--set: rounds: got 'rounds=2', expected each key once"),
        (
            ["round=5"],
            r"--set: round: got '5', expected one of balanced, rate, rounds, seed, start; did you mean 'rounds'",
        ),
        (["rounds=many"], r"--set: rounds: got 'many', expected a valid integer"),
        (["seed=-1"], r"--set: seed: got -1, expected greater than or equal to 0"),
    ],
)
def test_what_is_wrong_is_named(assignments: list[str], message: str) -> None:
    """The error names the key, the value and what was expected."""
    with pytest.raises(SpecError, match=message):
        parse_settings(Settings, parse_overrides(assignments))


def test_faults_are_apart_from_the_plans_settings() -> None:
    """Every plan takes them, and none sees them."""
    overrides = parse_overrides(["fault.error_ratio=0.2", "rounds=5", "fault.latency_seconds=1", "fault.crash=true"])
    assert parse_faults(overrides) == FaultsSpec(error_ratio=0.2, latency_seconds=1.0, crash=True)
    assert parse_settings(Settings, overrides) == Settings(rounds=5)


@pytest.mark.parametrize("assignments", [[], ["rounds=5"], ["fault.error_ratio=0", "fault.crash=false"]])
def test_a_fault_of_nothing_is_no_fault(assignments: list[str]) -> None:
    """A version that cannot fail is the version itself, under its own digest."""
    assert parse_faults(parse_overrides(assignments)) is None


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (
            ["fault.eror_ratio=0.5"],
            r"--set: fault\.eror_ratio: got '0\.5', expected one of fault\.crash, fault\.error_ratio, "
            r"fault\.latency_seconds, fault\.nan_ratio; did you mean 'fault\.error_ratio'",
        ),
        (["fault.error_ratio=1.5"], r"--set: fault\.error_ratio: got 1\.5, expected less than or equal to 1"),
        (["fault.nan_ratio=-0.1"], r"--set: fault\.nan_ratio: got -0\.1, expected greater than or equal to 0"),
        (["fault.latency_seconds=-1"], r"--set: fault\.latency_seconds: got -1, expected greater than or equal to 0"),
        (["fault.latency_seconds=.inf"], r"--set: fault\.latency_seconds: got inf, expected a finite number"),
        (["fault.error_ratio=.nan"], r"--set: fault\.error_ratio: got nan, expected a finite number"),
        (["fault.error_ratio=often"], r"--set: fault\.error_ratio: got 'often', expected a valid number"),
        (["fault.crash=1"], r"--set: fault\.crash: got 1, expected a valid boolean"),
        (
            ["fault.error_ratio=0.7", "fault.nan_ratio=0.7"],
            r"--set: fault: got .*, expected error_ratio \(0\.7\) and nan_ratio \(0\.7\) to be at most 1 together",
        ),
    ],
)
def test_a_fault_that_cannot_be_is_named(assignments: list[str], message: str) -> None:
    """The error names the key as it was written, the value and what was expected."""
    with pytest.raises(SpecError, match=message):
        parse_faults(parse_overrides(assignments))
