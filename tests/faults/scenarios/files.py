"""Files that are torn, disks that are full, clocks that jump, and what is declared once more or too soon."""

import resource
import signal
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shipway.contract.errors import Retryable
from shipway.contract.evidence import Gate
from shipway.contract.metrics import Slot
from shipway.contract.route import Phase
from tests.faults.bundles import broken_bundle
from tests.faults.run import CANDIDATE, LIVE, Run, expect
from tests.shipway.delivery.stack import wait_until

THIRD = "c"
STATES = ("torn", "corrupt", "empty", "full", "both")


def state_damaged(run: Run) -> None:
    """The served state is torn, corrupt or empty when delivery comes back; or the disk is full for three seconds."""
    kind = STATES[run.seed % len(STATES)]
    run.notes["kind"] = kind
    run.begin()
    run.release()
    run.until_weight(25)
    if kind == "full":
        _fill_disk(run)
    else:
        _damage(run, kind)
    run.until_ended()


def _fill_disk(run: Run) -> None:
    delivery = run.rig.delivery
    assert delivery is not None
    limit = resource.RLIM_INFINITY
    resource.prlimit(delivery.pid, resource.RLIMIT_FSIZE, (0, limit))
    run.hold(0.3)
    run.mark("struck")
    if run.state.phase is Phase.STEPPING:
        with pytest.raises(Retryable, match="nothing was changed"):
            run.rig.ask("promote")
    run.hold(3)
    run.notes["held"] = len(set(run.weights_since("struck"))) == 1
    resource.prlimit(delivery.pid, resource.RLIMIT_FSIZE, (limit, limit))


