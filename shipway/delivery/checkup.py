"""Whether a local stack and its machine are in order: one finding a part, each with what to do about it."""

import fcntl
import http.client
import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from shipway.contract.environment import PortsSpec
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import DELIVERY_JOB, HEARTBEAT_TIMESTAMP_SECONDS
from shipway.contract.periodic import PERIODIC
from shipway.contract.workers import WORKERS
from shipway.delivery.ledger import Ledger
from shipway.delivery.machine import Process, carrying, listener, port_is_free, strays
from shipway.delivery.survey import UP, process_states

__all__ = ["Finding", "check_disk", "check_heartbeat", "check_locks", "check_ports", "check_processes", "check_stack"]

# Logs, metrics and bundles of a few releases; below this the next write may fail.
_LEAST_FREE_MIB = 1024
_MIB = 1024 * 1024
_TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True)
class Finding:
    """What one look found.

    Args:
        subject: the part.
        ok: whether it is in order.
        detail: what was seen.
        remedy: what to do, empty when nothing is.
    """

    subject: str
    ok: bool
    detail: str
    remedy: str = ""


def check_stack(layout: LocalLayout, ports: PortsSpec, now: Callable[[], float] = time.time) -> list[Finding]:
    """Returns the findings of the local stack of `layout`; `now` is in seconds since the epoch."""
    processes = carrying(layout.state)
    states = process_states(layout.supervisor_socket)
    up = f"run `make up ENV={layout.environment}`"
    rolls_back = f"{up}; `shipway rollback` works meanwhile"
    hangs = f"see its log in {layout.logs}; end it when it hangs, the supervisor starts it again"
    return [
        *check_ports(ports, processes, layout.environment),
        check_disk(layout.state),
        *check_processes(layout, processes, states, up),
        *check_locks(layout),
        check_heartbeat(DELIVERY_JOB, ports.delivery_metrics, states, now(), rolls_back),
        *(check_heartbeat(job, ports.worker_metrics(job), states, now(), hangs) for job in WORKERS),
        *_ledger(layout),
    ]


def check_ports(
    ports: PortsSpec,
    processes: Mapping[int, Process],
    environment: str,
    free: Callable[[int], bool] = port_is_free,
    who: Callable[[int], tuple[int, str] | None] = listener,
) -> list[Finding]:
    """Returns whether each fixed port is free, or held by a process of this stack."""
    found: list[Finding] = []
    for name, port in ports.platform.items():
        subject = f"port {port} ({name})"
        if free(port):
            found.append(Finding(subject, True, "free"))
            continue
        holder = who(port)
        if holder and holder[0] in processes:
            found.append(Finding(subject, True, f"held by this stack's process {holder[0]} ({holder[1]})"))
            continue
        taken = f"process {holder[0]} ({holder[1]})" if holder else "a process that cannot be seen"
        remedy = f"stop {taken}, or choose another ports.base in stacks/Pulumi.{environment}.yaml"
        found.append(Finding(subject, False, f"taken by {taken}, which is none of this stack's", remedy))
    return found


