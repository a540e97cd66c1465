"""What tests with real processes ask of the machine they run on."""

import atexit
import random
import socket
from collections import deque

# What a small local stack takes: the platform's own ports, and the slots of ten models.
PORTS = 40

# Below the ports that the system gives to outgoing connections; single ports apart from rows, which hold only one.
_ROWS, _PAIRS = (12_000, 32_000), (10_000, 12_000)

# The last port of what was handed out stays bound: another test that starts at the same moment, here or in a worker
# beside this one, must not find the same ports free. A test that took so many is over with the first ones.
_HELD: deque[socket.socket] = deque()
_HELD_MOST = 64


@atexit.register
def _let_go() -> None:
    while _HELD:
        _HELD.pop().close()


def free_base() -> int:
    """Returns the first of forty ports that nobody holds."""
    return _first_of(PORTS, *_ROWS)


def free_port() -> int:
    """Returns a port that nobody holds."""
    return _first_of(2, *_PAIRS)


def _first_of(count: int, low: int, high: int) -> int:
    for _ in range(200):
        base = random.randrange(low, high, count)
        sockets: list[socket.socket] = []
        try:
            for port in range(base, base + count):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
            # The last one is nobody's; who is bound without listening refuses connections all the same.
            _HELD.append(sockets.pop())
            while len(_HELD) > _HELD_MOST:
                _HELD.popleft().close()
            return base
        except OSError:
            continue
        finally:
            for probe in sockets:
                probe.close()
    raise AssertionError(f"no {count} free ports in a row from {low} to {high}")


def listening(base: int) -> list[str]:
    """Returns which of the forty ports from `base` on somebody listens at."""
    found: list[str] = []
    for port in range(base, base + PORTS):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(f"port {port}")
    return found
