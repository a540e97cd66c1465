"""Silence is an alarm: what the registry of periodic things becomes, on invented hours."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.alerts import AlertName
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.metrics import DELIVERY_JOB, LAST_WORK
from shipway.contract.periodic import PERIODIC, Of, Periodic, silence_seconds
from shipway.contract.workers import WORKERS
from shipway.observability.alert_tests import alert_tests, run_alert_tests
from shipway.observability.rules import platform_rules
from tests.shipway.observability.test_rules import ENVIRONMENT, promtool

__all__ = ["promtool"]


@pytest.mark.parametrize("job", [job for job, thing in PERIODIC.items() if thing.of is Of.PLATFORM])
def test_every_periodic_thing_alarms_when_it_never_worked_died_or_hangs(promtool: str, job: str) -> None:
    """And neither while it works, nor in the first half of its objective on a new stack: promtool counts."""
    rules = platform_rules(ENVIRONMENT, scraped=(), periodic=[PERIODIC[job]])
    tests = next(text for name, text in alert_tests(rules).items() if name == "1.tests.yml")
    fires = [case["promql_expr_test"][0]["exp_samples"][0]["value"] for case in yaml.safe_load(tests)["tests"]]
    assert fires == [1, 1, 1, 0, 0]
    found = run_alert_tests(promtool, rules)
    # Five of its own, and those of the watchdog, of the disks, and of what hinders delivery.
    assert (found.failed, found.passed) == (0, 10 if job == DELIVERY_JOB else 8)


def test_a_row_is_all_that_a_new_periodic_thing_needs(promtool: str) -> None:
    """Its alert, with owner, severity and words, and the alert's tests, come from the row."""
    row = Periodic("backup", 60, 600, "a copy", silent="Nothing could be restored.")
    rules = platform_rules(ENVIRONMENT, scraped=(), periodic=[row])
    (alert,) = [
        rule
        for group in yaml.safe_load(rules)["groups"]
        for rule in group["rules"]
        if rule.get("alert") == AlertName.SILENT
    ]
    assert alert["expr"] == f'time() - {LAST_WORK}{{part="backup"}} > 584'
    assert alert["for"] == "15s"
    assert alert["labels"] == {"severity": "ticket", "owner": "platform", "part": "backup"}
    assert alert["annotations"]["summary"] == (
        "backup: nothing for {{ $value | humanizeDuration }}, expected a copy. Nothing could be restored."
    )
    assert run_alert_tests(promtool, rules).failed == 0


def test_an_alert_that_counts_from_the_epoch_would_page_a_new_stack(promtool: str) -> None:
    """The stories tell: without its memory of the first look, the alert about what never worked fails them."""
    rules = platform_rules(ENVIRONMENT, scraped=(), periodic=[PERIODIC["labels"]])
    assert rules.count("or vector(time())") == 1
    assert run_alert_tests(promtool, rules.replace("vector(time())", "vector(time() - 1e6)")).failed > 0
    assert run_alert_tests(promtool, rules.replace(" or vector(time())", "")).failed > 0


def test_a_prometheus_that_was_away_itself_listens_before_it_tells_of_silence() -> None:
    """It hears of its targets ten seconds after its start; the objective of fifteen seconds leaves twelve for that."""
    alerts = [
        rule
        for group in yaml.safe_load(platform_rules(ENVIRONMENT))["groups"]
        for rule in group["rules"]
        if rule.get("alert") == AlertName.SILENT
    ]
    listens = {rule["labels"]["part"]: rule.get("for", "0s") for rule in alerts}
    assert listens.pop("delivery") == "12s"
    assert set(listens.values()) == {"15s"}
    for rule in alerts:
        thing = PERIODIC[rule["labels"]["part"]]
        limit = float(rule["expr"].rpartition("> ")[2])
        assert limit >= thing.every_seconds + 2 * ENVIRONMENT.scrape_interval_seconds
        assert (
            limit + float(rule.get("for", "0s")[:-1]) + 2 * ENVIRONMENT.scrape_interval_seconds
            <= thing.objective_seconds
        )


def test_every_worker_is_a_periodic_thing() -> None:
    """No process of the platform can die unheard."""
    assert WORKERS.keys() <= PERIODIC.keys()


@given(every=st.floats(0.1, 7200), more=st.floats(0.1, 7200), interval=st.floats(0.1, 60))
def test_silence_is_told_within_the_objective_where_scrapes_allow_it(
    every: float, more: float, interval: float
) -> None:
    """Two scrapes are left of the objective; where that is no time to work in, one run and two scrapes are waited."""
    thing = Periodic("a", every, every + more, "b")
    found = silence_seconds(thing, interval)
    assert found >= every + 2 * interval
    if more >= 4 * interval:
        assert found + 2 * interval <= thing.objective_seconds + 1e-6


def test_an_objective_must_leave_time_for_a_run() -> None:
    """A row that would always alarm is refused, with both its numbers."""
    with pytest.raises(ValueError, match=r"a: expected an objective \(60 s\) longer than .* \(60 s\)"):
        Periodic("a", 60, 60, "b")


def test_a_slow_scrape_moves_the_alarm_and_does_not_cry_wolf() -> None:
    """Scraped every half minute, delivery is missed after a minute: its objective of fifteen seconds cannot be kept."""
    slow = EnvironmentSpec.model_validate(ENVIRONMENT.model_dump() | {"scrape_interval_seconds": 30}, strict=False)
    assert '{part=\\"delivery\\"} > 60.25' in platform_rules(slow)
