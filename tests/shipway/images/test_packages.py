"""Which packages of the lock a slot needs."""

import pytest

from shipway.bundle.loaders import every_loader
from shipway.contract.errors import SpecError
from shipway.images.packages import fitting, needed, parse_lock, slot_roots
from tests.shipway.delivery.stack import PROJECT

LOCK = """\
a==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:ab
    # via
    #   shipway (pyproject.toml)
    #   c-d
B_b==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:bb
    # via a
c.d==3 \\
    --hash=sha256:cc
    # via shipway (pyproject.toml)
"""


def test_a_root_brings_what_it_needs() -> None:
    """Directly and through others, by names as packages spell them; comments go, markers and hashes stay."""
    lock = {one.name: one for one in parse_lock(LOCK, "lock")}
    assert [one.name for one in needed(lock, ["c-d"], "lock")] == ["a", "b-b", "c-d"]
    assert [one.name for one in needed(lock, ["a"], "lock")] == ["a", "b-b"]
    assert lock["b-b"].text == "B_b==2.0 ; sys_platform == 'win32' \\\n    --hash=sha256:bb"


def test_of_several_versions_one_counts() -> None:
    """A lock for several Pythons pins a package for each; which one is said by the image's Python and architecture."""
    forked = """\
a==1 ; python_full_version < '3.12' \\
    --hash=sha256:aa
a==2 ; python_full_version >= '3.12' and platform_machine == 'aarch64' \\
    --hash=sha256:bb
"""
    lock = parse_lock(forked, "lock")
    assert fitting(lock, "3.11.9", "amd64")["a"].version == "1"
    assert fitting(lock, "3.12.1", "arm64")["a"].version == "2"
    assert fitting(lock, "3.12.1", "amd64") == {}


@pytest.mark.parametrize("entry", ["a>=1", "a==1.0\n    # via b"])
def test_what_is_not_pinned_is_refused(entry: str) -> None:
    """Neither a range nor a version without a hash."""
    with pytest.raises(SpecError, match=r"lock: got 'a.*', expected NAME==VERSION with --hash=sha256"):
        parse_lock(entry, "lock")


def test_a_package_that_is_not_in_the_lock() -> None:
    """The error names it."""
    with pytest.raises(
        SpecError, match="lock: bentoml: got None, expected a pinned version: a slot needs this package"
    ):
        needed({}, ["bentoml"], "lock")


def test_a_slot_needs_no_engine_and_no_tests() -> None:
    """Of the project's own lock: what serves and reads features is there, what provisions, tracks and tests is not."""
    path = PROJECT / "requirements.lock"
    lock = fitting(parse_lock(path.read_text(), str(path)), "3.11.9", "amd64")
    names = {one.name for one in needed(lock, slot_roots(), str(path))}
    assert {"bentoml", "feast", "scikit-learn", "skops", "uvicorn", "pydantic", "numpy"} <= names
    # What opens models of other frameworks, and nothing of what only exports them.
    assert every_loader() <= names
    assert (
        not {"onnx", "skl2onnx", "torch", "pulumi", "pulumi-aws", "pytest", "pyright", "mlflow-skinny", "supervisor"}
        & names
    )
