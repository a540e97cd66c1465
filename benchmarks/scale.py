"""How fast the program registers its resources: `python -m benchmarks.scale [--rounds 5] [--json]`.

Each environment is a copy of the example cluster, with as many models as make up the resources. The same resources are
also registered by plain calls of the SDK's classes, from a list that was recorded; both run under the same monitor, by
turns, in one process. After that one environment grows to a hundred models, whose cost each must stay what it is.
"""

import argparse
import gc
import importlib
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import linear_regression, median
from typing import Any, cast

import pulumi
import pytest
import yaml
from pulumi_kubernetes.apiextensions import CustomResource

from tests.components.conftest import Project, make_project
from tests.components.recorded import Registration, registrations
from tests.components.recording import record, run

__all__ = ["main"]

AT_LEAST_OF_RAW = 0.9
# What a model costs among a hundred, over what it costs among ten. Growth by the square would be near ten; the SDK's
# own cost of a resource grows by some tenths, as its heap does.
AT_MOST_GROWTH = 1.5
EXAMPLE, MODELS = "onprem", (10, 50, 100)
FIRST, SECOND = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@contextmanager
def projects() -> Iterator[Callable[[str, int], Path]]:
    """Yields what makes a project with one environment and so many models, each with both slots filled."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:

        def made(name: str, models: int) -> Path:
            place = Path(folder, f"{name}-{models}")
            place.mkdir()
            project = make_project(place, patch)
            _environment(project, name)
            for number in range(models):
                project.release(project.add_model(f"model-{number:03}"), name, blue=FIRST, green=SECOND)
            return project.root

        yield made


def _environment(project: Project, name: str) -> None:
    stacks = project.root / "stacks"
    document = yaml.safe_load((stacks / f"Pulumi.{EXAMPLE}.yaml").read_text(encoding="utf-8"))
    document["config"]["shipway:environment"]["name"] = name
    (stacks / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def models_for(resources: int, made: Callable[[str, int], Path]) -> int:
    """Returns how many models make an environment of at least so many resources."""
    none, one = (len(run(made("count", models), "count").requests) for models in (0, 1))
    return max(0, math.ceil((resources - none) / (one - none)))


@dataclass(frozen=True)
class Call:
    """One call of the SDK, ready to be made.

    Args:
        urn: what it registers.
        make: the class.
        inputs: its arguments, nested ones as the mappings that the SDK takes too.
        parent, provider: URNs, empty for none.
        waits: URNs of what it waits for.
        one: how it was registered.
    """

    urn: str
    make: Callable[..., pulumi.Resource]
    inputs: Mapping[str, Any]
    parent: str
    provider: str
    waits: Sequence[str]
    one: Registration


def calls(recorded: Sequence[Registration]) -> list[Call]:
    """Returns the plain calls that register the same."""
    found: list[Call] = []
    for one in recorded:
        request = one.request
        make, inputs = _call_of(one)
        provider = request.provider.rpartition("::")[0]
        found.append(Call(one.urn, make, inputs, request.parent, provider, list(request.dependencies), one))
    return found


def _call_of(one: Registration) -> tuple[Callable[..., pulumi.Resource], Mapping[str, Any]]:
    if not one.request.custom:

        def component(name: str, opts: pulumi.ResourceOptions) -> pulumi.Resource:
            return pulumi.ComponentResource(one.type, name, dict(one.inputs), opts)

        return component, {}
    given = {_snake(key): value for key, value in one.inputs.items() if key not in ("apiVersion", "kind")}
    found = _class_of(one.type)
    if found is CustomResource:
        _, group, kind = one.type.split(":")
        given |= {"api_version": group, "kind": kind}
    return cast(Callable[..., pulumi.Resource], found), given


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


@cache
def _class_of(token: str) -> type[pulumi.Resource]:
    """Returns the SDK's class of a type; a kind that it does not know is a custom resource."""
    package, module, name = token.split(":")
    if package == "pulumi":
        return importlib.import_module(f"pulumi_{name}").Provider
    group, _, version = module.partition("/")
    try:
        return getattr(importlib.import_module(f"pulumi_{package}.{group.partition('.')[0]}.{version}"), name)
    except ModuleNotFoundError:
        return CustomResource


