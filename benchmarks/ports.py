"""Ports nobody listens on now."""

import socket
from contextlib import ExitStack

__all__ = ["free_base", "free_ports"]


def free_ports(count: int) -> list[int]:
    """Returns `count` different loopback ports, free at this moment."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def free_base(count: int) -> int:
    """Returns a loopback port that is free together with the ones after it, `count` in all."""
    while True:
        [base] = free_ports(1)
        try:
            with ExitStack() as stack:
                for port in range(base, base + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            continue
        return base
