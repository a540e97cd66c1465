"""What every test shares: nothing is written beside the sources, and what a run will not ask is not imported."""

import gc
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis.configuration import set_hypothesis_home_dir

ROOT = Path(__file__).resolve().parents[1]

set_hypothesis_home_dir(ROOT / ".shipway" / "cache" / "hypothesis")

# The longest first, so that no worker is left alone with one of them at the end.
LONG = (
    "tests/e2e/road/test_road.py",
    "tests/e2e/test_pulumi_local.py",
    "tests/faults/test_selection.py",
    "tests/templates/test_kinds.py",
    "tests/e2e/test_parity.py",
    "tests/e2e/test_slot.py",
    "tests/e2e/test_silence.py",
    "tests/e2e/test_retraining.py",
    "tests/e2e/test_check.py",
    "tests/e2e/test_labels.py",
    "tests/shipway/scaffold/inferred/test_making.py",
    "tests/e2e/test_loadtest.py",
    "tests/e2e/test_standalone.py",
    "tests/e2e/test_drift.py",
)

BUSY_SECONDS = 300


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None]:
    """Collects no garbage while all is imported, a fifth of that time, and looks through none of it ever after."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With one mark alone, as in `-m e2e`, a file that does not name it is not imported: that takes half a minute."""
    mark = config.getoption("markexpr")
    if not mark.isidentifier() or not collection_path.name.startswith("test_"):
        return None
    return f"mark.{mark}" not in collection_path.read_text(encoding="utf-8") or None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files that take longest at the front, and gives what starts processes its time on a busy machine."""
    places = {ROOT / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))
    for item in items:
        if item.get_closest_marker("e2e") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(BUSY_SECONDS))
