"""Runs the SDK's server of dynamic providers until the engine is gone: by itself it outlives one that is killed."""

import os
import runpy
import signal
import sys
import threading

__all__ = ["end_with_engine"]


def end_with_engine() -> None:
    """Waits for the end of standard input, whose other end the engine holds, and ends this process."""
    while os.read(sys.stdin.fileno(), 4096):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_engine, daemon=True).start()
    # As `python -m` would have it: the folder the engine chose comes first, not this file's.
    sys.path[0] = os.getcwd()  # noqa: PTH109 - text, as every entry is
    runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)
