"""Processes at their limits: real ones, small and short."""

import os
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from shipway.contract.errors import ShipwayError
from shipway.retraining.limits import Limits, run_limited

ROOMY = Limits(30, 2000)


def run(code: str, limits: Limits, said: list[str] | None = None) -> int:
    say = (said if said is not None else []).append
    return run_limited([sys.executable, "-c", code], limits, say, cwd=Path.cwd(), env=os.environ)


def test_what_it_prints_is_told_while_it_runs() -> None:
    """Both of its outputs, line by line, and its exit status is returned."""
    said: list[str] = []
    assert run("import sys; print('one', flush=True); print('two', file=sys.stderr); sys.exit(3)", ROOMY, said) == 3
    assert said == ["one", "two"]


def test_one_that_takes_too_long_is_ended() -> None:
    """Within a moment of its limit, with a sentence that names it."""
    begun = time.monotonic()
    with pytest.raises(ShipwayError, match=r"it took longer than timeout_seconds \(0\.5\); it was ended"):
        run("import time; time.sleep(60)", Limits(0.5, 2000))
    assert time.monotonic() - begun < 10


def test_one_that_holds_too_much_is_ended() -> None:
    """What counts is resident memory: reserving it is allowed, filling it is not."""
    assert run("import mmap; mmap.mmap(-1, 2**30)", Limits(30, 150)) == 0
    with pytest.raises(ShipwayError, match=r"it held \d+ MiB, expected at most memory_mib \(150\); it was ended"):
        run("held = bytearray(b'1') * 2**28; import time; time.sleep(60)", Limits(30, 150))


def test_children_count_and_end_with_it() -> None:
    """Two processes that hold the limit together are over it, and nothing stays behind."""
    code = (
        "import subprocess, sys, time\n"
        "held = bytearray(b'1') * (120 * 2**20)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'held = bytearray(b\"1\") * (120 * 2**20); "
        "import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    said: list[str] = []
    with pytest.raises(ShipwayError, match="it held"):
        run(code, Limits(30, 200), said)
    [pid] = said
    deadline = time.monotonic() + 5
    while psutil.pid_exists(int(pid)) and psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_a_finished_one_left_behind_is_ended_too() -> None:
    """A child in the background does not outlive the training that forgot it."""
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
    said: list[str] = []
    assert run(code, ROOMY, said) == 0
    deadline = time.monotonic() + 5
    while psutil.pid_exists(int(said[0])) and psutil.Process(int(said[0])).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_process_bound_to_its_parent_dies_with_it() -> None:
    """However the parent ends: here by SIGKILL."""
    child = "import os, sys, time; from shipway.retraining.limits import bind_to_parent; "
    child += "bind_to_parent(int(sys.argv[1])); print('bound', flush=True); time.sleep(60)"
    code = (
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}, str(os.getpid())], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    said: list[str] = []
    assert run(code, ROOMY, said) == -9
    deadline = time.monotonic() + 5
    while psutil.pid_exists(int(said[0])) and psutil.Process(int(said[0])).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_ended_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its own nor those of what it started, which a kill gives no time to remove."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told = "import tempfile, time; print(tempfile.mkdtemp(), flush=True)"
    started = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{told}; time.sleep(60)'])"
    code = f"{told}; {started}"
    said: list[str] = []
    with pytest.raises(ShipwayError, match="timeout_seconds"):
        run(code, Limits(3, 2000), said)
    assert len(said) == 2
    assert all(Path(folder).is_relative_to(tmp_path) for folder in said)
    assert list(tmp_path.iterdir()) == []