def register(planned: Sequence[Call]) -> None:
    """Makes every call, in the order of the recording."""
    made: dict[str, pulumi.Resource] = {}
    for call in planned:
        request = call.one.request
        opts = pulumi.ResourceOptions(
            parent=made.get(call.parent),
            provider=cast(pulumi.ProviderResource | None, made.get(call.provider)),
            depends_on=[made[urn] for urn in call.waits if urn in made],
            protect=request.protect,
            retain_on_delete=request.retainOnDelete,
            ignore_changes=list(request.ignoreChanges),
        )
        made[call.urn] = call.make(call.one.name, **call.inputs, opts=opts)


def seconds(work: Callable[[], object]) -> float:
    """Returns the processor's time for something: what other processes do meanwhile does not count."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def beside_raw(environments: int, resources: int, rounds: int) -> dict[str, Any]:
    """Returns the time of all environments by the program and by plain calls, and how many resources that is."""
    with projects() as made:
        models = models_for(resources, made)
        names = [f"scale{number}" for number in range(environments)]
        roots = {name: made(name, models) for name in names}
        planned = {name: calls(registrations(run(root, name))) for name, root in roots.items()}

        def ours() -> list[int]:
            return [len(run(root, name).requests) for name, root in roots.items()]

        def raw() -> list[int]:
            return [len(record(lambda each=each: register(each), name).requests) for name, each in planned.items()]

        # Once for the imports, and for what the program sets for its process: both run alike, and register the same.
        counts = ours()
        if counts != raw():
            raise SystemExit("error: the plain calls register something else, expected the same resources")
        took = [(seconds(ours), seconds(raw)) for _ in range(rounds)]
    ratio = median(plain / own for own, plain in took)
    own, plain = (median(times) for times in zip(*took, strict=True))
    return {"resources": counts, "models": models, "ours_seconds": own, "raw_seconds": plain, "ratio": ratio}


def growth(rounds: int) -> dict[str, Any]:
    """Returns milliseconds a model at each size, beyond what the platform takes, and how straight the line is."""
    with projects() as made:
        roots = {count: made("grow", count) for count in (0, *MODELS)}
        run(roots[0], "grow")
        took = {
            count: median(seconds(lambda at=root: run(at, "grow")) for _ in range(rounds))
            for count, root in roots.items()
        }
    each = {count: (took[count] - took[0]) / count * 1e3 for count in MODELS}
    slope, intercept = linear_regression(list(took), list(took.values()))
    off = max(abs(value - (intercept + slope * count)) for count, value in took.items()) / max(took.values())
    return {
        "platform_seconds": took[0],
        "milliseconds_a_model": each,
        "fit_milliseconds_a_model": slope * 1e3,
        "off_the_line": off,
        "ratio": each[MODELS[-1]] / each[MODELS[0]],
    }


def _print(beside: Mapping[str, Any], grown: Mapping[str, Any], *, slow: bool, bent: bool) -> None:
    def line(what: str, value: float, unit: str, bound: str = "") -> None:
        print(f"{what:<58} {value:8.2f} {unit:<3} {bound}".rstrip())

    counts, missed = beside["resources"], {True: "   MISSED", False: ""}
    shape = f"{len(counts)} environments of {min(counts)} resources, {beside['models']} models each"
    line(shape, beside["ours_seconds"], "s")
    line("the same by plain calls of the SDK", beside["raw_seconds"], "s")
    line("speed beside plain calls", beside["ratio"], "", f"at least {AT_LEAST_OF_RAW:g}{missed[slow]}")
    for count, milliseconds in grown["milliseconds_a_model"].items():
        line(f"one environment, {count} models: a model", milliseconds, "ms")
    off = f"off it by {grown['off_the_line']:.1%} at most"
    line("fitted line: a model", grown["fit_milliseconds_a_model"], "ms", off)
    compared = f"a model among {MODELS[-1]} over one among {MODELS[0]}"
    line(compared, grown["ratio"], "", f"at most {AT_MOST_GROWTH:g}{missed[bent]}")


def main(arguments: list[str]) -> int:
    """Prints the figures; returns 1 when one misses its bound."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", type=int, default=3, help="how many environments (default: 3)")
    parser.add_argument("--resources", type=int, default=300, help="resources of each, at least (default: 300)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--json", action="store_true", help="print the figures as one line of JSON")
    chosen = parser.parse_args(arguments)
    beside, grown = beside_raw(chosen.environments, chosen.resources, chosen.rounds), growth(chosen.rounds)
    slow, bent = beside["ratio"] < AT_LEAST_OF_RAW, grown["ratio"] > AT_MOST_GROWTH
    if chosen.json:
        print(json.dumps({"beside_raw": beside, "growth": grown}))
        return int(slow or bent)
    _print(beside, grown, slow=slow, bent=bent)
    return int(slow or bent)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
