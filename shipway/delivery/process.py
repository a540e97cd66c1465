"""The delivery process: one loop that follows the declared routes and obeys commands, under the lease."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from shipway.contract.environment import EnvironmentSpec, PortsSpec, load_environment
from shipway.contract.errors import Fatal, Retryable, SpecError
from shipway.contract.layout import LocalLayout
from shipway.delivery.alarms import Alarm, Notifier, alarms
from shipway.delivery.control import Commands, serve_control
from shipway.delivery.controller import utc_now
from shipway.delivery.envoy.admin import Admin
from shipway.delivery.lease import LeaseHeld, hold_lease
from shipway.delivery.local import local_controller
from shipway.delivery.prometheus import Prometheus
from shipway.delivery.rollouts import Rollouts

__all__ = ["local_ports", "prepare", "say", "serve", "stopping_on_signals"]

# A command is carried out at once in any case; this is how soon a new declaration is seen.
POLL_SECONDS = 0.5
# While two slots are compared, a bad version hurts callers until the next round.
COMPARING_POLL_SECONDS = 0.1
PREPARE_TIMEOUT_SECONDS = 10.0
# A gateway that starts and a command of a person hold the lease for a moment.
LEASE_PATIENCE_SECONDS = 3.0


def local_ports(environment: EnvironmentSpec, path: Path | str) -> PortsSpec:
    """Returns the ports of a local environment.

    Raises:
        SpecError: when the environment is on another target.
    """
    if environment.ports is None:
        raise SpecError(path, "target", str(environment.target), "local: only there does a gateway run as a process")
    return environment.ports


def serve(root: Path, environment: str) -> None:
    """Owns the weights of a local stack until SIGTERM or SIGINT.

    Raises:
        Retryable: when another process holds the lease.
        Fatal: when the rollout state cannot be read.
    """
    # The command line has no use for a metrics library.
    from shipway.delivery.measures import Measures
    from shipway.observability.worker import exposed

    spec = load_environment(root, environment)
    ports, layout = local_ports(spec, root), LocalLayout(root, environment)
    stopping = stopping_on_signals()
    measures, commands = Measures(), Commands()
    rollouts = Rollouts(Prometheus(ports.prometheus), utc_now)
    controller = local_controller(layout, ports.gateway, Admin(ports.gateway_admin).read, rollouts)
    with hold_lease(layout.delivery, LEASE_PATIENCE_SECONDS):
        controller.load()
        controller.prepare()
        notifier = Notifier(ports.alertmanager)
        with (
            serve_control(layout.delivery_socket, commands),
            exposed(measures.registry, "delivery", ports.delivery_metrics),
            notifier.running(),
        ):
            said: dict[str, str] = {}
            standing: list[Alarm] = []
            while not stopping.is_set():
                controller.tick()
                commands.looks = rollouts.looks()
                said = say(controller.problems, said)
                measures.show(controller.served, controller.problems)
                measures.disk(layout.state)
                standing = alarms(controller.newest, controller.problems, standing, utc_now(), spec.alerts.runbook_url)
                notifier.show(standing)
                commands.work(controller, COMPARING_POLL_SECONDS if controller.comparing else POLL_SECONDS)


def stopping_on_signals() -> threading.Event:
    """Returns what is set once this process is asked to end."""
    stopping = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping


def say(problems: dict[str, str], said: dict[str, str]) -> dict[str, str]:
    """Logs each problem once when it appears and once when it is gone; returns what was said."""
    for subject in sorted(problems.keys() | said.keys()):
        if problems.get(subject) != said.get(subject):
            print(f"{subject}: {problems.get(subject, 'well again')}", file=sys.stderr, flush=True)
    return dict(problems)


def prepare(
    root: Path, environment: str, command: list[str], execute: Callable[[str, list[str]], None] = os.execvp
) -> None:
    """Makes sure that the gateway finds its last routes when it starts, and becomes the gateway.

    Args:
        root: the project.
        environment: its environment.
        command: the gateway's command line.
        execute: replaces this process.

    Raises:
        Retryable: when another process holds the lease and does not write the files either.
        Fatal: when the rollout state cannot be read.
    """
    ports = local_ports(load_environment(root, environment), root)
    layout = LocalLayout(root, environment)
    files = [layout.envoy / "dynamic" / f"{kind}.json" for kind in ("cds", "lds", "rds")]
    deadline = time.monotonic() + PREPARE_TIMEOUT_SECONDS
    while True:
        try:
            with hold_lease(layout.delivery):
                rollouts = Rollouts(Prometheus(ports.prometheus), utc_now)
                controller = local_controller(layout, ports.gateway, Admin(ports.gateway_admin).read, rollouts)
                controller.load()
                controller.prepare()
                break
        except LeaseHeld as error:
            # Whoever holds the lease writes missing files itself, as soon as it finds the gateway down.
            if all(path.exists() for path in files):
                break
            if time.monotonic() > deadline:
                raise Retryable(f"{files[0].parent} lacks files, and {error}", 1.0) from None
            time.sleep(POLL_SECONDS)
    try:
        execute(command[0], command)
    except OSError as error:
        raise Fatal(f"cannot start {command[0]!r} ({error.strerror})") from None
