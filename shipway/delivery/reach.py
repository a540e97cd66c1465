"""Reach: an environment as a person's command meets it, the same whatever runs its slots."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from shipway.contract.environment import EnvironmentSpec, PortsSpec, Target, environment_path, load_environment
from shipway.contract.errors import Retryable
from shipway.contract.layout import LocalLayout
from shipway.contract.rollout import Look
from shipway.contract.route import RouteSpec
from shipway.delivery import client, survey
from shipway.delivery.control import Command
from shipway.delivery.controller import utc_now
from shipway.delivery.declared import read_declared
from shipway.delivery.history import first_looks, read_history
from shipway.delivery.ledger import Ledger
from shipway.delivery.process import local_ports
from shipway.delivery.served import ServedModel, load_served
from shipway.delivery.shown import look_at
from shipway.delivery.survey import RUNNING, UP, Get

__all__ = ["LocalReach", "Reach", "Running", "local_reach", "reach"]

_NOBODY_JUDGES = "the delivery process does not run, so nothing is judged; this is what it wrote last"
_SAYS_NOTHING = "the delivery process does not answer now; this is what it wrote last"


@dataclass(frozen=True)
class Running:
    """What should run, and how it does.

    Args:
        states: name -> state, of all that should run.
        down: those of them that cannot do their work.
        starting: those that are about to.
        silent: why nothing is known, in one sentence with what helps; empty when something is.
        noun: what they are.
    """

    states: Mapping[str, str]
    down: tuple[str, ...] = ()
    starting: tuple[str, ...] = ()
    silent: str = ""
    noun: str = "processes"


class Reach(Protocol):
    """The way to one environment. Methods raise Retryable when it does not answer, unless they say otherwise."""

    @property
    def ledger(self) -> Ledger:
        """Who did what."""
        ...

    @property
    def prometheus(self) -> Get:
        """Asks Prometheus; None for no answer."""
        ...

    @property
    def alertmanager(self) -> Get:
        """Asks Alertmanager; None for no answer."""
        ...

    @property
    def asked(self) -> str:
        """Where Prometheus is asked, in words."""
        ...

    def served(self) -> Mapping[str, ServedModel]:
        """Returns model -> what takes its traffic; raises Fatal when that cannot be read."""
        ...

    def declared(self) -> Mapping[str, RouteSpec]:
        """Returns model -> what the last deployment declared."""
        ...

    def problems(self) -> Mapping[str, str]:
        """Returns model -> what stands in its way; one that is not served either must not be changed."""
        ...

    def act(self, command: Command) -> dict[str, Any]:
        """Returns what was done; raises Refused, and changed nothing then."""
        ...

    def looks(self) -> Mapping[str, Look]:
        """Returns model -> what its rollout looks like, of those that are under way."""
        ...

    def history(self, model: str, rollout: int) -> Iterable[Look]:
        """Returns the looks of one rollout in order."""
        ...

    def judged(self) -> Mapping[tuple[str, int], str]:
        """Returns (model, rollout) -> the digest it judged, of those whose looks are kept."""
        ...

    def running(self, served: Mapping[str, ServedModel]) -> Running:
        """Returns how all that should run does; never raises."""
        ...


def reach(root: Path, env: str) -> Reach:
    """Returns the way to the environment `env` of the project at `root`.

    Raises:
        SpecError: when there is no such environment, or no kubeconfig leads to its cluster.
    """
    environment = load_environment(root, env)
    if environment.target is Target.LOCAL:
        return local_reach(root, environment)
    # What a cluster needs, a laptop may lack.
    from shipway.delivery.cluster.reach import cluster_reach

    return cluster_reach(root, environment)


def local_reach(root: Path, environment: EnvironmentSpec) -> "LocalReach":
    """Returns the way to a local stack; raises SpecError for another target."""
    ports = local_ports(environment, environment_path(root, environment.name))
    return LocalReach(LocalLayout(root, environment.name), ports)


@dataclass
class LocalReach:
    """The way to the stack on this machine: through its files, its delivery process and loopback."""

    layout: LocalLayout
    ports: PortsSpec
    ledger: Ledger = field(init=False)
    prometheus: Get = field(init=False)
    alertmanager: Get = field(init=False)
    process_states: Callable[[Path], dict[str, str] | None] = survey.process_states

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.layout.ledger)
        self.prometheus = survey.loopback(self.ports.prometheus)
        self.alertmanager = survey.loopback(self.ports.alertmanager)

    @property
    def asked(self) -> str:
        """Where Prometheus is asked."""
        return f"on port {self.ports.prometheus}"

    def served(self) -> Mapping[str, ServedModel]:
        """Returns what the gateway's route file serves."""
        return load_served(self.layout)

    def declared(self) -> Mapping[str, RouteSpec]:
        """Returns what routes/ holds."""
        return read_declared(self.layout.routes).specs

    def problems(self) -> Mapping[str, str]:
        """Returns what is wrong with the files of routes/, or with the folder."""
        found = read_declared(self.layout.routes)
        # A stack that was never brought up has no folder, and nothing is wrong with that.
        unlisted = found.unlisted if self.layout.routes.exists() else ""
        return {**found.broken, **({"routes": unlisted} if unlisted else {})}

    def act(self, command: Command) -> dict[str, Any]:
        """Returns what was done, by the delivery process or in its place."""
        return client.act(self.layout, self.ports.gateway, self.ports.gateway_admin, command)

    def looks(self) -> Mapping[str, Look]:
        """Returns what is under way: from the delivery process, else from what is served."""
        served, why = self.served(), _NOBODY_JUDGES
        try:
            running = client.looks(self.layout)
        except Retryable:
            # It is busy, ends or starts: the next look asks again.
            running, why = None, _SAYS_NOTHING
        if running is not None:
            # A look is kept after the end of its rollout; the route says whether one is under way.
            return {name: look for name, look in running.items() if name in served and served[name].state.progress}
        shown = {name: look_at(entry, utc_now(), why) for name, entry in served.items()}
        return {name: look for name, look in shown.items() if look is not None}

    def history(self, model: str, rollout: int) -> Iterable[Look]:
        """Returns the looks in a file of history/."""
        return read_history(self.layout.history, model, rollout)

    def judged(self) -> Mapping[tuple[str, int], str]:
        """Returns what the files of history/ judged."""
        return {(look.model, look.rollout): look.candidate_digest for look in first_looks(self.layout.history)}

    def running(self, served: Mapping[str, ServedModel]) -> Running:
        """Returns the states of the supervisor's processes."""
        known = self.process_states(self.layout.supervisor_socket)
        expected = survey.expected_processes(self.layout, {name: entry.spec for name, entry in served.items()})
        states = {name: (known or {}).get(name, "ABSENT") for name in expected}
        down = tuple(name for name, state in states.items() if state not in UP)
        starting = tuple(name for name, state in states.items() if state in UP and state != RUNNING)
        up = f"everything (no supervisor answers); run `make up ENV={self.layout.environment}`"
        return Running(states, down, starting, "" if known is not None else up)
