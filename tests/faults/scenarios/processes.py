"""Processes that die, hang, start twice or stop at work."""

import json
import signal
import subprocess
import sys
import threading

from shipway.contract.metrics import Slot
from shipway.contract.release import short_digest
from shipway.contract.route import Phase
from shipway.delivery.failpoints import FAILPOINTS
from tests.faults.run import CANDIDATE, LIVE, Run, expect
from tests.shipway.delivery.stack import ENVIRONMENT, PROJECT, Answer, digest, wait_until


def crashes_at_start(run: Run) -> None:
    """The candidate's process ends at once, or never opens its port."""
    run.rollout["prepare_seconds"] = 3.0
    run.begin()
    run.release(crash=run.seed % 2 == 0, start=run.seed % 2 == 0)
    run.until_ended()
    run.hold(0.5)


def never_takes_traffic(run: Run) -> list[str]:
    """Failed at the deadline, without one request."""
    taken = [one.state.weight_percent for one in run.recorder.observed if one.state.weight_percent]
    failed = run.observed_first(lambda state: state.phase is Phase.FAILED)
    seconds = failed.at - run.marks["released"] if failed else 0.0
    return expect(
        {
            "it is failed": run.state.phase is Phase.FAILED,
            f"it never had a share, not {taken}": not taken,
            "it got no request": not run.traffic.of(run.version(CANDIDATE)),
            f"at the deadline of 3 s, not after {seconds:.1f}": 3.0 <= seconds <= 6.0,
            "live is what it was": run.live_is(LIVE),
        }
    )


def killed_in_mid_step(run: Run) -> None:
    """The candidate's process is killed while it has a quarter of the traffic."""
    run.expected_lost = True
    run.begin()
    run.release()
    run.until_weight(25)
    candidate = run.rig.slots[run.live_slot.other]
    run.notes["connections"] = candidate.stats()["open"]
    candidate.kill()
    run.mark("struck")
    run.until_ended()
    run.hold(0.5)


def loses_one_a_connection_at_most(run: Run) -> list[str]:
    """The gateway goes on to live, so that at most one request a cut connection is lost; then it is rolled back."""
    lost = len(run.traffic.failed())
    late = [one for one in run.traffic.failed() if one.at > run.marks["ended"]]
    return expect(
        {
            "it is rolled back": run.state.phase is Phase.ROLLED_BACK,
            f"at most one loss for each of {run.notes['connections']} connections, not {lost}": lost
            <= run.notes["connections"],
            f"none after the rollback, not {len(late)}": not late,
            "live is what it was": run.live_is(LIVE),
        }
    )


def controller_killed(run: Run) -> None:
    """Delivery kills itself before or after one of its side effects, at the rollout's beginning or in its middle."""
    name, late = FAILPOINTS[run.seed % len(FAILPOINTS)], run.seed // len(FAILPOINTS) % 2
    run.notes |= {"part": name, "parts": list(FAILPOINTS), "moment": "in a step" if late else "at the release"}
    run.begin()
    run.delivery_may_end = True
    if late:
        run.release()
        run.until_weight(5)
    run.rig.stop(run.rig.delivery)
    process = run.rig.start_delivery(failpoint=name, wait=False)
    if not late:
        run.release()
    wait_until(lambda: process.poll() is not None, f"delivery reached {name}", 30)
    run.notes["ended_with"] = process.returncode
    run.rig.start_delivery()
    run.delivery_may_end = False
    run.until_ended()


def converges(run: Run) -> list[str]:
    """Whoever goes on brings the one rollout to the end that it would have had."""
    return expect(
        {
            f"it died of {run.notes['part']}": run.notes["ended_with"] == -signal.SIGKILL,
            "the good candidate is live": run.live_is(CANDIDATE) and run.state.phase is Phase.SETTLED,
            f"there was one rollout, not {run.state.rollout}": run.state.rollout == 1,
            "each step is told once": run.actions.count("stepping") == 1 and run.actions.count("promoted") == 1,
        }
    )


