"""Every fault by its number: what is injected, and what must happen."""

from tests.faults.run import Fault
from tests.faults.scenarios import evidence, files, processes, serving, versions

__all__ = ["FAULTS"]

FAULTS: dict[str, Fault] = {
    "F1": Fault("candidate fails", versions.bad_candidate, versions.bad_candidate_is_rolled_back),
    "F2": Fault("candidate is slow", versions.slow_candidate, versions.slow_candidate_is_rolled_back),
    "F3": Fault("candidate never starts", processes.crashes_at_start, processes.never_takes_traffic),
    "F4": Fault("candidate killed in mid-step", processes.killed_in_mid_step, processes.loses_one_a_connection_at_most),
    "F5": Fault("Prometheus killed", evidence.prometheus_killed, evidence.holds_and_goes_back),
    "F6": Fault("Prometheus stopped", evidence.prometheus_stopped, evidence.loop_turns_and_statistics_hold),
    "F7": Fault("candidate's scrape blocked", evidence.scrape_blocked, evidence.names_the_candidate),
    "F8": Fault("no traffic", evidence.no_traffic, evidence.never_promotes),
    "F9": Fault("counters reset", evidence.counters_reset, evidence.counts_nothing_twice),
    "F10": Fault("bad metrics page", evidence.bad_page, evidence.refuses_the_reading),
    "F11": Fault("controller killed at each side effect", processes.controller_killed, processes.converges),
    "F12": Fault("two controllers", processes.two_controllers, processes.the_loser_writes_nothing),
    "F13": Fault("damaged state, full disk", files.state_damaged, files.last_good_state_holds),
    "F14": Fault("third version in mid-step", files.superseded, files.begins_from_zero),
    "F15": Fault("both slots bad", versions.both_bad, versions.both_bad_freezes),
    "F16": Fault("live bad, candidate good", versions.live_bad, versions.live_bad_is_left),
    "F17": Fault("flapping metric", versions.flapping, versions.flapping_is_decided_once),
    "F18": Fault("clock jumps", files.clock_jumps, files.is_not_early),
    "F19": Fault("gateway killed in mid-step", processes.gateway_killed, processes.restores_the_weights),
    "F20": Fault("bad route", files.bad_route, files.last_good_route_holds),
    "F21": Fault("old slot stopped at work", processes.stopped_at_work, processes.is_drained),
    "F22": Fault("promoted slot fails", versions.fails_after_promotion, versions.goes_back_to_the_healthy_one),
    "F23": Fault("declared again after a rollback", files.declared_again, files.stays_rolled_back),
    "F24": Fault("online store fails", serving.store_fails, serving.serves_declared_defaults),
    "F25": Fault("bundle swapped", files.bundle_swapped, files.is_refused_before_it_loads),
    "F25b": Fault("bundles broken under a slot", serving.bundles_broken, serving.previous_keeps_serving),
}
