"""Failpoints: each is reached in the code under its own name, and nowhere is one that the registry does not know."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shipway.delivery import failpoints
from shipway.delivery.failpoints import FAILPOINTS, VARIABLE

PACKAGE = Path(failpoints.__file__).parent


def test_the_registry_is_what_the_code_reaches() -> None:
    """Every name in the registry is reached in one place, and every place has a registered name."""
    sources = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if path.name != "failpoints.py"]
    reached = re.findall(r'\breach\("(\w+)"\)', "\n".join(sources))
    assert sorted(reached) == sorted(FAILPOINTS)


def test_a_chosen_failpoint_ends_the_process_at_once() -> None:
    """As `kill -9` would: nothing after it runs, no handler and no clean-up."""
    code = "from shipway.delivery.failpoints import reach; reach('gateway_after_write'); print('alive', flush=True); "
    code += "reach('ledger_before_link'); print('never')"
    environment = os.environ | {VARIABLE: "ledger_before_link"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "alive\n")


def test_an_unknown_failpoint_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt place in the code shows as soon as any failpoint is chosen."""
    monkeypatch.setattr(failpoints, "_CHOSEN", "ledger_before_link")
    with pytest.raises(ValueError, match="leger: no such failpoint, expected one of gateway_before_write, "):
        failpoints.reach("leger")
