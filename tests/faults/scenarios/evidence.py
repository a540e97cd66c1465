"""Evidence that is missing, late, or cannot be."""

import signal
from itertools import pairwise

from shipway.contract.evidence import RELATIVE_GATES, Gate, Judgement
from shipway.contract.route import Phase
from tests.faults.page import BLOCKED, EMPTY, Bad
from tests.faults.run import CANDIDATE, LIVE, Run, expect

# What ends at its deadline is over by then; what waits for a person is not.
PATIENCE_SECONDS = 25.0
# Long enough for ten silent seconds to be told before the step is over.
LONG_STEP_SECONDS, SHORT_STEP_SECONDS = 14.0, 4.0
# A look takes half a second at most while Prometheus is silent, the gateway's report and the probes some more.
LONGEST_ROUND_SECONDS = 2.5
# A scrape, a poll and a question may be on their way when a fault strikes.
IN_FLIGHT_SECONDS = 0.7


def prometheus_killed(run: Run) -> None:
    """Prometheus is killed in the first step."""
    run.rollout["max_step_seconds"] = LONG_STEP_SECONDS
    run.begin()
    run.release()
    run.until_weight(5)
    assert run.rig.prometheus is not None
    run.rig.prometheus.kill()
    run.rig.prometheus.wait()
    run.hold(IN_FLIGHT_SECONDS)
    run.mark("struck")
    run.until_ended()


def holds_and_goes_back(run: Run) -> list[str]:
    """The weight is held, the deadline rolls back, and the ledger tells that evidence is missing."""
    return _held(run) + expect({"the ledger tells that evidence is missing": "evidence_missing" in run.actions})


def prometheus_stopped(run: Run) -> None:
    """Prometheus is stopped in the first step; for ever, or for two seconds."""
    run.rollout["max_step_seconds"] = LONG_STEP_SECONDS
    run.begin()
    run.release()
    run.until_weight(5)
    assert run.rig.prometheus is not None
    run.rig.prometheus.send_signal(signal.SIGSTOP)
    run.hold(IN_FLIGHT_SECONDS)
    run.mark("struck")
    beats = [run.rig.heartbeat_seconds()]
    for _ in range(6):
        run.hold(0.5)
        beats.append(run.rig.heartbeat_seconds())
    # What is asked every half second sees a beat of at least that age less the longest round.
    run.notes["rounds"] = len(set(beats))
    run.notes["longest_round_seconds"] = round(max(b - a for a, b in pairwise(beats)), 2)
    if run.seed % 2:
        run.rig.prometheus.send_signal(signal.SIGCONT)
    run.until_ended()


def loop_turns_and_statistics_hold(run: Run) -> list[str]:
    """Questions are bounded; it ends as with a dead Prometheus, or goes on with true counts."""
    problems = expect(
        {
            "the loop turned all the time": run.notes["rounds"] > 2,
            f"no round took over {LONGEST_ROUND_SECONDS} s": run.notes["longest_round_seconds"]
            <= LONGEST_ROUND_SECONDS,
        }
    )
    if run.seed % 2:
        return problems + _healthy(run)
    return problems + holds_and_goes_back(run)


def scrape_blocked(run: Run) -> None:
    """Only the candidate's metrics page answers no more."""
    run.rollout["max_step_seconds"] = SHORT_STEP_SECONDS
    run.begin()
    run.release()
    run.until_weight(5)
    run.rig.slots[run.live_slot.other].behave(page=BLOCKED)
    run.hold(IN_FLIGHT_SECONDS)
    run.mark("struck")
    run.until_ended(PATIENCE_SECONDS)


def names_the_candidate(run: Run) -> list[str]:
    """Held and rolled back, and a person reads that the candidate's evidence is missing."""
    slot = run.live_slot.other
    said = [verdict.sentence for look in run.history() for verdict in look.verdicts if verdict.gate is Gate.EVIDENCE]
    return _held(run) + expect({f"a look says that {slot} is not seen": any(f"in {slot}" in one for one in said)})


