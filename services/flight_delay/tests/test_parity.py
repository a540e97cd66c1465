"""What was served and recorded is what the offline join says, by this checkout's code; what is put wrong is named."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shipway.contract.parity import ParitySpec
from shipway.features.offline import history
from shipway.parity.comparing import answer
from shipway.parity.recorded import MOST_BYTES, read_sample
from shipway.parity.report import FeatureParity, Report
from shipway.parity.running import Question

SERVICE = Path(__file__).resolve().parents[1]
SAMPLE = SERVICE / "tests" / "parity" / "sample.parquet"

HUMIDITY = "origin_weather_v1:humidity_percent"
LATE = "carrier_origin_v1:late_ratio_24h"
BUILT = "aircraft_v1:year_built"


@pytest.fixture(scope="module")
def sample() -> pa.Table:
    """Seventy flights of the first of May, replayed against a slot."""
    return read_sample(SAMPLE)


def compare(sample: pa.Table, tmp_path: Path, cache: Path | None = None) -> Report:
    """Returns what parity says of a sample, with its own offline rows or with those of training."""
    path = tmp_path / "records.parquet"
    pq.write_table(sample, path)
    question = Question(
        model="flight-delay",
        version=str(sample.column("version")[0]),
        records=str(path),
        service=str(SERVICE),
        cache=str(cache or ""),
        recorded=cache is None,
        spec=ParitySpec(),
    )
    return answer(question)


def served(sample: pa.Table, name: str, change: Any) -> pa.Table:
    """Returns the sample with what was served of one feature changed, row by row."""
    rows = sample.to_pylist()
    for row in rows:
        for feature in row["features"]:
            if feature["name"] == name:
                change(row, feature)
    return pa.Table.from_pylist(rows, schema=sample.schema)


def of(report: Report, name: str) -> FeatureParity:
    return next(one for one in report.features if one.name == name)


def test_the_recorded_sample_holds(sample: pa.Table, tmp_path: Path) -> None:
    """Every feature of every recorded request is what the join says; the file is small enough for git."""
    report = compare(sample, tmp_path)
    assert report.rows == 70
    assert [(one.name, one.skewed_ratio) for one in report.features if one.skewed_ratio != 0] == []
    assert [cause for one in report.features for cause in one.causes] == []
    assert SAMPLE.stat().st_size < MOST_BYTES


def test_the_training_files_say_what_was_recorded(
    sample: pa.Table, tmp_path: Path, cache: Path, repository: Path
) -> None:
    """What training joins from today gives what was served: nobody changed how a feature is computed on one side."""
    report = compare(sample, tmp_path, cache)
    assert report.offline == str(repository)
    assert report.skewed == ()
    assert [one.skewed_ratio for one in report.features] == [0] * 8


def weather_of_another_hour(sample: pa.Table, repository: Path) -> pa.Table:
    """The trap of this data: `time_hour` is UTC, every other hour is New York's, four hours behind in May."""
    past = history(repository, [HUMIDITY])["origin_weather_v1"]

    def change(row: dict[str, Any], feature: dict[str, Any]) -> None:
        mine = past[past["origin"] == pd.Series(row["entities"]).str.extract(r'"origin": "(\w+)"')[0][0]]
        then = mine[mine["_value_time"] <= pd.Timestamp(row["event_time"]) - pd.Timedelta(hours=4)].iloc[-1]
        feature["value"] = float(then["humidity_percent"])

    return served(sample, HUMIDITY, change)


def carrier_of_the_end_of_the_day(sample: pa.Table, repository: Path) -> pa.Table:
    """Looking ahead: served is what is known only after the next landings."""
    past = history(repository, [LATE])["carrier_origin_v1"]

    def change(row: dict[str, Any], feature: dict[str, Any]) -> None:
        keys = pd.Series(row["entities"]).str.extract(r'"carrier": "(\w+)", "origin": "(\w+)"').iloc[0]
        mine = past[(past["carrier"] == keys[0]) & (past["origin"] == keys[1])]
        later = mine[mine["_value_time"] > pd.Timestamp(row["event_time"]) + pd.Timedelta(minutes=50)]
        feature["value"] = float(later.iloc[0]["late_ratio_24h"])

    return served(sample, LATE, change)


def nulls_as_zero(sample: pa.Table, repository: Path) -> pa.Table:
    """An aircraft nobody knows was built in the year zero."""

    def change(row: dict[str, Any], feature: dict[str, Any]) -> None:
        if feature["status"] == "missing":
            # As the view's other values are.
            stamp = pd.Timestamp("2013-01-01T00:00:00Z").to_pydatetime()
            age_seconds = (row["event_time"] - stamp).total_seconds()
            feature |= {"value": 0.0, "status": "fresh", "timestamp": stamp, "age_seconds": age_seconds}

    return served(sample, BUILT, change)


def percent_for_ratio(sample: pa.Table, repository: Path) -> pa.Table:
    """The late rate in percent."""

    def change(_: dict[str, Any], feature: dict[str, Any]) -> None:
        feature["value"] *= 100

    return served(sample, LATE, change)


@pytest.mark.parametrize(
    ("skew", "feature", "cause"),
    [
        (weather_of_another_hour, HUMIDITY, "timezone"),
        (carrier_of_the_end_of_the_day, LATE, "look_ahead"),
        (percent_for_ratio, LATE, "scaling"),
    ],
)
def test_a_skew_of_these_features_is_named(
    sample: pa.Table, repository: Path, tmp_path: Path, skew: Any, feature: str, cause: str
) -> None:
    """Put into what was served, it is found with the offline rows that the sample brings along, and no other is."""
    report = compare(skew(sample, repository), tmp_path)
    assert [one.name for one in report.skewed] == [feature]
    assert of(report, feature).causes[0].name == cause, of(report, feature)


def test_seven_unknown_aircraft_are_found_and_not_yet_named(sample: pa.Table, repository: Path, tmp_path: Path) -> None:
    """A skew of fewer rows than a cause needs: it is told, and nothing is guessed."""
    found = of(compare(nulls_as_zero(sample, repository), tmp_path), BUILT)
    assert (found.skewed, found.outcomes["missing_offline"], found.causes) == (True, 7, ())