def _damage(run: Run, kind: str) -> None:
    served = run.rig.layout.served_routes
    confirmed = run.rig.layout.envoy / "confirmed" / served.name
    delivery = run.rig.delivery
    assert delivery is not None
    # A crash between the switch and its copy goes back to the copy; here only one thing breaks at a time.
    wait_until(lambda: served.read_text() == confirmed.read_text(), "the last change is confirmed")
    run.delivery_may_end = True
    delivery.kill()
    delivery.wait()
    good = confirmed.read_text()
    run.notes["weight_percent"] = run.state.weight_percent
    damaged = {"torn": good[: len(good) // 2], "corrupt": "\x00\xff garbage", "empty": ""}.get(kind, "{")
    served.write_text(damaged)
    if kind == "both":
        confirmed.write_text(damaged)
        refusing = run.rig.start_delivery(wait=False)
        run.notes["refused_with"] = refusing.wait(30)
        wait_until(lambda: "no rollout state can be read" in run.rig.delivery_log, "the refusal is said")
        # A person brings the copy back.
        confirmed.write_text(good)
    run.rig.start_delivery()
    run.delivery_may_end = False
    wait_until(lambda: run.state_or_none() is not None, "the served state is whole again")
    run.mark("restored")
    run.notes["weight_percent_after"] = run.weights_since("restored")[0]


def last_good_state_holds(run: Run) -> list[str]:
    """It goes on from the last good state; nothing is lost, and nothing moves on a state that cannot be read."""
    before, after = run.notes.get("weight_percent"), run.notes.get("weight_percent_after")
    return expect(
        {
            f"{before} % are {before} % again, not {after}": before == after,
            "the weight is held while the disk is full": run.notes.get("held", True),
            "with no state it refuses to run": run.notes.get("refused_with", 1) == 1,
            f"the good candidate is promoted and kept, not {run.actions[-1]}": run.live_is(CANDIDATE),
            f"there was one rollout, not {run.state.rollout}": run.state.rollout == 1,
        }
    )


def superseded(run: Run) -> None:
    """A third version is put into the slot of a candidate that has a quarter of the traffic."""
    run.begin()
    run.release()
    run.until_weight(25)
    candidate = run.rig.slots[run.live_slot.other]
    run.mark("struck")
    # As the supervisor does it: the old process finishes what it has begun, then the new one starts.
    candidate.stop()
    run.release(THIRD)
    run.until(lambda state: state.candidate_digest[-1:] == THIRD or state.live_digest[-1:] == THIRD, "it is seen")
    run.until_ended()


def begins_from_zero(run: Run) -> list[str]:
    """The new digest begins a rollout of its own with zero evidence; the old one is drained, not cut."""
    first = next((look for look in run.history(2) if look.verdicts), None)
    counts = [one.candidate_requests for one in first.verdicts if one.gate is Gate.ERRORS] if first else [-1]
    third = run.traffic.of(run.version(THIRD))
    began = run.observed_first(lambda state: state.rollout == 2 and state.phase is Phase.STEPPING)
    early = [one for one in third if began is None or one.answered_at < began.at]
    old = [one for one in run.traffic.of(run.version(CANDIDATE)) if one.status != 200]
    return expect(
        {
            "the third version is live": run.live_is(THIRD),
            f"it is the second rollout, not {run.state.rollout}": run.state.rollout == 2,
            f"its first look counts next to nothing, not {counts}": 0 <= counts[0] <= 20,
            f"it got no request before its first step, not {len(early)}": not early,
            f"no request of the old one was cut, not {len(old)}": not old,
        }
    )


def clock_jumps(run: Run) -> None:
    """The wall clock jumps an hour ahead and two back, in mid-step."""
    run.begin()
    run.rig.stop(run.rig.delivery)
    run.rig.start_delivery(module="tests.faults.clocked")
    run.release()
    delivery = run.rig.delivery
    assert delivery is not None
    for weight, number in ((5, signal.SIGUSR1), (25, signal.SIGUSR2), (50, signal.SIGUSR2)):
        run.until_weight(weight)
        delivery.send_signal(signal.SIGUSR1 if run.seed % 2 and number == signal.SIGUSR2 else number)
    run.until_ended()


def is_not_early(run: Run) -> list[str]:
    """No step ends before its time, none by its deadline, and the good candidate is promoted."""
    steps = [one for one in run.recorder.observed if one.state.phase is Phase.STEPPING and not _saved(run, one)]
    changes = [
        one
        for place, one in enumerate(steps)
        if not place or one.state.weight_percent != steps[place - 1].state.weight_percent
    ]
    shortest = min((b.at - a.at for a, b in pairwise(changes)), default=99.0)
    longest = max((look.step_elapsed_seconds for look in run.history()), default=0.0)
    minimum = run.rollout["min_step_seconds"]
    return expect(
        {
            f"no step is shorter than {minimum} s, not {shortest:.2f}": shortest >= minimum - 0.05,
            f"no hour passes in a step, not {longest:.0f} s": longest < 60,
            f"the good candidate is promoted and kept, not {run.actions[-1]}": run.live_is(CANDIDATE),
        }
    )


def _saved(run: Run, one: Any) -> bool:
    return one.state.generation not in {entry.generation for entry in run.entries}


ROUTES = ("torn", "refused", "own", "overwritten")


def bad_route(run: Run) -> None:
    """A route is torn, a neighbour's or its own is refused by the gateway, or the served file is overwritten."""
    kind = ROUTES[run.seed % len(ROUTES)]
    run.notes["kind"] = kind
    run.begin()
    run.release()
    run.until_weight(5)
    declared = run.rig.layout.routes / "digits.json"
    good = declared.read_text()
    if kind == "torn":
        _replace(declared, good[: len(good) // 2])
        wait_until(lambda: "digits" in run.rig.problems(), "the torn file is told")
        _replace(declared, good)
    elif kind == "refused":
        run.rig.neighbour("flights", "d", timeout_seconds=1e12)
        wait_until(lambda: "flights: the gateway refused" in run.rig.delivery_log, "the refusal is told")
    elif kind == "own":
        run.declare(timeout_seconds=1e12)
        wait_until(lambda: "digits: the gateway refused" in run.rig.delivery_log, "the refusal is told")
        run.declare()
    else:
        _replace(run.rig.layout.served_routes, "{ not a route")
        wait_until(lambda: run.state_or_none() is not None, "delivery puts the last good file back")
    run.until_ended()


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(".replaced")
    temporary.write_text(text)
    temporary.rename(path)


def last_good_route_holds(run: Run) -> list[str]:
    """No caller notices, the rollout goes on, and what was refused is told."""
    return expect({f"the good candidate is promoted and kept, not {run.actions[-1]}": run.live_is(CANDIDATE)})


def declared_again(run: Run) -> None:
    """After a rollback the same desired state is applied again, changed in a detail, and delivery starts anew."""
    run.begin()
    run.release(error_ratio=1.0)
    run.until_ended()
    run.rig.slots[Slot.GREEN].behave(error_ratio=0.0)
    run.notes["rollout"] = run.state.rollout
    run.declare()
    run.hold(1)
    run.declare(timeout_seconds=21.0)
    run.hold(1)
    run.rig.stop(run.rig.delivery)
    run.rig.start_delivery()
    run.hold(2)


def stays_rolled_back(run: Run) -> list[str]:
    """It stays rolled back, without a share, whoever declares it again."""
    state = run.state
    return expect(
        {
            f"it is rolled back, not {state.phase}": state.phase is Phase.ROLLED_BACK,
            "no share comes back": set(run.weights_since("ended")) == {0},
            "no rollout begins": state.rollout == run.notes["rollout"],
            "it is told once": run.actions.count("rolled_back") == 1,
        }
    )


def bundle_swapped(run: Run) -> None:
    """A real slot is started on a bundle whose model is swapped, cut short, or of a format nobody allows."""
    run.rollout["prepare_seconds"] = 8.0
    command, kind = broken_bundle(run.root, run.seed, run.rig.stack.base_port + 21)
    run.notes["kind"] = kind
    run.begin()
    process = run.rig.slot(Slot.GREEN, CANDIDATE)
    process.real = command
    process.start(wait=False)
    assert isinstance(process.process, subprocess.Popen)
    run.declare()
    run.released = process.digest
    run.mark("released")
    run.notes["ended_with"] = process.process.wait(60)
    run.until_ended()


def is_refused_before_it_loads(run: Run) -> list[str]:
    """The slot ends with one line that names the file, nothing of it ran, and live keeps serving."""
    said = (run.root / "digits-green.log").read_text()
    return expect(
        {
            "the slot ends with 1": run.notes["ended_with"] == 1,
            f"it says what it found, not {said[-200:]!r}": "error: " in said and "expected" in said,
            "nothing of the bundle ran": not (run.root / "ran").exists(),
            "it is failed": run.state.phase is Phase.FAILED,
            "it got no request": not run.traffic.of(run.version(CANDIDATE)),
            "live is what it was": run.live_is(LIVE),
        }
    )
