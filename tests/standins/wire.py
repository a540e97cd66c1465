"""The engine's protocol as stand-in providers speak it: values on the wire, names in a URN, and how one is served."""

import argparse
import signal
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import grpc
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

__all__ = ["dump", "has_unknown", "load", "projected", "serve", "type_and_name"]


def load(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Returns what the engine sent, with whole numbers as such."""
    return cast(dict[str, Any], _whole(json_format.MessageToDict(struct)))


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_whole(one) for one in cast(list[Any], value)]
    return value


def dump(value: Mapping[str, Any]) -> struct_pb2.Struct:
    """Returns a value as the engine reads it."""
    return json_format.ParseDict(dict(value), struct_pb2.Struct())


def has_unknown(value: Any) -> bool:
    """Returns whether anything in `value` is not known before the update."""
    if isinstance(value, Mapping):
        return any(has_unknown(one) for one in cast(Mapping[str, Any], value).values())
    if isinstance(value, list):
        return any(has_unknown(one) for one in cast(list[Any], value))
    return value == UNKNOWN


def projected(found: Any, inputs: Any) -> Any:
    """Returns of what is there the part that the inputs speak of: what a service adds by itself is no drift."""
    if isinstance(inputs, dict) and isinstance(found, dict):
        given, there = cast(dict[str, Any], inputs), cast(dict[str, Any], found)
        return {key: projected(there[key], one) for key, one in given.items() if key in there}
    if isinstance(inputs, list) and isinstance(found, list):
        given_list, there_list = cast(list[Any], inputs), cast(list[Any], found)
        if len(given_list) == len(there_list):
            return [projected(one, other) for one, other in zip(there_list, given_list, strict=True)]
    return found


def type_and_name(urn: str) -> tuple[str, str]:
    """Returns the type and the name in a resource's URN."""
    kind, name = urn.split("::")[2:4]
    return kind.split("$")[-1], name


def serve(provider: provider_pb2_grpc.ResourceProviderServicer, description: str | None) -> None:
    """Serves until the engine lets go; prints the port first, as the engine expects."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("engine", nargs="?", help="the engine's address, given where the engine starts this process")
    parser.add_argument("--port", type=int, default=0)
    chosen, _ = parser.parse_known_args()
    server = grpc.server(ThreadPoolExecutor(max_workers=16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port(f"127.0.0.1:{chosen.port}")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    stopping.wait()
    server.stop(None)
