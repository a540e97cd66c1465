"""What is known of a model's path; only what a file says, and where."""

from dataclasses import dataclass, field

__all__ = ["Facts", "Workflow"]


@dataclass(frozen=True)
class Workflow:
    """A pipeline of the build server.

    Args:
        path: its file, from the project's root.
        tests: whether it runs the tests.
        deploys: whether it releases, or brings up an environment.
    """

    path: str
    tests: bool
    deploys: bool


@dataclass(frozen=True)
class Facts:
    """One model's path in one environment whose files are on this machine, and in git for all others.

    Args:
        model: its name.
        environment: the one whose state was read.
        bars: of model.yaml's gates, one sentence each: those that hold without a champion.
        bundles: digests in the artifact store.
        live_since: when a version first took traffic, ISO 8601; empty for never.
        promoted: the last promotion by evidence, `digest at time`; empty for none.
        reads_features: whether the model reads the feature store.
        compared: what served features were compared with the offline join in; empty for nothing.
        drift_enabled: whether drift is watched.
        drift_judged: the newest drift verdict that judged something, ISO 8601; empty for none.
        quality_judged: the newest accuracy by late labels, ISO 8601; empty for none.
        triggers: what starts a retraining.
        retrainings: finished runs, `status at time`, oldest first.
        committed: whether git has the service; None where there is no git.
        tests: the service's test files, by name.
        regression_sets: its frozen sets.
        workflows: of the build server.
        releases: environment -> digests in its slots, of those that are in git.
    """

    model: str
    environment: str
    bars: tuple[str, ...] = ()
    bundles: tuple[str, ...] = ()
    live_since: str = ""
    promoted: str = ""
    reads_features: bool = False
    compared: str = ""
    drift_enabled: bool = True
    drift_judged: str = ""
    quality_judged: str = ""
    triggers: tuple[str, ...] = ()
    retrainings: tuple[str, ...] = ()
    committed: bool | None = None
    tests: tuple[str, ...] = ()
    regression_sets: tuple[str, ...] = ()
    workflows: tuple[Workflow, ...] = ()
    releases: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
