"""What tests with real processes ask of the machine they run on."""

import random
import socket

# What a small local stack takes: the platform's own ports, and the slots of ten models.
PORTS = 40

# Kept until this process ends: another test that starts at the same moment must not find the same ports free.
_HELD: list[socket.socket] = []


def free_base() -> int:
    """Returns the first of forty ports that nobody holds, below those that the system gives to outgoing connections."""
    for _ in range(200):
        base = random.randrange(12_000, 32_000, PORTS)
        sockets: list[socket.socket] = []
        try:
            for port in range(base, base + PORTS):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
            # The last one is nobody's; who is bound without listening refuses connections all the same.
            _HELD.append(sockets.pop())
            return base
        except OSError:
            continue
        finally:
            for probe in sockets:
                probe.close()
    raise AssertionError("no forty free ports in a row")


def listening(base: int) -> list[str]:
    """Returns which of the forty ports from `base` on somebody listens at."""
    found: list[str] = []
    for port in range(base, base + PORTS):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(f"port {port}")
    return found
