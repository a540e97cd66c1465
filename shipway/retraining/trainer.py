"""The process that trains, examines and registers, within limits: `python -m shipway.retraining train`.

It ends with a result on disk or without one; whoever started it decides what that means.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import Field

from shipway.contract.documents import Spec, parse, read_json, write_atomic
from shipway.contract.environment import load_environment
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.contract.model import load_model
from shipway.retraining.limits import Limits, bind_to_parent, limit_data, run_limited

__all__ = ["Order", "Result", "order_training", "train_here"]


@dataclass(frozen=True)
class Order:
    """What to train.

    Args:
        layout: the environment that keeps registry, store, logs and live route.
        service: the service's folder.
        as_of: the newest moment that may be known.
        reason: why; a tag of the version.
        live: the champion's digest, empty for none.
        overrides: settings, as `--set` gives them.
        rehearse: whether to stop before anything is registered.
    """

    layout: LocalLayout
    service: Path
    as_of: datetime
    reason: str
    live: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict[str, str])
    rehearse: bool = False


class Result(Spec):
    """What the process leaves behind.

    Args:
        digest, version, metrics: of what was registered.
        findings: what every comparison said.
        problem: why nothing was registered, empty where something was.
        crashed: whether that is because the training failed, not because its result was not good enough.
        rehearsed: whether nothing was to be registered.
    """

    digest: str = ""
    version: str = ""
    metrics: dict[str, float] = Field(default_factory=dict[str, float])
    findings: tuple[str, ...] = ()
    problem: str = ""
    crashed: bool = False
    rehearsed: bool = False


class _RehearsedError(ShipwayError):
    """Stops a training that has passed everything before it is registered."""


def order_training(order: Order, limits: Limits, result: Path, say: Callable[[str], None]) -> Result:
    """Returns what a process of its own made of `order`.

    Args:
        order: what to train.
        limits: of that process and all it starts.
        result: the file that it writes.
        say: called with each line that it prints.
    """
    result.parent.mkdir(parents=True, exist_ok=True)
    result.unlink(missing_ok=True)
    last: list[str] = []

    def told(line: str) -> None:
        last[:] = [line] if line.strip() else last
        say(line)

    command = [sys.executable, "-m", "shipway.retraining", "train"]
    command += ["--root", str(order.layout.root), "--env", order.layout.environment, "--service", order.service.name]
    command += ["--as-of", order.as_of.isoformat(), "--reason", order.reason, "--live", order.live]
    command += ["--result", str(result), "--memory-mib", str(limits.memory_mib), "--parent", str(os.getpid())]
    command += [word for key, value in order.overrides.items() for word in ("--set", f"{key}={value}")]
    command += ["--rehearse"] if order.rehearse else []
    try:
        code = run_limited(command, limits, told, cwd=order.layout.root, env=os.environ)
    except ShipwayError as error:
        return Result(problem=f"the training was not finished: {error}", crashed=True)
    if result.exists():
        return parse(Result, read_json(result), result)
    words = last[0] if last else "it said nothing"
    return Result(problem=f"the training ended with status {code}: {words}", crashed=True)


def train_here(order: Order, result: Path, memory_mib: int, parent: int) -> int:
    """Carries out `order` in this process, writes the result to the file `result` and returns the exit status."""
    bind_to_parent(parent)
    limit_data(memory_mib)
    # Imported when the limit holds.
    from shipway.logs.places import log_of
    from shipway.retraining.examination import Examination
    from shipway.training.pipeline import Candidate, Training, train

    spec = load_model(order.service / "model.yaml")
    environment = load_environment(order.layout.root, order.layout.environment)
    source = log_of(order.layout, environment, spec.name, _say)
    examination = Examination(order.service, spec, source, order.as_of, _say, [])

    def examine(candidate: Candidate) -> None:
        examination(candidate)
        if order.rehearse:
            raise _RehearsedError("rehearsed")

    tags = {"retraining": order.reason, "as_of": order.as_of.isoformat()}
    job = Training(
        *(order.layout, order.service, spec, order.overrides, True, _say),
        as_of=order.as_of,
        examine=examine,
        tags=tags,
        live=order.live,
    )
    try:
        made = train(job)
        done = Result(digest=made.digest, version=made.version, metrics=dict(made.metrics))
    except _RehearsedError:
        done = Result(rehearsed=True)
    except ShipwayError as error:
        done = Result(problem=str(error))
    except MemoryError:
        done = Result(
            problem=f"it asked for more than memory_mib ({memory_mib}) and what is only reserved", crashed=True
        )
    found = tuple(str(one) for one in examination.findings)
    write_atomic(result, done.model_copy(update={"findings": found}).model_dump_json())
    return 1 if done.problem else 0


def _say(line: str) -> None:
    print(line, flush=True)
