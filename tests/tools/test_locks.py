"""One at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import locks
from tools.errors import BusyError

HOLD = "import sys; from pathlib import Path; from tools import locks\n"
HOLD += "with locks.exclusive(Path(sys.argv[1]), 'it'): print('held', flush=True); sys.stdin.read()"


def test_a_second_run_is_told_who_holds_the_lock(tmp_path: Path, root: Path) -> None:
    """Two `make up` at once: the second is refused at once, with the number of the process that works."""
    path = tmp_path / "up.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(BusyError, match=rf"`make up` is under way in process {holder.pid}, which holds {path}"),
            locks.exclusive(path, "`make up`"),
        ):
            pass
        holder.kill()
    with locks.exclusive(path, "`make up`"):
        assert path.read_text(encoding="utf-8") == str(os.getpid())


def test_a_lock_ends_with_its_block(tmp_path: Path) -> None:
    """The lock can be taken again after the block, also after one that failed."""
    path = tmp_path / "a" / "lock"
    with pytest.raises(ValueError, match="inside"), locks.exclusive(path, "work"):
        raise ValueError("inside")
    with locks.exclusive(path, "work"):
        pass