def check_disk(folder: Path, least_mib: int = _LEAST_FREE_MIB) -> Finding:
    """Returns whether the disk that holds, or will hold, `folder` has room."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free // _MIB
    detail = f"{free} MiB free at {there}"
    remedy = "" if free >= least_mib else f"free at least {least_mib} MiB; `make clean` removes what can be made again"
    return Finding("disk", not remedy, detail, remedy)


def check_processes(
    layout: LocalLayout, processes: Mapping[int, Process], states: Mapping[str, str] | None, up: str
) -> list[Finding]:
    """Returns whether the supervisor answers, what it says is down, and which processes outlived their supervisor."""
    found: list[Finding] = []
    if states is not None:
        found.append(Finding("supervisor", True, f"answers for {len(states)} processes"))
        down = sorted(name for name, state in states.items() if state not in UP)
        listed = ", ".join(f"{name} ({states[name]})" for name in down)
        remedy = f"see {layout.logs}; {up} starts them again"
        found.append(
            Finding("processes", False, f"down: {listed}", remedy) if down else Finding("processes", True, "all run")
        )
    elif not processes and not any(layout.routes.glob("[!.]*.json")):
        found.append(Finding("supervisor", True, f"not started; {up.removeprefix('run ')} starts the stack"))
    else:
        found.append(Finding("supervisor", False, f"does not answer at {layout.supervisor_socket}", up))
    stale = strays(processes)
    if stale:
        said = ", ".join(f"{process.pid} ({process.name})" for process in stale)
        ends = f"`make down ENV={layout.environment}` ends them, and so does the next `make up`"
        found.append(Finding("stale processes", False, f"without a supervisor: {said}", ends))
    else:
        found.append(Finding("stale processes", True, "none"))
    return found


def check_locks(layout: LocalLayout, alive: Callable[[int], bool] = psutil.pid_exists) -> list[Finding]:
    """Returns whether a lock names a holder that is gone, and whether the lease is held by who it says.

    Args:
        layout: the stack.
        alive: returns whether a process runs.
    """
    found = [_lease(layout.delivery / "lease")]
    backend = layout.root / ".shipway" / "pulumi" / "state" / ".pulumi" / "locks"
    stale: list[str] = []
    for path in sorted(backend.glob(f"organization/*/{layout.environment}/*.json")):
        try:
            pid = int(json.loads(path.read_text(encoding="utf-8"))["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            stale.append(f"{path} cannot be read")
        else:
            if not alive(pid):
                stale.append(f"{path} of process {pid}, which is gone")
    cancel = f"`pulumi cancel -s {layout.environment} --yes`"
    found.append(
        Finding("stack lock", False, "; ".join(stale), cancel) if stale else Finding("stack lock", True, "no stale one")
    )
    return found


def _lease(path: Path) -> Finding:
    if not path.exists():
        return Finding("lease", True, "nobody ever held it")
    with path.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Finding("lease", True, f"held by process {handle.read(32).decode(errors='replace').strip()}")
        # The kernel gave it back with its process, so what the file still says stands in nobody's way.
        return Finding("lease", True, "free")


def check_heartbeat(job: str, port: int, states: Mapping[str, str] | None, now_seconds: float, remedy: str) -> Finding:
    """Returns whether a periodic process finished a round within its objective.

    Args:
        job: which, a row of PERIODIC.
        port: of its metrics.
        states: of the supervisor's processes, None where no supervisor answers.
        now_seconds: since the epoch.
        remedy: what to do when it does not answer.
    """
    if states is None:
        return Finding(job, True, "not started, as nothing is: no supervisor answers")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode(errors="replace").splitlines()
    except (OSError, http.client.HTTPException) as error:
        return Finding(job, False, f"does not answer on port {port} ({error or type(error).__name__})", remedy)
    finally:
        connection.close()
    beats = _beats(job, lines)
    if not beats:
        return Finding(job, False, f"has finished no round yet, says port {port}", f"see the log of {job}")
    age_seconds = now_seconds - max(beats)
    if age_seconds > PERIODIC[job].objective_seconds:
        return Finding(job, False, f"finished its last round {age_seconds:.0f} s ago", f"see the log of {job}")
    return Finding(job, True, f"finished its last round {max(age_seconds, 0.0):.1f} s ago")


def _beats(job: str, lines: Iterable[str]) -> list[float]:
    found = [line for line in lines if line.startswith(f'{HEARTBEAT_TIMESTAMP_SECONDS}{{job="{job}"}}')]
    return [float(line.rpartition(" ")[2]) for line in found]


def _ledger(layout: LocalLayout) -> list[Finding]:
    damage = Ledger(layout.ledger).verify()
    remedy = "find out who edited it: entries are never changed, and delivery chains nothing to a damaged one"
    return [Finding("ledger", False, one, remedy) for one in damage] or [
        Finding("ledger", True, "each entry is as it was written")
    ]