def no_traffic(run: Run) -> None:
    """All callers leave before the candidate comes."""
    run.rollout["max_step_seconds"] = SHORT_STEP_SECONDS
    run.begin()
    run.traffic.stop()
    run.release()
    run.until_weight(5)
    run.mark("struck")
    run.until_ended()


def never_promotes(run: Run) -> list[str]:
    """Held at the first step, then rolled back, and a person reads how many requests there were."""
    said = run.entries[-1].reason + " ".join(look.sentence for look in run.history())
    return _held(run) + expect({"it says how many requests there were": "0 candidate" in said})


def counters_reset(run: Run) -> None:
    """A slot's counters fall to zero again and again."""
    run.begin()
    run.release()
    run.until_weight(5)
    slot = run.rig.slots[run.live_slot if run.seed % 2 else run.live_slot.other]
    while run.state.phase is Phase.STEPPING:
        slot.reset()
        run.hold(0.6)
    run.until_ended()


def counts_nothing_twice(run: Run) -> list[str]:
    """No phantom errors, no phantom requests, and the good candidate is promoted."""
    return _healthy(run)


# The ways in which a page can be bad.
PAGES = (*map(str, Bad), EMPTY)


def bad_page(run: Run) -> None:
    """The metrics page of one slot holds what no count can be, twice the same, an unknown event, or nothing."""
    run.rollout["max_step_seconds"] = SHORT_STEP_SECONDS
    page, of_live = PAGES[run.seed % len(PAGES)], run.seed // len(PAGES) % 2
    run.notes |= {"page": page, "slot": "live" if of_live else "candidate"}
    run.begin()
    run.release()
    run.until_weight(5)
    run.rig.slots[run.live_slot if of_live else run.live_slot.other].behave(page=page)
    run.hold(IN_FLIGHT_SECONDS)
    run.mark("struck")
    run.until_ended(PATIENCE_SECONDS)


def refuses_the_reading(run: Run) -> list[str]:
    """Each reading is refused with its cause; nothing is taken for zero, nothing promoted."""
    said = [verdict for look in run.history() for verdict in look.verdicts if verdict.gate is Gate.EVIDENCE]
    last = said[-1] if said else None
    wrong = Judgement.INCONCLUSIVE if run.notes["page"] == EMPTY else Judgement.ERROR
    judged = {one.judgement for one in said[-3:]}
    return _held(run) + expect(
        {
            f"evidence ends as {wrong} or error, not {sorted(judged)}": judged <= {wrong, Judgement.ERROR},
            "the cause is named": last is not None and last.sentence != f"{Gate.EVIDENCE}: ",
        }
    )


def _held(run: Run) -> list[str]:
    """Returns what is wrong with a run in which evidence was missing from `struck` on."""
    weights = run.weights_since("struck")
    state = run.recorder.observed[-1].state
    return expect(
        {
            f"the weight is held and then taken away, not {weights}": set(weights[1:]) <= {weights[0], 0},
            f"it is rolled back, not {state.phase}": state.phase is Phase.ROLLED_BACK,
            "it is not promoted": not {"promoted", "override"} & set(run.actions),
            "live is what it was": run.live_is(LIVE),
        }
    )


def _healthy(run: Run) -> list[str]:
    """Returns what is wrong with a run whose candidate was good and whose evidence had a hole."""
    asked = {version: len(run.traffic.of(run.version(version))) for version in (CANDIDATE, LIVE)}
    verdicts = [
        verdict
        for look in run.history()
        for verdict in look.verdicts
        if verdict.gate in (*RELATIVE_GATES, Gate.HARM_BUDGET)
    ]
    errors = max(
        (one.candidate_events + one.live_events for one in verdicts if one.gate in (Gate.ERRORS, Gate.HARM_BUDGET)),
        default=0,
    )
    most = max((one.candidate_requests for one in verdicts), default=0)
    return expect(
        {
            f"the good candidate is promoted and kept, not {run.actions[-1]}": run.live_is(CANDIDATE),
            f"no phantom errors, not {errors}": errors == 0,
            f"at most the {asked[CANDIDATE]} requests there were, not {most}": most <= asked[CANDIDATE],
        }
    )