def two_controllers(run: Run) -> None:
    """A second delivery process starts in mid-step, in odd seeds while the first one is stopped."""
    run.begin()
    run.release()
    run.until_weight(5)
    first = run.rig.delivery
    assert first is not None
    if run.seed % 2:
        first.send_signal(signal.SIGSTOP)
    before = run.rig.layout.served_routes.stat().st_ino
    arguments = [sys.executable, "-m", "shipway.delivery", "serve", "--root", str(run.root), "--env", ENVIRONMENT]
    second = subprocess.run(arguments, capture_output=True, text=True, cwd=PROJECT, timeout=30, check=False)
    run.notes |= {"said": second.stderr.strip(), "ended_with": second.returncode}
    if run.seed % 2:
        run.notes["written"] = before != run.rig.layout.served_routes.stat().st_ino
        first.send_signal(signal.SIGCONT)
    run.until_ended()


def the_loser_writes_nothing(run: Run) -> list[str]:
    """The second one says who holds the lease and ends; the rollout of the first goes on."""
    said = run.notes["said"]
    return expect(
        {
            "the second one ends with 1": run.notes["ended_with"] == 1,
            f"it says who holds the lease, not {said!r}": "another process holds the lease" in said,
            "nothing was written while the first one was stopped": not run.notes.get("written", False),
            "the good candidate is live": run.live_is(CANDIDATE),
        }
    )


def gateway_killed(run: Run) -> None:
    """The gateway is killed while the candidate has a quarter of the traffic, and started again."""
    run.expected_lost = True
    run.begin()
    run.release()
    run.until_weight(25)
    gateway = run.rig.gateway
    assert gateway is not None
    # In odd seeds the change may be on its way, written but not confirmed; such a write is undone and counts as none.
    if run.seed % 2 == 0:
        run.wait_for_ledger("advanced")
    run.undoes = run.seed % 2 == 1
    run.mark("struck")
    gateway.kill()
    gateway.wait()
    run.notes["weight_percent"] = run.state.weight_percent
    run.rig.start_gateway()
    run.mark("restarted")
    run.notes["weight_percent_after"] = run.state.weight_percent
    run.until_ended()


def restores_the_weights(run: Run) -> list[str]:
    """The last weights are in force before it listens; nothing is lost once it does."""
    restarted = run.marks["restarted"]
    refused = [one for one in run.traffic.failed() if one.status]
    late = [one for one in run.traffic.failed() if one.at > restarted + 0.5]
    before, after = run.notes["weight_percent"], run.notes["weight_percent_after"]
    return expect(
        {
            f"{before} % are {before} % again, not {after}": before == after or run.undoes,
            f"it never answers without its routes, as it did {[one.status for one in refused[:3]]}": not refused,
            f"nothing is lost after it is back, not {len(late)}": not late,
            f"the good candidate is promoted and kept, not {run.actions[-1]}": run.live_is(CANDIDATE),
        }
    )


LONG_REQUESTS, LONG_SECONDS = 20, 2.0


def stopped_at_work(run: Run) -> None:
    """The old slot is told to stop right after the switch, with twenty long requests in flight."""
    run.begin()
    run.release()
    run.until_weight(5)
    answers: list[Answer] = []

    def ask(number: int) -> None:
        body = json.dumps({"seconds": LONG_SECONDS, "id": f"long-{number}"}).encode()
        answers.append(run.rig.stack.call(body=body, unit=f"long-{number}"))

    old = run.rig.slots[Slot.BLUE]
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(LONG_REQUESTS)]
    idle = old.stats()["busy"]
    for thread in threads:
        thread.start()
    wait_until(
        lambda: old.stats()["busy"] >= idle + LONG_REQUESTS // 2, "the long requests are under way", LONG_SECONDS
    )
    run.rig.ask("promote")
    old.stop()
    for thread in threads:
        thread.join(30)
    run.notes["long"] = [answer.status for answer in answers]
    run.notes["of_old"] = sum(answer.version == short_digest(digest(LIVE)) for answer in answers)
    run.until_ended()


def is_drained(run: Run) -> list[str]:
    """Every long request is answered by the version that began it; none is cut."""
    return expect(
        {
            f"all are answered, not {run.notes['long']}": run.notes["long"] == [200] * LONG_REQUESTS,
            "the old slot answered some of them": run.notes["of_old"] > 0,
            "the new version is live": run.live_is(CANDIDATE),
        }
    )
