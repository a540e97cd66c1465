import pytest

from shipway.contract.errors import SpecError
from shipway.training.plan import TrainingSettings
from shipway.training.settings import parse_overrides, parse_settings


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
        (["fault.error_ratio=0.5"], r"--set: fault\.error_ratio: got '0\.5', expected no such key: fault settings are"),
    ],
)
def test_what_is_wrong_is_named(assignments: list[str], message: str) -> None:
    """The error names the key, the value and what was expected."""
    with pytest.raises(SpecError, match=message):
        parse_settings(Settings, parse_overrides(assignments))
