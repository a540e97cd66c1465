"""The program under a monitor that records what is registered."""

import asyncio
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime.mocks import MockMonitor, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.rpc import deserialize_properties

from tests.components import cloud

# Of all programs in this process, whatever a test before left behind. It is never closed: the threads that it would end
# have loops of their own, which nobody else closes.
_LOOP = asyncio.new_event_loop()

# By name: resources of several models are registered in no certain order.
BLUE_PORTS = {
    "first-ports": 20_000,
    "second-one-ports": 20_002,
    "third-ports": 20_004,
    "flight-delay-ports": 20_006,
    "digits-ports": 20_008,
}


def use_one_loop() -> None:
    """Gives Pulumi the loop it asks for, whatever test ran before in this process."""
    asyncio.set_event_loop(_LOOP)


class _Outputs(Mocks):
    def call(self, args: Any) -> dict[str, Any]:
        raise AssertionError(f"the program calls {args.token}")

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if args.typ.startswith("aws:"):
            return cloud.made(args.typ, args.name, args.inputs)
        computed: dict[str, Any] = {"status": "in place"}
        if args.typ.endswith(":PortPair"):
            computed |= {"blue": BLUE_PORTS[args.name], "green": BLUE_PORTS[args.name] + 1}
        if args.typ == "pulumi:pulumi:StackReference":
            computed |= {"outputs": {"handover": cloud.HANDOVER}}
        return f"{args.name}-id", {**args.inputs, **computed}


class Recorder(MockMonitor):
    def __init__(self, mocks: Mocks) -> None:
        super().__init__(mocks)
        self.requests: dict[str, Any] = {}
        self.urns: list[str] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the interface's own name
        answer = super().RegisterResource(request)
        if request.type == "pulumi:pulumi:Stack":
            return answer
        self.urns.append(answer.urn)
        self.requests[answer.urn] = request
        return answer

    def inputs(self, name: str) -> dict[str, Any]:
        found = [request for request in self.requests.values() if request.name == name]
        assert len(found) == 1, f"{len(found)} resources are called {name}"
        return deserialize_properties(found[0].object)

    def of_type(self, ending: str) -> list[Any]:
        return [request for request in self.requests.values() if request.type.endswith(ending)]


def run(root: Path, stack: str, *, preview: bool = False) -> Recorder:
    """Runs the program as the engine would and returns what it registered."""
    return record(lambda: runpy.run_path(str(root / "stacks"), run_name="__main__"), stack, preview=preview)


def record(program: Callable[[], object], stack: str, *, preview: bool = False) -> Recorder:
    """Runs `program` as the one of `stack` and returns what it registered."""
    mocks = _Outputs()
    recorder = Recorder(mocks)
    use_one_loop()
    set_mocks(mocks, project="shipway", stack=stack, preview=preview, monitor=recorder)
    pulumi.runtime.test(lambda: program() and None)()
    return recorder
