"""Where the controller can be made to die: before and after each of its side effects, one name each.

A test starts the process with `SHIPWAY_FAILPOINT=<name>`; the process then ends itself, as `kill -9` would, the first
time it gets there. Without the variable a failpoint costs one look at a constant.
"""

import os
import signal

__all__ = ["FAILPOINTS", "VARIABLE", "reach"]

VARIABLE = "SHIPWAY_FAILPOINT"

# Each side effect of the controller: the gateway's files, their confirmed copies, the ledger, the scrape targets, the
# history.
FAILPOINTS = (
    "gateway_before_write",
    "gateway_after_write",
    "gateway_before_keep",
    "gateway_after_keep",
    "ledger_before_link",
    "ledger_after_link",
    "targets_before_write",
    "targets_after_write",
    "history_before_write",
    "history_after_write",
)
_CHOSEN = os.environ.get(VARIABLE, "")


def reach(name: str) -> None:
    """Ends this process at once when `name` is the chosen failpoint.

    Raises:
        ValueError: for a name that is not in the registry.
    """
    if not _CHOSEN:
        return
    if name not in FAILPOINTS:
        raise ValueError(f"{name}: no such failpoint, expected one of {', '.join(FAILPOINTS)}")
    if name == _CHOSEN:
        os.kill(os.getpid(), signal.SIGKILL)
